//! The writer's queue: commands in their order, bounded in bytes.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use ws_core::engine::{Append, Appended, EngineError, Epoch, Retention};

use crate::answer::{Answer, ended};
use crate::limits::{BATCH_BYTES_MAX, QUEUED_BYTES};

/// A command to the writer.
#[derive(Debug)]
pub(crate) enum Command {
    Append(Appending),
    Remove { channel: Box<str>, answer: Answer<Epoch> },
}

/// A publication to store.
#[derive(Debug)]
pub(crate) struct Appending {
    pub(crate) channel: Box<str>,
    pub(crate) retention: Retention,
    pub(crate) body: Arc<[u8]>,
    pub(crate) data: Range<usize>,
    pub(crate) msg_id: Option<Box<str>>,
    /// When a repeat was first sent; `None`: now.
    pub(crate) sent_ms: Option<u64>,
    /// See [`Append::read_us`].
    pub(crate) read_us: Option<u64>,
    pub(crate) answer: Answer<Appended>,
}

/// What the writer takes from the queue.
#[derive(Debug)]
pub(crate) enum Taken {
    /// At least one command. `freed`: waiting publishers may continue.
    Batch { commands: Vec<Command>, freed: bool },
    /// Nothing arrived in time.
    Nothing,
    /// Nothing will arrive any more.
    Closed,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    bytes_max: usize,
    batch_max: usize,
    bytes: AtomicUsize,
    full: AtomicBool,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    commands: VecDeque<Command>,
    closed: bool,
}

impl Command {
    fn bytes(&self) -> usize {
        QUEUED_BYTES + if let Command::Append(append) = self { append.body.len() } else { 0 }
    }

    pub(crate) fn channel(&self) -> &str {
        match self {
            Command::Append(append) => &append.channel,
            Command::Remove { channel, .. } => channel,
        }
    }

    /// When the request was read; see [`Append::read_us`].
    pub(crate) fn read_us(&self) -> Option<u64> {
        if let Command::Append(append) = self { append.read_us } else { None }
    }

    pub(crate) fn refuse(self, error: EngineError) {
        match self {
            Command::Append(append) => append.answer.give(Err(error)),
            Command::Remove { answer, .. } => answer.give(Err(error)),
        }
    }
}

impl Appending {
    /// `ago` gives the time that is so long before it arrived: while it waits, a repeat grows older.
    pub(crate) fn new(append: &Append<'_>, ago: impl FnOnce(u64) -> u64, answer: Answer<Appended>) -> Self {
        Appending {
            channel: append.channel.into(),
            retention: append.retention,
            body: append.body.clone(),
            data: append.data.clone(),
            msg_id: append.msg_id.map(Into::into),
            sent_ms: (append.age_ms > 0).then(|| ago(append.age_ms)),
            read_us: append.read_us,
            answer,
        }
    }

    /// The data that a retry with the same id is compared with.
    pub(crate) fn data(&self) -> &[u8] {
        &self.body[self.data.clone()]
    }
}

impl Queue {
    /// A queue of `bytes_max` bytes, from which at most `batch_max` commands are taken at a time.
    pub(crate) fn new(bytes_max: usize, batch_max: usize) -> Self {
        let (bytes, full) = (AtomicUsize::new(0), AtomicBool::new(false));
        Queue { bytes_max, batch_max, bytes, full, waiting: Mutex::default(), arrived: Condvar::new() }
    }

