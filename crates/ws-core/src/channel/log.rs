//! The frames of one stream that the fan-out has yet to offer, or that lagging readers still need.
//!
//! A [`Cursor`] is a position between two frames. The log never holds more than `bytes_max` (but always the newest
//! frame): older frames are dropped whether they were read or not, and a reader's cursor tells exactly how many it
//! lost. The history of a channel is kept by the engine; the log holds publications only until they are delivered.
//!
//! Frames lie one after the other in segments. Memory is freed by the segment, so a publication usually costs no
//! allocation, and the same memory is reused while readers keep up.

use std::collections::VecDeque;

use crate::limits::LOG_SEGMENT_BYTES_MAX;
use crate::run::{Cursor, FrameBuffer};

/// The log. Its owner provides the lock.
#[derive(Debug)]
pub(crate) struct Log {
    segments: VecDeque<Segment>,
    /// Before the oldest frame that is retained; within the first segment.
    start: Cursor,
    end: Cursor,
    /// In all segments.
    bytes: usize,
    /// Of all frames that were ever appended.
    appended_bytes: u64,
    bytes_max: usize,
    segment_bytes: usize,
    /// The buffer of the segment that was dropped last, for reuse.
    spare: Option<FrameBuffer>,
}

#[derive(Debug)]
struct Segment {
    /// Before its first frame.
    first: Cursor,
    frames: FrameBuffer,
}

impl Log {
    pub(crate) fn new(start: Cursor, bytes_max: usize) -> Self {
        Log {
            segments: VecDeque::new(),
            start,
            end: start,
            bytes: 0,
            appended_bytes: 0,
            bytes_max,
            segment_bytes: (bytes_max / 16).clamp(1, LOG_SEGMENT_BYTES_MAX),
            spare: None,
        }
    }

    /// Bytes of the frames that are held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of all frames that were ever appended.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.appended_bytes
    }

    /// Drops everything, and continues at another cursor.
    pub(crate) fn restart(&mut self, at: Cursor) {
        self.segments.clear();
        (self.start, self.end, self.bytes) = (at, at, 0);
    }

    /// Appends one frame, and drops the oldest ones that no longer fit.
    pub(crate) fn append(&mut self, frame: &[u8], offset: u64) {
        let fits = |segment: &Segment| segment.frames.bytes.len() + frame.len() <= self.segment_bytes;
        if !self.segments.back().is_some_and(fits) {
            let frames = self.spare.take().unwrap_or_default();
            self.segments.push_back(Segment { first: self.end, frames });
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.frames.push(frame, offset);
        }
        self.end = Cursor { seq: self.end.seq + 1, offset };
        self.bytes += frame.len();
        self.appended_bytes += frame.len() as u64;
        while self.bytes > self.bytes_max && self.segments.len() > 1 {
            self.drop_segment();
        }
    }

    /// Drops everything before `seq`.
    pub(crate) fn trim_to(&mut self, seq: u64) {
        let seq = seq.min(self.end.seq);
        while self.segments.front().is_some_and(|segment| segment.end() <= seq) {
            self.drop_segment();
        }
        if seq > self.start.seq {
            self.start = self.cursor(seq);
        }
    }

    /// Copies frames from `seq` on, or from the oldest retained one, until `into` has `bytes_max` bytes or more.
    /// Returns the cursor before the first.
    pub(crate) fn read(&self, seq: u64, bytes_max: usize, into: &mut FrameBuffer) -> Cursor {
        let first = self.cursor(seq);
        let mut next = first.seq;
        for segment in self.segments.range(self.segment_of(next)..) {
            if into.bytes.len() >= bytes_max {
                break;
            }
            let skip = (next - segment.first.seq) as usize;
            into.extend(segment.frames.run(skip..segment.frames.ends.len()));
            next = segment.end();
        }
        first
    }

    /// Before the newest publication that is held; the end where there is none.
    pub(crate) fn before_newest(&self) -> Cursor {
        let cursors = (self.start.seq..self.end.seq).rev().map(|seq| self.cursor(seq));
        cursors.into_iter().find(|cursor| cursor.offset < self.end.offset).unwrap_or(self.end)
    }

    /// The cursor before frame `seq`, or the nearest one that the log knows.
    fn cursor(&self, seq: u64) -> Cursor {
        if seq <= self.start.seq {
            return self.start;
        }
        self.segments.get(self.segment_of(seq)).map_or(self.end, |segment| segment.cursor(seq))
    }

    /// Which segment holds frame `seq`.
    fn segment_of(&self, seq: u64) -> usize {
        self.segments.partition_point(|segment| segment.end() <= seq)
    }

    /// Drops the oldest segment. Its buffer is reused unless it has grown too large.
    fn drop_segment(&mut self) {
        let Some(mut segment) = self.segments.pop_front() else { return };
        if segment.end() > self.start.seq {
            self.start = segment.cursor(segment.end());
        }
        self.bytes -= segment.frames.bytes.len();
        if segment.frames.bytes.capacity() <= 2 * self.segment_bytes {
            segment.frames.clear();
            self.spare = Some(segment.frames);
        }
    }
}

