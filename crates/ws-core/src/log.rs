//! One ordered stream of encoded frames, read through cursors.
//!
//! A cursor is the number of frames that lie before it, counted from the beginning of the stream. The
//! log never holds more than `bytes_max` (but always the newest frame): what a reader has not read by
//! then is gone for it, and its cursor says exactly how much.
//!
//! Frames lie one behind the other in segments. Room is given back by the segment, so a publication
//! costs no allocation, and the same memory serves again while readers keep up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::limits::LOG_SEGMENT_BYTES_MAX;

/// The log. Appending and reading take its lock for the time of a copy; `end` is read without.
#[derive(Debug)]
pub(crate) struct Log {
    retained: Mutex<Retained>,
    end: AtomicU64,
    appended_bytes: AtomicU64,
}

/// What the log holds; only reached under its lock.
#[derive(Debug)]
pub(crate) struct Retained {
    segments: VecDeque<Segment>,
    /// Cursor of the oldest frame that is retained; within the first segment.
    start: u64,
    end: u64,
    /// In all segments.
    bytes: usize,
    bytes_max: usize,
    segment_bytes: usize,
    /// A segment that was given back last.
    spare: Option<Segment>,
}

#[derive(Debug, Default)]
struct Segment {
    /// Cursor of its first frame.
    first: u64,
    bytes: Vec<u8>,
    /// Where each frame ends in `bytes`.
    ends: Vec<usize>,
}

/// A copy of frames out of the log.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) bytes: Vec<u8>,
    /// Where each frame ends in `bytes`.
    pub(crate) ends: Vec<usize>,
}

impl Log {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let retained = Retained {
            segments: VecDeque::new(),
            start: 0,
            end: 0,
            bytes: 0,
            bytes_max,
            segment_bytes: (bytes_max / 16).clamp(1, LOG_SEGMENT_BYTES_MAX),
            spare: None,
        };
        Log { retained: Mutex::new(retained), end: AtomicU64::new(0), appended_bytes: AtomicU64::new(0) }
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
    pub(crate) fn append(&self, frame: &[u8]) {
        let mut retained = self.retained.lock();
        retained.append(frame);
        // In this order: who sees the bytes of a frame also sees the frame.
        self.end.store(retained.end, Ordering::Release);
        self.appended_bytes.fetch_add(frame.len() as u64, Ordering::Release);
    }

    /// Nothing is appended and no cursor is taken while the guard lives.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Retained> {
        self.retained.lock()
    }

    /// Copies frames from `cursor` on, or from the oldest retained one, until there are `bytes_max` or
    /// more. Returns the cursor of the first.
    pub(crate) fn read(&self, cursor: u64, bytes_max: usize, into: &mut Stretch) -> u64 {
        let retained = self.retained.lock();
        let first = cursor.max(retained.start);
        let before = retained.segments.partition_point(|segment| segment.end() <= first);
        let mut next = first;
        for segment in retained.segments.range(before..) {
            if into.bytes.len() >= bytes_max {
                break;
            }
            segment.copy(next, into);
            next = segment.end();
        }
        first
    }
}

impl Retained {
    /// Cursor behind the newest frame.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Gives up everything before `cursor`.
    pub(crate) fn trim_to(&mut self, cursor: u64) {
        self.start = self.start.max(cursor.min(self.end));
        while self.segments.front().is_some_and(|segment| segment.end() <= self.start) {
            self.drop_segment();
        }
    }

    fn append(&mut self, frame: &[u8]) {
        let fits = |segment: &Segment| segment.bytes.len() + frame.len() <= self.segment_bytes;
        if !self.segments.back().is_some_and(fits) {
            let mut segment = self.spare.take().unwrap_or_default();
            segment.first = self.end;
            segment.bytes.reserve_exact(frame.len().max(self.segment_bytes));
            self.segments.push_back(segment);
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.bytes.extend_from_slice(frame);
            segment.ends.push(segment.bytes.len());
        }
        self.end += 1;
        self.bytes += frame.len();
        while self.bytes > self.bytes_max && self.segments.len() > 1 {
            self.drop_segment();
        }
    }

