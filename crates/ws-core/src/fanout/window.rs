//! A copy of a stretch of the log, laid out for writing: frames one behind the other, so that
//! everything between a cursor and the end is one slice, made once for all connections of a round.

use crate::connection::Run;
use crate::limits::{FANOUT_WRITE_BYTES_MAX, IDLE_BUFFER_BYTES_MAX};
use crate::log::{Log, Stretch};

/// Frames `start ..` of the log. One task's own.
#[derive(Debug, Default)]
pub(super) struct Window {
    start: u64,
    frames: Stretch,
}

impl Window {
    /// Cursor of the first frame.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Frames from `cursor` on that go out in one write: at least one, where the log has one. Returned
    /// with the cursor of the first: it is a later one when what lay there is no longer retained.
    pub(super) fn run(&mut self, log: &Log, cursor: u64) -> (u64, Run<'_>) {
        self.cover(log, cursor);
        let first = cursor.max(self.start);
        // Within `ends`: `cover` has put `first` between `start` and the end.
        let skip = (first - self.start) as usize;
        let base = if skip == 0 { 0 } else { self.frames.ends[skip - 1] };
        let ends = &self.frames.ends[skip..];
        let fit = ends.partition_point(|end| end - base <= FANOUT_WRITE_BYTES_MAX).max(ends.len().min(1));
        let ends = &ends[..fit];
        let bytes = &self.frames.bytes[base..ends.last().copied().unwrap_or(base)];
        (first, Run { bytes, ends, base })
    }

    /// Reads from the log what is missing behind `cursor`.
    fn cover(&mut self, log: &Log, cursor: u64) {
        let held_bytes = self.frames.bytes.len();
        if cursor < self.start || cursor > self.end() || held_bytes > 2 * FANOUT_WRITE_BYTES_MAX {
            self.restart(cursor);
        }
        if log.end() == self.end() {
            return;
        }
        let (from, held) = (self.end(), self.frames.ends.len());
        let enough = self.frames.bytes.len() + FANOUT_WRITE_BYTES_MAX;
        let first = log.read(from, enough, &mut self.frames);
        if first > from {
            self.forget(held);
            self.start = first;
        }
    }

    /// Forgets the first `held` frames: those that follow them in the log are gone, so that they cannot
    /// stand in one run with what comes after.
    fn forget(&mut self, held: usize) {
        let gone = if held == 0 { 0 } else { self.frames.ends[held - 1] };
        self.frames.bytes.drain(..gone);
        self.frames.ends.drain(..held);
        self.frames.ends.iter_mut().for_each(|end| *end -= gone);
    }

    /// Forgets everything, and begins again at `cursor`.
    pub(super) fn restart(&mut self, cursor: u64) {
        self.start = cursor;
        self.frames.bytes.clear();
        self.frames.ends.clear();
        self.frames.bytes.shrink_to(IDLE_BUFFER_BYTES_MAX);
    }

    fn end(&self) -> u64 {
        self.start + self.frames.ends.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes_max: usize, frames: &[&'static str]) -> Log {
        let log = Log::new(bytes_max);
        frames.iter().for_each(|frame| log.append(frame.as_bytes()));
        log
    }

    fn check(window: &mut Window, log: &Log, cursor: u64, expect: (u64, &str)) {
        let (first, run) = window.run(log, cursor);
        assert_eq!((first, std::str::from_utf8(run.bytes).unwrap_or("?")), expect, "from {cursor}");
        assert_eq!(run.ends.last().map_or(0, |end| end - run.base), run.bytes.len());
    }

    #[test]
    fn runs_reach_to_the_current_end() {
        let log = log(100, &["a", "bb", "ccc"]);
        let mut window = Window::default();
        check(&mut window, &log, 1, (1, "bbccc"));
        check(&mut window, &log, 2, (2, "ccc"));
        log.append(b"d");
        check(&mut window, &log, 2, (2, "cccd"));
        check(&mut window, &log, 4, (4, ""));
        check(&mut window, &log, 0, (0, "abbcccd"));
    }

    #[test]
    fn what_is_gone_is_skipped_and_said() {
        let log = log(4, &["aa", "bb"]);
        let mut window = Window::default();
        check(&mut window, &log, 0, (0, "aabb"));
        for frame in [&b"cc"[..], b"dd", b"ee"] {
            log.append(frame);
        }
        check(&mut window, &log, 2, (3, "ddee"));
        check(&mut window, &log, 0, (3, "ddee"));
    }

    #[test]
    fn one_write_is_bounded_but_never_empty() {
        let log = Log::new(1 << 30);
        for _ in 0..3 {
            log.append(&[b'x'; FANOUT_WRITE_BYTES_MAX / 2 + 1]);
        }
        log.append(&[b'x'; 2 * FANOUT_WRITE_BYTES_MAX]);
        let mut window = Window::default();
        let sizes: Vec<_> = (0..4).map(|cursor| window.run(&log, cursor).1.ends.len()).collect();
        assert_eq!(sizes, [1, 1, 1, 1]);
    }
}