    /// False from when it is full until half of it is free again.
    pub(crate) fn has_room(&self) -> bool {
        !self.full.load(Ordering::Acquire)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Adds a command. A caller that has not asked [`has_room`](Self::has_room) is refused at twice the bound.
    pub(crate) fn push(&self, command: Command) {
        let mut waiting = self.waiting.lock();
        let bytes = self.bytes();
        let error = if waiting.closed { ended() } else { EngineError::Overloaded };
        if waiting.closed || bytes >= 2 * self.bytes_max {
            drop(waiting);
            return command.refuse(error);
        }
        let bytes = bytes + command.bytes();
        self.bytes.store(bytes, Ordering::Relaxed);
        if bytes >= self.bytes_max {
            self.full.store(true, Ordering::Release);
        }
        waiting.commands.push_back(command);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Takes what has arrived, as much as fits into one transaction; waits for it if there is nothing.
    pub(crate) fn take(&self, timeout: Duration) -> Taken {
        let mut waiting = self.waiting.lock();
        if waiting.commands.is_empty() && !waiting.closed {
            self.arrived.wait_for(&mut waiting, timeout);
        }
        let mut bytes = 0;
        let mut commands = Vec::with_capacity(waiting.commands.len().min(self.batch_max));
        while commands.len() < self.batch_max
            && bytes < BATCH_BYTES_MAX
            && let Some(command) = waiting.commands.pop_front()
        {
            bytes += command.bytes();
            commands.push(command);
        }
        if commands.is_empty() {
            return if waiting.closed { Taken::Closed } else { Taken::Nothing };
        }
        let left = self.bytes() - bytes;
        self.bytes.store(left, Ordering::Relaxed);
        let freed = left <= self.bytes_max / 2 && self.full.swap(false, Ordering::AcqRel);
        Taken::Batch { commands, freed }
    }

    /// Accepts nothing more; the queued commands are still executed.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }

    /// The writer is gone: the queued commands are never executed.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        let commands = std::mem::take(&mut waiting.commands);
        drop(waiting);
        // Waiting publishers have to ask again, and get the error.
        self.full.store(false, Ordering::Release);
        drop(commands);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn append(queue: &Queue, bytes: usize) -> mpsc::Receiver<Result<Appended, EngineError>> {
        let (answer, answered) = mpsc::channel();
        let retention = Retention::new(1, Duration::ZERO);
        let body = vec![0; bytes - QUEUED_BYTES].into();
        let append = Append { channel: "a", retention, body, data: 0..0, msg_id: None, age_ms: 0, read_us: None };
        let answer = Answer::new(Box::new(move |result| drop(answer.send(result))));
        queue.push(Command::Append(Appending::new(&append, |_| 0, answer)));
        answered
    }

    fn take(queue: &Queue) -> (usize, bool) {
        match queue.take(Duration::ZERO) {
            Taken::Batch { commands, freed } => (commands.len(), freed),
            Taken::Nothing | Taken::Closed => (0, false),
        }
    }

    #[test]
    fn it_is_full_until_half_of_it_is_free() {
        let queue = Queue::new(10_000, 2);
        for _ in 0..9 {
            append(&queue, 1000);
        }
        assert!(queue.has_room());
        append(&queue, 1000);
        assert!(!queue.has_room());
        assert_eq!([take(&queue), take(&queue)], [(2, false); 2], "6,000 bytes are left");
        assert!(!queue.has_room());
        assert_eq!(take(&queue), (2, true), "4,000 bytes are left");
        assert!(queue.has_room());
        assert_eq!([take(&queue), take(&queue), take(&queue)], [(2, false), (2, false), (0, false)]);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn who_does_not_ask_is_refused_at_twice_the_bytes() {
        let queue = Queue::new(1000, 100);
        let answers: Vec<_> = (0..3).map(|_| append(&queue, 1000)).collect();
        let refused = answers.iter().map(|answer| answer.try_recv() == Ok(Err(EngineError::Overloaded)));
        assert!(refused.eq([false, false, true]));
    }

    #[test]
    fn a_batch_ends_with_the_bytes() {
        let queue = Queue::new(100 << 20, 100);
        for _ in 0..6 {
            append(&queue, 1 << 20);
        }
        assert_eq!([take(&queue).0, take(&queue).0], [4, 2]);
    }

    #[test]
    fn what_is_taken_by_nobody_is_answered() {
        let queue = Queue::new(10_000, 100);
        let before = append(&queue, 1000);
        queue.close();
        let after = append(&queue, 1000);
        assert_eq!(after.try_recv(), Ok(Err(ended())));
        assert!(before.try_recv().is_err(), "it is still to be done");
        queue.full.store(true, Ordering::Release);
        queue.abandon();
        assert!(queue.has_room(), "nobody waits for a writer that is gone");
        assert_eq!(before.try_recv(), Ok(Err(ended())));
        assert!(matches!(queue.take(Duration::from_secs(60)), Taken::Closed));
    }
}