    /// Drops the oldest segment, or keeps its memory for the next one.
    fn drop_segment(&mut self) {
        let Some(mut segment) = self.segments.pop_front() else { return };
        self.start = self.start.max(segment.end());
        self.bytes -= segment.bytes.len();
        if segment.bytes.capacity() <= self.segment_bytes {
            segment.bytes.clear();
            segment.ends.clear();
            self.spare = Some(segment);
        }
    }
}

impl Segment {
    fn end(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    /// Copies the frames from `cursor` on; it lies within.
    fn copy(&self, cursor: u64, into: &mut Stretch) {
        let skip = (cursor - self.first) as usize;
        let from = if skip == 0 { 0 } else { self.ends[skip - 1] };
        let base = into.bytes.len();
        into.bytes.extend_from_slice(&self.bytes[from..]);
        into.ends.extend(self.ends[skip..].iter().map(|end| end - from + base));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes_max: usize, frames: &[&str]) -> Log {
        let log = Log::new(bytes_max);
        frames.iter().for_each(|frame| log.append(frame.as_bytes()));
        log
    }

    fn all(log: &Log, cursor: u64) -> (u64, String) {
        let mut read = Stretch::default();
        let first = log.read(cursor, usize::MAX, &mut read);
        (first, String::from_utf8_lossy(&read.bytes).into_owned())
    }

    #[test]
    fn a_cursor_reads_everything_behind_it() {
        let log = log(100, &["a", "b"]);
        assert_eq!(log.end(), 2);
        assert_eq!(all(&log, 0), (0, "ab".into()));
        assert_eq!(all(&log, 1), (1, "b".into()));
        assert_eq!(all(&log, 2), (2, String::new()));
    }

    #[test]
    fn bytes_are_bounded_and_the_newest_frame_always_stays() {
        let log = log(4, &["aa", "bb", "cc"]);
        assert_eq!(all(&log, 0), (1, "bbcc".into()));
        log.append(b"too large");
        assert_eq!(all(&log, 0), (3, "too large".into()));
        assert_eq!(log.appended_bytes(), 15);
    }

    #[test]
    fn trimming_keeps_cursors_meaningful() {
        let log = log(1600, &["a", "b", "c"]);
        log.lock().trim_to(2);
        assert_eq!(all(&log, 0), (2, "c".into()));
        log.lock().trim_to(9);
        assert_eq!((log.lock().end(), log.end()), (3, 3));
        log.append(b"d");
        assert_eq!(all(&log, 3), (3, "d".into()));
    }

    #[test]
    fn a_log_that_is_read_serves_from_the_same_memory() {
        let log = Log::new(1 << 20);
        for n in 1..10_000 {
            log.append(&[b'x'; 500]);
            log.lock().trim_to(n);
        }
        let retained = log.lock();
        assert!(retained.segments.is_empty());
        assert_eq!(retained.spare.as_ref().map(|segment| segment.bytes.capacity()), Some(LOG_SEGMENT_BYTES_MAX));
    }

    proptest::proptest! {
        /// Whatever is appended and trimmed: reading from any cursor gives a run without holes that ends
        /// at the end, and the bytes stay within the bound.
        #[test]
        fn reads_have_no_holes(
            bytes_max in 40usize..400,
            ops in proptest::collection::vec((0u8..3, 0usize..12), 0..200),
        ) {
            let log = Log::new(bytes_max);
            let mut appended = 0u64;
            for (op, n) in ops {
                match op {
                    0 | 1 => {
                        let mut frame = appended.to_be_bytes().to_vec();
                        frame.resize(8 + n, 0);
                        log.append(&frame);
                        appended += 1;
                    }
                    _ => log.lock().trim_to(n as u64 * 20),
                }
                proptest::prop_assert!(log.lock().bytes <= bytes_max);
                let mut read = Stretch::default();
                let first = log.read(n as u64, usize::MAX, &mut read);
                let starts = std::iter::once(0).chain(read.ends.iter().copied()).take(read.ends.len());
                let seen = starts.map(|at| u64::from_be_bytes(read.bytes[at..at + 8].try_into().unwrap_or_default()));
                proptest::prop_assert!(seen.eq(first..appended));
                proptest::prop_assert_eq!(log.end(), appended);
            }
        }
    }
}
