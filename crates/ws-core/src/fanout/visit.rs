//! One visit to one connection: as much of what it has to read as fits in one write.

use super::arena::Id;
use super::portion::{Portion, Source, Visit};
use super::readers::Member;
use super::state::{Fanout, Turn};
use crate::connection::Delivered;
use crate::limits::FANOUT_WRITE_BYTES_MAX;
use crate::run::Run;

impl Fanout {
    /// Writes to a member once.
    pub(super) fn visit(&mut self, id: Id<Member>, turn: &mut Turn) {
        let member = &mut self.all.members[id];
        member.queued = false;
        if member.gone {
            self.all.members.remove(id);
            return;
        }
        if member.blocked || member.pending.is_empty() {
            return;
        }
        // Taken before anything is collected: a subscription that ends from here on is noticed.
        let changes = member.connection.changes();
        let mut visit = std::mem::take(&mut self.visit);
        self.collect(id, &mut visit, turn);
        if !visit.portions.is_empty() && self.write(id, changes, &mut visit, turn) {
            self.block(id);
        }
        visit.portions.drain(..).filter(|portion| portion.taken > 0).for_each(|portion| self.advance(portion, turn));
        visit.frames.clear();
        // They go to the back, after those that were not looked at: two busy channels do not starve a third.
        visit.readers.drain(..).for_each(|reader| self.all.mark(reader));
        self.visit = visit;
        let member = &self.all.members[id];
        if !member.blocked && !member.pending.is_empty() {
            self.all.queue(id);
        }
    }

    /// Collects what the readers get next, as much as goes out in one write.
    fn collect(&mut self, id: Id<Member>, visit: &mut Visit, turn: &mut Turn) {
        while visit.frames.bytes.len() < FANOUT_WRITE_BYTES_MAX
            && let Some(reader) = self.all.take_pending(id)
        {
            let alone = visit.readers.is_empty() && self.all.members[id].pending.is_empty();
            visit.readers.push(reader);
            turn.cursor_lag.add(self.all.lag(reader));
            let Some(source) = self.next(reader) else { continue };
            let offset = self.all.readers[reader].cursor.offset;
            let frames = match &source {
                Source::Live(range) | Source::Lagging(range) | Source::History(range) => range.len(),
                Source::Note(_) => 1,
            };
            match &source {
                Source::Note(note) => visit.frames.push(&note.frame, offset),
                // The windows may be overwritten for the next reader.
                _ if !alone => visit.frames.extend(self.run_of(&source)),
                _ => {}
            }
            visit.portions.push(Portion { reader, source, frames, taken: 0, offset });
        }
    }

    /// Writes what was collected, and notes how much of each portion was taken. True if the member can take nothing
    /// more for now.
    fn write(&self, id: Id<Member>, changes: u32, visit: &mut Visit, turn: &mut Turn) -> bool {
        let whole = visit.frames.ends.len();
        let run = if whole == 0 { self.run_of(&visit.portions[0].source) } else { visit.frames.run(0..whole) };
        turn.writes += 1;
        let delivered = self.all.members[id].connection.deliver(run, changes, turn.now_ms);
        let mut taken = match delivered {
            Delivered::All => run.ends.len(),
            Delivered::Blocked(frames) => frames,
            Delivered::Ended | Delivered::Changed => 0,
        };
        if taken > 0 {
            turn.deliveries += taken as u64;
            turn.write_frames.add(taken as u64);
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

    /// Moves the cursor of a reader that got its portion, or part of it.
    fn advance(&mut self, portion: Portion, turn: &mut Turn) {
        let cursor = &mut self.all.readers[portion.reader].cursor;
        match portion.source {
            Source::Live(_) | Source::Lagging(_) => {
                cursor.live.seq += portion.taken as u64;
                (cursor.live.offset, cursor.offset) = (portion.offset, portion.offset);
            }
            Source::History(_) => {
                cursor.offset = portion.offset;
                turn.caught_up += portion.taken as u64;
            }
            Source::Note(note) => {
                *cursor = note.then;
                turn.gaps += 1;
                turn.missed += note.missed;
            }
        }
    }

    /// The frames of a portion, where they are in a window or the page.
    fn run_of(&self, source: &Source) -> Run<'_> {
        match source {
            Source::Live(range) => self.live.run(range.clone()),
            Source::Lagging(range) => self.lagging.run(range.clone()),
            Source::History(range) => self.page.run(range.clone()),
            Source::Note(_) => Run { bytes: &[], ends: &[], base: 0 },
        }
    }
}
