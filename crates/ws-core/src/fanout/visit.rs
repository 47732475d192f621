//! One visit to one connection: everything that it has to read, in one write.

use std::ops::Range;

use super::readers::{NONE, Place};
use super::{Fanout, Turn};
use crate::connection::Delivered;
use crate::limits::FANOUT_WRITE_BYTES_MAX;
use crate::log::{Run, Stretch};

/// What a visit collects; its memory serves the next one.
#[derive(Debug, Default)]
pub(super) struct Visit {
    readers: Vec<u32>,
    portions: Vec<Portion>,
    /// The frames of all portions, unless there is only one that can be written from where it is.
    frames: Stretch,
}

/// What one reader gets.
#[derive(Debug)]
struct Portion {
    reader: u32,
    source: Source,
    frames: usize,
    /// How many of the frames were written.
    taken: usize,
    /// Of the last publication that was written.
    offset: u64,
}

/// Where the frames of a reader are.
#[derive(Debug)]
pub(super) enum Source {
    /// In the log, behind the live window.
    Live(Range<usize>),
    /// In the log, behind the other window.
    Late(Range<usize>),
    /// In the page of the history.
    Past(Range<usize>),
    /// Nowhere yet: something that only this reader is told.
    Note(Note),
}

/// What a reader is told in place of what it does not get.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) frame: Vec<u8>,
    /// Publications that it does not get.
    pub(super) missed: u64,
    /// Where it goes on.
    pub(super) then: Place,
}

impl Fanout {
    /// Writes to a member once.
    pub(super) fn visit(&mut self, index: u32, turn: &mut Turn) {
        let member = &mut self.all.members[index as usize];
        member.queued = false;
        if member.gone {
            self.all.members.remove(index as usize);
            return;
        }
        if member.waiting || member.pending == NONE {
            return;
        }
        // Before looking at what there is: a subscription that ends from here on is noticed.
        let changes = member.connection.changes();
        let mut visit = std::mem::take(&mut self.visit);
        visit.readers.extend(self.all.take_pending(index));
        self.collect(&mut visit);
        if !visit.portions.is_empty() && self.write(index, changes, &mut visit, turn) {
            self.all.wait(index);
        }
        visit.portions.drain(..).filter(|portion| portion.taken > 0).for_each(|portion| self.advance(portion, turn));
        visit.frames.clear();
        visit.readers.drain(..).for_each(|reader| self.all.mark(reader));
        self.visit = visit;
    }

    /// Collects what the readers get next, as much as goes out in one write.
    fn collect(&mut self, visit: &mut Visit) {
        let alone = visit.readers.len() == 1;
        for reader in &visit.readers {
            let Some(source) = self.next(*reader) else { continue };
            let offset = self.all.readers[*reader as usize].place.offset;
            let frames = match &source {
                Source::Live(range) | Source::Late(range) | Source::Past(range) => range.len(),
                Source::Note(_) => 1,
            };
            match &source {
                Source::Note(note) => visit.frames.push(&note.frame, offset),
                // The windows may serve the next reader with something else.
                _ if !alone => visit.frames.extend(self.run_of(&source)),
                _ => {}
            }
            visit.portions.push(Portion { reader: *reader, source, frames, taken: 0, offset });
            if visit.frames.bytes.len() >= FANOUT_WRITE_BYTES_MAX {
                break;
            }
        }
    }

    /// Writes what was collected, and notes how much of each portion was taken. Whether the member can take
    /// nothing more for now.
    fn write(&self, index: u32, changes: u32, visit: &mut Visit, turn: &mut Turn) -> bool {
        let whole = visit.frames.ends.len();
        let run = if whole == 0 { self.run_of(&visit.portions[0].source) } else { visit.frames.run(0..whole) };
        turn.writes += 1;
        let delivered = self.all.members[index as usize].connection.deliver(run, changes, turn.now_ms);
        let mut taken = match delivered {
            Delivered::All => run.ends.len(),
            Delivered::Blocked(frames) => frames,
            Delivered::Ended | Delivered::Changed => 0,
        };
        if taken > 0 {
            turn.deliveries += taken as u64;
            turn.bytes += (run.ends[taken - 1].end - run.base) as u64;
        }
        let mut ends = run.ends;
        for portion in &mut visit.portions {
            let (own, others) = ends.split_at(portion.frames);
            portion.taken = portion.frames.min(taken);
            taken -= portion.taken;
            portion.offset = own[..portion.taken].last().map_or(portion.offset, |end| end.offset);
            ends = others;
        }
        turn.blocked += u64::from(matches!(delivered, Delivered::Blocked(_)));
        matches!(delivered, Delivered::Blocked(_) | Delivered::Ended)
    }

    /// A reader has got its portion, or the beginning of it.
    fn advance(&mut self, portion: Portion, turn: &mut Turn) {
        let place = &mut self.all.readers[portion.reader as usize].place;
        match portion.source {
            Source::Live(_) | Source::Late(_) => {
                place.live.seq += portion.taken as u64;
                (place.live.offset, place.offset) = (portion.offset, portion.offset);
            }
            Source::Past(_) => {
                place.offset = portion.offset;
                turn.caught_up += portion.taken as u64;
            }
            Source::Note(note) => {
                *place = note.then;
                turn.gaps += 1;
                turn.missed += note.missed;
            }
        }
    }

    /// The frames of a portion that are somewhere already.
    fn run_of(&self, source: &Source) -> Run<'_> {
        match source {
            Source::Live(range) => self.live.run(range.clone()),
            Source::Late(range) => self.late.run(range.clone()),
            Source::Past(range) => self.past.run(range.clone()),
            Source::Note(_) => Run { bytes: &[], ends: &[], base: 0 },
        }
    }
}
