//! What a member gets in one visit.

use std::ops::Range;

use super::arena::Id;
use super::readers::{Reader, ReaderCursor};
use crate::run::FrameBuffer;

/// What a visit collects; the next visit reuses its memory.
#[derive(Debug, Default)]
pub(super) struct Visit {
    /// The readers that were looked at.
    pub(super) readers: Vec<Id<Reader>>,
    pub(super) portions: Vec<Portion>,
    /// The frames of all portions. Empty if there is only one portion and it can be written from where it is.
    pub(super) frames: FrameBuffer,
}

/// What one reader gets.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) reader: Id<Reader>,
    pub(super) source: Source,
    pub(super) frames: usize,
    /// How many of the frames were written.
    pub(super) taken: usize,
    /// Offset of the last publication that was written.
    pub(super) offset: u64,
}

/// Where the frames of a reader are.
#[derive(Debug)]
pub(super) enum Source {
    /// In the log, through the live window.
    Live(Range<usize>),
    /// In the log, through the other window.
    Lagging(Range<usize>),
    /// In the page of the history.
    History(Range<usize>),
    /// Nowhere yet: an event for this reader alone.
    Note(Note),
}

/// A gap event: what a reader gets in place of what it missed.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) frame: Vec<u8>,
    /// How many publications it missed.
    pub(super) missed: u64,
    /// Where it continues.
    pub(super) then: ReaderCursor,
}
