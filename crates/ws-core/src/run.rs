//! Runs of whole frames, as they go into a socket, and cursors between them.

use std::ops::Range;

/// A position in a stream, between two frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Frames before it, counted by the hub; frames of joins and leaves count too.
    pub(crate) seq: u64,
    /// Offset of the last publication before it. If the engine assigns no offsets, the hub counts.
    pub(crate) offset: u64,
}

/// Frames one after the other.
#[derive(Debug, Default)]
pub(crate) struct FrameBuffer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<FrameEnd>,
}

/// Where a frame ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameEnd {
    /// Bytes before it, in its [`FrameBuffer`].
    pub(crate) end: usize,
    /// [`Cursor::offset`] after the frame.
    pub(crate) offset: u64,
}

/// A run of whole frames: their bytes, and where each frame ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) bytes: &'a [u8],
    /// Ends of the frames; subtract `base` to get positions in `bytes`.
    pub(crate) ends: &'a [FrameEnd],
    pub(crate) base: usize,
}

impl FrameBuffer {
    pub(crate) fn push(&mut self, frame: &[u8], offset: u64) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(FrameEnd { end: self.bytes.len(), offset });
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Bytes before the frame with index `skip`.
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
    /// How many frames the first `taken` bytes contain, including one that they contain only in part.
    pub(crate) fn frames_started(&self, taken: usize) -> usize {
        if taken == 0 { 0 } else { self.ends.partition_point(|end| end.end - self.base < taken) + 1 }
    }
}
