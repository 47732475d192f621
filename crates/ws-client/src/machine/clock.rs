//! The machine's clock: what passed is the larger of what two clocks say.

/// A clock that neither sleep nor a wall clock that is set back can hold up.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    /// The machine's own time, from 0.
    pub(super) t: u64,
    pub(super) wall: u64,
    at: u64,
    is_running: bool,
    /// When the machine asked for the next `tick`, in `t`.
    pub(super) tick_by: Option<u64>,
}

/// A moment, in both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    t: u64,
    wall: u64,
}

/// A jump of the wall clock, or a timer so late, is a sleep.
const SLEEP: u64 = 4_000;

impl Clock {
    /// Takes over what the clocks say; whether there was a sleep.
    pub(super) fn advance(&mut self, at: u64, wall: u64) -> bool {
        if !self.is_running {
            (self.at, self.wall, self.is_running) = (at, wall, true);
            return false;
        }
        let (monotonic, walled) = (at.saturating_sub(self.at), wall.saturating_sub(self.wall));
        self.t += monotonic.max(walled);
        (self.at, self.wall) = (at, wall);
        walled > monotonic + SLEEP || self.tick_by.is_some_and(|by| self.t > by + SLEEP)
    }

    pub(super) fn now(&self) -> Stamp {
        Stamp { t: self.t, wall: self.wall }
    }

    /// What passed since then.
    pub(super) fn since(&self, then: Stamp) -> u64 {
        (self.t - then.t).max(self.wall.saturating_sub(then.wall))
    }

    /// The stamp of something that happened at this time of the wall clock, perhaps in another run. What happened in
    /// the future happened now.
    pub(super) fn earlier(&self, wall: u64) -> Stamp {
        Stamp { t: self.t, wall: wall.min(self.wall) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_both_counts() {
        let mut clock = Clock::default();
        assert!(!clock.advance(5, 1_000));
        let mut check = |at, wall, t, slept| {
            assert_eq!((clock.advance(at, wall), clock.t), (slept, t));
        };
        check(15, 1_005, 10, false);
        check(20, 1_030, 35, false);
        // Set back: the monotonic clock goes on.
        check(30, 500, 45, false);
        check(30, 3_600_500, 3_600_045, true);
        check(31, 3_600_501, 3_600_046, false);
    }

    #[test]
    fn what_was_made_in_the_future_is_new() {
        let mut clock = Clock::default();
        clock.advance(0, 1_000);
        let (old, new) = (clock.earlier(400), clock.earlier(2_000));
        clock.advance(10, 1_010);
        assert_eq!((clock.since(old), clock.since(new)), (610, 10));
    }
}
