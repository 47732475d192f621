//! One ordered stream of encoded frames, read through cursors.
//!
//! A cursor is the number of frames that lie before it, counted from the beginning of the stream. The
//! log never holds more than `bytes_max` (but always the newest frame): what a reader has not read by
//! then is gone for it, and its cursor says exactly how much.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

/// The log. Appending and reading take its lock for a few instructions; `end` is read without.
#[derive(Debug)]
pub(crate) struct Log {
    retained: Mutex<Retained>,
    end: AtomicU64,
    appended_bytes: AtomicU64,
    bytes_max: usize,
}

/// What the log holds; only reached under its lock.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    frames: VecDeque<Bytes>,
    start: u64,
    bytes: usize,
}

impl Log {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Log { retained: Mutex::default(), end: AtomicU64::new(0), appended_bytes: AtomicU64::new(0), bytes_max }
    }

    /// Cursor behind the newest frame.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Bytes of all frames that were ever appended.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.appended_bytes.load(Ordering::Acquire)
    }

    /// Appends one frame and gives up the oldest ones that no longer fit.
    pub(crate) fn append(&self, frame: Bytes) {
        let mut retained = self.retained.lock();
        let len = frame.len();
        retained.bytes += len;
        retained.frames.push_back(frame);
        while retained.bytes > self.bytes_max && retained.frames.len() > 1 {
            retained.pop();
        }
        // In this order: who sees the bytes of a frame also sees the frame.
        self.end.store(retained.end(), Ordering::Release);
        self.appended_bytes.fetch_add(len as u64, Ordering::Release);
    }

    /// Nothing is appended and no cursor is taken while the guard lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Retained> {
        self.retained.lock()
    }

    /// Calls `take` with the frames from `cursor` on, or from the oldest retained one, until `take`
    /// says false. Returns the cursor of the first frame offered.
    pub(crate) fn read(&self, cursor: u64, mut take: impl FnMut(&Bytes) -> bool) -> u64 {
        let retained = self.retained.lock();
        let first = cursor.max(retained.start);
        let skip = usize::try_from(first - retained.start).unwrap_or(usize::MAX);
        for frame in retained.frames.iter().skip(skip) {
            if !take(frame) {
                break;
            }
        }
        first
    }
}

impl Retained {
    /// Cursor behind the newest frame.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.frames.len() as u64
    }

    /// Gives up everything before `cursor`.
    pub(crate) fn trim_to(&mut self, cursor: u64) {
        while self.start < cursor && self.pop() {}
        if self.frames.is_empty() && self.frames.capacity() > 1024 {
            self.frames = VecDeque::new();
        }
    }

    fn pop(&mut self) -> bool {
        let Some(frame) = self.frames.pop_front() else { return false };
        self.bytes -= frame.len();
        self.start += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn all(log: &Log, cursor: u64) -> (u64, String) {
        let mut read = String::new();
        let first = log.read(cursor, |frame| {
            read.push_str(std::str::from_utf8(frame).unwrap_or("?"));
            true
        });
        (first, read)
    }

    #[test]
    fn a_cursor_reads_everything_behind_it() {
        let log = Log::new(100);
        log.append(frame("a"));
        log.append(frame("b"));
        assert_eq!(log.end(), 2);
        assert_eq!(all(&log, 0), (0, "ab".into()));
        assert_eq!(all(&log, 1), (1, "b".into()));
        assert_eq!(all(&log, 2), (2, String::new()));
    }

    #[test]
    fn bytes_are_bounded_and_the_newest_frame_always_stays() {
        let log = Log::new(4);
        for text in ["aa", "bb", "cc"] {
            log.append(frame(text));
        }
        assert_eq!(all(&log, 0), (1, "bbcc".into()));
        log.append(frame("too large"));
        assert_eq!(all(&log, 0), (3, "too large".into()));
        assert_eq!(log.appended_bytes(), 15);
    }

    #[test]
    fn trimming_keeps_cursors_meaningful() {
        let log = Log::new(100);
        for text in ["a", "b", "c"] {
            log.append(frame(text));
        }
        log.lock().trim_to(2);
        assert_eq!(all(&log, 0), (2, "c".into()));
        log.lock().trim_to(9);
        assert_eq!((log.lock().end(), log.end()), (3, 3));
        log.append(frame("d"));
        assert_eq!(all(&log, 3), (3, "d".into()));
    }

    proptest::proptest! {
        /// Whatever is appended and trimmed: reading from any cursor gives a run without holes that ends
        /// at the end, and the bytes stay within the bound.
        #[test]
        fn reads_have_no_holes(ops in proptest::collection::vec((0u8..3, 0usize..12), 0..200)) {
            let log = Log::new(40);
            let mut appended = 0u64;
            for (op, n) in ops {
                match op {
                    0 | 1 => {
                        let mut text = appended.to_be_bytes().to_vec();
                        text.resize(8 + n, 0);
                        log.append(Bytes::from(text));
                        appended += 1;
                    }
                    _ => log.lock().trim_to(n as u64 * 20),
                }
                proptest::prop_assert!(log.lock().bytes <= 40);
                let mut seen = Vec::new();
                let first = log.read(n as u64, |frame| {
                    seen.push(u64::from_be_bytes(frame[..8].try_into().unwrap_or_default()));
                    true
                });
                proptest::prop_assert!(seen.iter().copied().eq(first..appended));
                proptest::prop_assert_eq!(log.end(), appended);
            }
        }
    }
}
