//! How a stream began that follows another one in the same channel, and where its readers go on in it.

use crate::limits::RESTARTS_MAX;

/// How a new stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Nothing of the earlier stream is in it. What can be read has offsets above `after`.
    New { after: u64 },
    /// The publications up to this offset are the same.
    Renewed { survived: u64 },
}

/// How the newest streams of a channel began, the oldest first. Those that are not in it began empty, as nearly all do.
#[derive(Debug, Default)]
pub(super) struct Restarts(Box<[(u32, Restart)]>);

impl Restart {
    /// The offset at which the stream goes on.
    pub(super) fn end(self) -> u64 {
        match self {
            Restart::New { after } => after,
            Restart::Renewed { survived } => survived,
        }
    }

    /// Where a reader goes on that was at this offset of the stream before.
    fn carry_over(self, offset: u64) -> u64 {
        match self {
            Restart::New { after } => after,
            Restart::Renewed { survived } => offset.min(survived),
        }
    }
}

impl Restarts {
    /// The stream of this generation begins so.
    pub(super) fn add(&mut self, generation: u32, restart: Restart) {
        if restart == (Restart::New { after: 0 }) {
            // Whatever was before it no longer matters.
            self.0 = Box::default();
            return;
        }
        let forgotten = (self.0.len() + 1).saturating_sub(RESTARTS_MAX);
        self.0 = self.0.iter().skip(forgotten).copied().chain([(generation, restart)]).collect();
    }

    /// Where a reader goes on that was at this offset in this generation, which is not the current one.
    pub(super) fn carry_over(&self, generation: u32, offset: u64) -> u64 {
        // Before the oldest that is known, a stream began of which nothing is known: it reads the rest from its beginning.
        let is_known = self.0.first().is_some_and(|(first, _)| first.wrapping_sub(generation) <= 1)
            || self.0.iter().any(|(known, _)| *known == generation);
        let later = self.0.iter().filter(|(known, _)| known.wrapping_sub(generation) as i32 > 0);
        later.fold(if is_known { offset } else { 0 }, |offset, (_, restart)| restart.carry_over(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where readers go on that were at offset 7 of generations 0, 1, …, after these restarts.
    #[track_caller]
    fn check(restarts: &[Restart], expect: &[u64]) {
        let mut all = Restarts::default();
        for (generation, restart) in (1..).zip(restarts) {
            all.add(generation, *restart);
        }
        let found: Vec<_> = (0..restarts.len() as u32).map(|generation| all.carry_over(generation, 7)).collect();
        assert_eq!(found, expect, "{restarts:?}");
    }

    #[test]
    fn a_reader_keeps_what_survived_of_what_it_has_read() {
        use Restart::{New, Renewed};
        check(&[New { after: 0 }], &[0]);
        check(&[New { after: 3 }], &[3]);
        check(&[Renewed { survived: 5 }], &[5]);
        check(&[Renewed { survived: 9 }], &[7]);
        check(&[Renewed { survived: 5 }, Renewed { survived: 6 }], &[5, 6]);
        check(&[Renewed { survived: 9 }, New { after: 0 }], &[0, 0]);
        check(&[New { after: 0 }, Renewed { survived: 5 }], &[0, 5]);
        check(&[New { after: 9 }, Renewed { survived: 8 }], &[8, 7]);
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let many = vec![Restart::Renewed { survived: 9 }; RESTARTS_MAX + 2];
        let expect: Vec<_> = (0..many.len()).map(|generation| if generation < 2 { 0 } else { 7 }).collect();
        check(&many, &expect);
    }
}
