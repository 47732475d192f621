//! A copy of part of one channel's log, laid out for writing: frames one after the other, so that everything between a
//! cursor and the end is one slice, made once for all connections.

use std::ops::Range;
use std::sync::Arc;

use crate::channel::Channel;
use crate::limits::{FANOUT_WRITE_BYTES_MAX, IDLE_BUFFER_BYTES_MAX};
use crate::run::{Cursor, FrameBuffer, Run};

/// Frames from the log of a channel. Owned by one task.
#[derive(Debug, Default)]
pub(super) struct Window {
    channel: Option<Arc<Channel>>,
    start: Cursor,
    frames: FrameBuffer,
}

impl Window {
    /// Whether it has what follows `seq` in this channel, or ends right there and can be extended.
    fn reaches(&self, channel: &Arc<Channel>, seq: u64) -> bool {
        self.is_of(channel) && (self.start.seq..=self.end_seq()).contains(&seq)
    }

    /// Whether it starts after `seq` in this channel.
    pub(super) fn is_beyond(&self, channel: &Arc<Channel>, seq: u64) -> bool {
        self.is_of(channel) && seq < self.start.seq
    }

    /// Makes sure that it has what the log has after `seq`, at least one frame if there is one. Returns the cursor
    /// before the first frame: a later one if frames in between are no longer retained.
    pub(super) fn cover(&mut self, channel: &Arc<Channel>, seq: u64) -> Cursor {
        if !self.reaches(channel, seq) || self.frames.bytes.len() > 2 * FANOUT_WRITE_BYTES_MAX {
            self.restart(Some(channel.clone()), seq);
        }
        if channel.end_seq() != self.end_seq() {
            let (from, held) = (self.end_seq(), self.frames.ends.len());
            let enough = self.frames.bytes.len() + FANOUT_WRITE_BYTES_MAX;
            let first = channel.read(from, enough, &mut self.frames);
            if first.seq > from || held == 0 {
                self.forget(held);
                self.start = first;
            }
        }
        self.cursor(seq.max(self.start.seq))
    }

    /// The frames after `seq` that go out in one write: at least one if there is one.
    pub(super) fn range(&self, seq: u64) -> Range<usize> {
        let skip = (seq - self.start.seq) as usize;
        let base = self.frames.before(skip);
        let ends = &self.frames.ends[skip..];
        let fit = ends.partition_point(|end| end.end - base <= FANOUT_WRITE_BYTES_MAX).max(ends.len().min(1));
        skip..skip + fit
    }

    /// These frames, as [`range`](Self::range) gave them.
    pub(super) fn run(&self, range: Range<usize>) -> Run<'_> {
        self.frames.run(range)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.restart(None, 0);
        self.frames.bytes.shrink_to(IDLE_BUFFER_BYTES_MAX);
    }

    fn restart(&mut self, channel: Option<Arc<Channel>>, seq: u64) {
        self.channel = channel;
        self.start = Cursor { seq, offset: 0 };
        self.frames.clear();
    }

    /// Forgets the first `held` frames: the frames that followed them are gone from the log, so they cannot be in one
    /// run with what was read after them.
    fn forget(&mut self, held: usize) {
        let gone = self.frames.before(held);
        self.frames.bytes.drain(..gone);
        self.frames.ends.drain(..held);
        self.frames.ends.iter_mut().for_each(|end| end.end -= gone);
    }

    fn is_of(&self, channel: &Arc<Channel>) -> bool {
        self.channel.as_ref().is_some_and(|own| Arc::ptr_eq(own, channel))
    }

    fn cursor(&self, seq: u64) -> Cursor {
        match (seq - self.start.seq) as usize {
            0 => self.start,
            skip => Cursor { seq, offset: self.frames.ends[skip - 1].offset },
        }
    }

    fn end_seq(&self) -> u64 {
        self.start.seq + self.frames.ends.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use crate::limits::Limits;

    struct Stream {
        channel: Arc<Channel>,
        gate: Gate,
    }

    impl Stream {
        /// A log with one reader, who never reads.
        fn new(bytes_max: usize, frames: &[&'static str]) -> Self {
            let gate = Gate::new(&Limits { broadcast_log_bytes_max: bytes_max, ..Limits::TEST });
            let stream = Stream { channel: Arc::new(Channel::broadcast(&gate)), gate };
            stream.channel.lock().attach(0);
            stream.channel.lock().start_reader(0);
            frames.iter().for_each(|frame| stream.append(frame.as_bytes()));
            stream
        }

        fn append(&self, frame: &[u8]) {
            let mut state = self.channel.lock();
            let offset = state.end.offset + 1;
            self.channel.append(&mut state, frame, offset, None, &self.gate);
        }

        fn check(&self, window: &mut Window, seq: u64, expect: (u64, &str)) {
            let first = window.cover(&self.channel, seq);
            let run = window.run(window.range(first.seq));
            assert_eq!((first.seq, std::str::from_utf8(run.bytes).unwrap_or("?")), expect, "from {seq}");
            assert_eq!(run.ends.last().map_or(0, |end| end.end - run.base), run.bytes.len());
            assert!(run.ends.is_empty() || run.ends[0].offset == first.offset + 1);
        }
    }

    #[test]
    fn runs_reach_to_the_current_end() {
        let stream = Stream::new(100, &["a", "bb", "ccc"]);
        let mut window = Window::default();
        stream.check(&mut window, 1, (1, "bbccc"));
        stream.check(&mut window, 2, (2, "ccc"));
        stream.append(b"d");
        stream.check(&mut window, 2, (2, "cccd"));
        stream.check(&mut window, 4, (4, ""));
        stream.check(&mut window, 0, (0, "abbcccd"));
    }

    #[test]
    fn frames_that_are_gone_are_skipped() {
        let stream = Stream::new(4, &["aa", "bb"]);
        let mut window = Window::default();
        stream.check(&mut window, 0, (0, "aabb"));
        for frame in [&b"cc"[..], b"dd", b"ee"] {
            stream.append(frame);
        }
        stream.check(&mut window, 2, (3, "ddee"));
        stream.check(&mut window, 0, (3, "ddee"));
    }

    #[test]
    fn one_channel_follows_another() {
        let (first, second) = (Stream::new(100, &["a", "b"]), Stream::new(100, &["c"]));
        let mut window = Window::default();
        first.check(&mut window, 0, (0, "ab"));
        second.check(&mut window, 0, (0, "c"));
        first.check(&mut window, 1, (1, "b"));
    }

    #[test]
    fn one_write_is_bounded_but_never_empty() {
        let stream = Stream::new(1 << 30, &[]);
        for _ in 0..3 {
            stream.append(&[b'x'; FANOUT_WRITE_BYTES_MAX / 2 + 1]);
        }
        stream.append(&[b'x'; 2 * FANOUT_WRITE_BYTES_MAX]);
        let mut window = Window::default();
        let frames = |seq| {
            window.cover(&stream.channel, seq);
            window.range(seq).len()
        };
        assert_eq!((0..4).map(frames).collect::<Vec<_>>(), [1, 1, 1, 1]);
    }
}
