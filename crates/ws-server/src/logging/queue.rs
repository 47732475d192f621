//! The path of a log line to standard error: through a bounded queue to a writer thread.
//!
//! Logging never blocks and never fails. A pipe that nobody reads fills the queue, and then lines are dropped; with a
//! closed pipe or a full disk they are dropped at once. Dropped lines are counted, and reported when lines can be
//! written again.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use ws_core::Count;

use crate::limits::{LOG_QUEUE_BYTES_MAX, LOG_RETRY_PAUSE};

/// Lines that wait for the writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There are lines.
    filled: Condvar,
    /// There are none left, and none is being written.
    idle: Condvar,
    dropped: &'static Count,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// The lines that were taken last are being written.
    is_writing: bool,
}

impl Queue {
    pub(super) fn new(dropped: &'static Count) -> Self {
        Queue { state: Mutex::default(), filled: Condvar::new(), idle: Condvar::new(), dropped }
    }

    /// Takes a line, or counts it as dropped if there is no room.
    fn push(&self, line: &[u8]) {
        let mut state = self.state.lock();
        let has_room = state.lines.len() + line.len() <= LOG_QUEUE_BYTES_MAX;
        if has_room {
            state.lines.extend_from_slice(line);
        }
        drop(state);
        if has_room {
            self.filled.notify_one();
        } else {
            self.dropped.add(1);
        }
    }

    /// Takes all lines; waits until there are some.
    fn take(&self) -> Vec<u8> {
        let mut state = self.state.lock();
        state.is_writing = false;
        while state.lines.is_empty() {
            self.idle.notify_all();
            self.filled.wait(&mut state);
        }
        state.is_writing = true;
        std::mem::take(&mut state.lines)
    }

    /// Waits until all lines are written or dropped, or the time is over.
    pub(super) fn flush(&self, within: Duration) {
        let end = Instant::now() + within;
        let mut state = self.state.lock();
        while state.is_writing || !state.lines.is_empty() {
            if self.idle.wait_until(&mut state, end).timed_out() {
                return;
            }
        }
    }
}

/// The writer for the formatter, which hands over whole lines. It never fails.
#[derive(Debug)]
pub(super) struct Line(pub(super) &'static Queue);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the lines of a queue. Its thread may block.
#[derive(Debug)]
pub(super) struct Writer<W> {
    queue: &'static Queue,
    to: W,
    /// The last line was written only in part.
    is_torn: bool,
    /// Dropped lines that have been reported.
    reported: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(queue: &'static Queue, to: W) -> Self {
        Writer { queue, to, is_torn: false, reported: queue.dropped.get() }
    }

    /// Waits for lines and writes them. After a success, `report` is called with the number of lines that were dropped
    /// since its last call, if any.
    pub(super) fn write_batch(&mut self, report: impl FnOnce(u64)) {
        let lines = self.queue.take();
        let unwritten = self.write(&lines);
        let lost = lines[lines.len() - unwritten..].iter().filter(|byte| **byte == b'\n').count();
        self.queue.dropped.add(lost as u64);
        let dropped = self.queue.dropped.get();
        if lost == 0 && dropped > self.reported {
            report(dropped - std::mem::replace(&mut self.reported, dropped));
        }
    }

    /// Returns how many bytes could not be written.
    fn write(&mut self, lines: &[u8]) -> usize {
        if self.is_torn && !self.write_all(b"\n").is_empty() {
            return lines.len();
        }
        let unwritten = self.write_all(lines).len();
        let written = &lines[..lines.len() - unwritten];
        self.is_torn = written.last().is_some_and(|last| *last != b'\n');
        unwritten
    }

    /// Returns the rest, if the writer fails.
    fn write_all<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty() {
            match self.to.write(bytes) {
                Ok(0) => break,
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(LOG_RETRY_PAUSE),
                Err(_) => break,
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> &'static Queue {
        let dropped = Box::leak(Box::new(Count::default()));
        Box::leak(Box::new(Queue::new(dropped)))
    }

    /// Takes so many bytes more, and then fails.
    #[derive(Debug, Default)]
    struct Disk {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.written.extend_from_slice(&bytes[..taken]);
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// One turn; how many lines are reported to be lost.
    fn turn(writer: &mut Writer<Disk>) -> Option<u64> {
        let mut reported = None;
        writer.write_batch(|lost| reported = Some(lost));
        reported
    }

    #[test]
    fn lines_that_find_no_room_are_dropped_and_counted_and_told_of_once() {
        let queue = queue();
        let mut writer = Writer::new(queue, Disk { room: usize::MAX, ..Disk::default() });
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        (0..1024 + 7).for_each(|_| queue.push(&line));
        assert_eq!(queue.dropped.get(), 7);
        assert_eq!(turn(&mut writer), Some(7));
        assert_eq!(writer.to.written.len(), LOG_QUEUE_BYTES_MAX);
        queue.push(b"after\n");
        assert_eq!(turn(&mut writer), None);
        assert!(writer.to.written.ends_with(b"x\nafter\n"));
    }

    #[test]
    fn a_writer_that_fails_costs_lines_and_nothing_else() {
        let queue = queue();
        let mut writer = Writer::new(queue, Disk { room: 7, ..Disk::default() });
        queue.push(b"one\n");
        queue.push(b"two two\n");
        queue.push(b"three\n");
        assert_eq!((turn(&mut writer), queue.dropped.get()), (None, 2), "the second is cut, the third not there");
        queue.push(b"four\n");
        assert_eq!((turn(&mut writer), queue.dropped.get()), (None, 3));
        writer.to.room = 100;
        queue.push(b"five\n");
        assert_eq!((turn(&mut writer), queue.dropped.get()), (Some(3), 3));
        assert_eq!(writer.to.written, b"one\ntwo\nfive\n");
        queue.flush(Duration::ZERO);
    }

    #[test]
    fn who_logs_does_not_wait_for_a_writer_that_blocks_and_the_end_waits_only_so_long() {
        let queue = queue();
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let (written, is_written) = std::sync::mpsc::channel();
        /// A pipe that nobody reads.
        struct Pipe(std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<usize>);
        impl Write for Pipe {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                let _ = self.1.send(bytes.len());
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = Writer::new(queue, Pipe(wait, written));
        std::thread::spawn(move || {
            loop {
                writer.write_batch(|_| {});
            }
        });
        queue.push(b"first\n");
        (0..300_000).for_each(|_| queue.push(b"and so on\n"));
        assert!(queue.dropped.get() > 0);
        queue.flush(Duration::from_millis(1));
        drop(go_on);
        queue.flush(Duration::from_secs(30));
        let bytes: usize = is_written.try_iter().sum();
        assert_eq!(bytes as u64, 6 + 10 * (300_000 - queue.dropped.get()), "all but the dropped ones");
    }
}
