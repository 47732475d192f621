//! Runs of whole frames, one after the other, as they go into a socket, and places between them.

use std::ops::Range;

/// A place in a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Frames that lie before it, counted by the hub; those of joins and leaves count too.
    pub(crate) seq: u64,
    /// Offset of the last publication before it. Where the engine gives no offsets, the hub counts.
    pub(crate) offset: u64,
}

/// Frames one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<FrameEnd>,
}

/// Where a frame ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameEnd {
    /// Bytes before it, in its [`Stretch`].
    pub(crate) end: usize,
    /// [`Cursor::offset`] behind the frame.
    pub(crate) offset: u64,
}

/// A run of whole frames out of the log: the bytes, and where each frame ends in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) bytes: &'a [u8],
    /// Ends of the frames, counted from `base` before `bytes`.
    pub(crate) ends: &'a [FrameEnd],
    pub(crate) base: usize,
}

impl Stretch {
    pub(crate) fn push(&mut self, frame: &[u8], offset: u64) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(FrameEnd { end: self.bytes.len(), offset });
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Bytes before frame `skip`.
    pub(crate) fn before(&self, skip: usize) -> usize {
        if skip == 0 { 0 } else { self.ends[skip - 1].end }
    }

    /// These frames.
    pub(crate) fn run(&self, range: Range<usize>) -> Run<'_> {
        let (base, end) = (self.before(range.start), self.before(range.end));
        Run { bytes: &self.bytes[base..end], ends: &self.ends[range], base }
    }

    /// Appends frames.
    pub(crate) fn extend(&mut self, run: Run<'_>) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(run.bytes);
        let moved = |end: &FrameEnd| FrameEnd { end: end.end - run.base + base, offset: end.offset };
        self.ends.extend(run.ends.iter().map(moved));
    }
}

impl Run<'_> {
    /// How many frames the first `taken` bytes begin.
    pub(crate) fn begun(&self, taken: usize) -> usize {
        if taken == 0 { 0 } else { self.ends.partition_point(|end| end.end - self.base < taken) + 1 }
    }
}