impl Segment {
    fn end(&self) -> u64 {
        self.first.seq + self.frames.ends.len() as u64
    }

    /// The cursor before frame `seq`, which is within the segment, or right after its last frame.
    fn cursor(&self, seq: u64) -> Cursor {
        match (seq - self.first.seq) as usize {
            0 => self.first,
            skip => Cursor { seq, offset: self.frames.ends[skip - 1].offset },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes_max: usize, frames: &[&str]) -> Log {
        let mut log = Log::new(Cursor::default(), bytes_max);
        for (n, frame) in frames.iter().enumerate() {
            log.append(frame.as_bytes(), n as u64 + 1);
        }
        log
    }

    fn all(log: &Log, seq: u64) -> (u64, String) {
        let mut read = FrameBuffer::default();
        let first = log.read(seq, usize::MAX, &mut read);
        assert_eq!(first.seq, first.offset, "each frame is one publication here");
        (first.seq, String::from_utf8_lossy(&read.bytes).into_owned())
    }

    #[test]
    fn a_cursor_reads_everything_after_it() {
        let log = log(100, &["a", "b"]);
        assert_eq!(all(&log, 0), (0, "ab".into()));
        assert_eq!(all(&log, 1), (1, "b".into()));
        assert_eq!(all(&log, 2), (2, String::new()));
    }

    #[test]
    fn bytes_are_bounded_and_the_newest_frame_always_stays() {
        let mut log = log(4, &["aa", "bb", "cc"]);
        assert_eq!(all(&log, 0), (1, "bbcc".into()));
        log.append(b"too large", 4);
        assert_eq!(all(&log, 0), (3, "too large".into()));
        assert_eq!(log.appended_bytes(), 15);
    }

    #[test]
    fn trimming_keeps_cursors_meaningful() {
        let mut log = log(1600, &["a", "b", "c"]);
        log.trim_to(2);
        assert_eq!(all(&log, 0), (2, "c".into()));
        log.trim_to(9);
        assert_eq!(all(&log, 0), (3, String::new()));
        log.append(b"d", 4);
        assert_eq!(all(&log, 3), (3, "d".into()));
    }

    #[test]
    fn the_newest_publication_is_found_before_events() {
        let mut log = Log::new(Cursor { seq: 10, offset: 7 }, 100);
        assert_eq!(log.before_newest(), Cursor { seq: 10, offset: 7 });
        log.append(b"join", 7);
        log.append(b"pub", 8);
        log.append(b"pub", 9);
        log.append(b"leave", 9);
        assert_eq!(log.before_newest(), Cursor { seq: 12, offset: 8 });
        log.trim_to(13);
        assert_eq!(log.before_newest(), Cursor { seq: 14, offset: 9 });
    }

    #[test]
    fn a_log_that_is_read_reuses_its_memory() {
        let mut log = log(1 << 20, &[]);
        for n in 1..10_000 {
            log.append(&[b'x'; 500], n);
            log.trim_to(n);
        }
        assert!(log.segments.is_empty());
        let spare = log.spare.as_ref().map_or(0, |spare| spare.bytes.capacity());
        assert!((500..=2 * LOG_SEGMENT_BYTES_MAX).contains(&spare), "{spare}");
    }

    proptest::proptest! {
        /// Whatever is appended and trimmed: reading from any cursor gives a run without holes up to the end, and the
        /// bytes stay within the bound.
        #[test]
        fn reads_have_no_holes(
            bytes_max in 40usize..400,
            ops in proptest::collection::vec((0u8..4, 0usize..12), 0..200),
        ) {
            let mut log = log(bytes_max, &[]);
            let (mut appended, mut offset) = (0u64, 0u64);
            let mut offsets = vec![0];
            for (op, n) in ops {
                match op {
                    0..3 => {
                        let mut frame = appended.to_be_bytes().to_vec();
                        frame.resize(8 + n, 0);
                        offset += u64::from(op > 0);
                        log.append(&frame, offset);
                        appended += 1;
                        offsets.push(offset);
                    }
                    _ => log.trim_to(n as u64 * 20),
                }
                proptest::prop_assert!(log.bytes <= bytes_max);
                let mut read = FrameBuffer::default();
                let first = log.read(n as u64 * 10, usize::MAX, &mut read);
                proptest::prop_assert_eq!(first.offset, offsets[first.seq as usize]);
                let starts = (0..read.ends.len()).map(|skip| read.before(skip));
                let seen = starts.map(|at| u64::from_be_bytes(read.bytes[at..at + 8].try_into().unwrap_or_default()));
                proptest::prop_assert!(seen.eq(first.seq..appended));
                let ends = read.ends.iter().map(|end| end.offset);
                proptest::prop_assert!(ends.eq(offsets[first.seq as usize + 1..].iter().copied()));
            }
        }
    }
}
