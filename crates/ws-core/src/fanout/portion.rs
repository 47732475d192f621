//! What a member gets in one visit.

use std::ops::Range;

use super::arena::Id;
use super::readers::{Reader, ReaderCursor};
use crate::run::Stretch;

/// What a visit collects; its memory serves the next one.
#[derive(Debug, Default)]
pub(super) struct Visit {
    /// Those that were looked at.
    pub(super) readers: Vec<Id<Reader>>,
    pub(super) portions: Vec<Portion>,
    /// The frames of all portions, unless there is only one that can be written from where it is.
    pub(super) frames: Stretch,
}

/// What one reader gets.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) reader: Id<Reader>,
    pub(super) source: Source,
    pub(super) frames: usize,
    /// How many of the frames were written.
    pub(super) taken: usize,
    /// Of the last publication that was written.
    pub(super) offset: u64,
}

/// Where the frames of a reader are.
#[derive(Debug)]
pub(super) enum Source {
    /// In the log, through the live window.
    Live(Range<usize>),
    /// In the log, through the other window.
    Late(Range<usize>),
    /// In the page of the history.
    History(Range<usize>),
    /// Nowhere yet: something that only this reader is told.
    Note(Note),
}

/// What a reader is told in cursor of what it does not get.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) frame: Vec<u8>,
    /// Publications that it does not get.
    pub(super) missed: u64,
    /// Where it goes on.
    pub(super) then: ReaderCursor,
}
