//! Redis's clock, as this server knows it. Publications are stored with the times of that clock, so it is the one on which
//! a repeat says when it was first sent: an age would not count how long a command is on its way, or how long Redis
//! takes to come to it. No I/O.

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::CLOCK_EVERY;

/// How far it is ahead of this server's.
#[derive(Debug)]
pub(crate) struct Clock {
    begun: Instant,
    /// In microseconds since 1970, at `begun`. `None`: not known.
    ahead_us: Mutex<Option<i64>>,
    /// When it was last time to read it.
    due: Mutex<Instant>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let begun = Instant::now();
        Clock { begun, ahead_us: Mutex::default(), due: Mutex::new(begun) }
    }

    /// Whether it is time to read it once more.
    pub(crate) fn is_due(&self) -> bool {
        let mut due = self.due.lock();
        let is_due = due.elapsed() >= CLOCK_EVERY;
        if is_due {
            *due = Instant::now();
        }
        is_due
    }

    /// Another Redis may have another clock.
    pub(crate) fn forget(&self) {
        *self.ahead_us.lock() = None;
    }

    /// It was asked for, showed a time in microseconds, and was answered. What is known stays as it is where that is
    /// possible, so an answer that is late does no harm; at first the clock is taken to be as late as it may be.
    pub(crate) fn read(&self, asked: Instant, time_us: i64, answered: Instant) {
        let (least, most) = (time_us - self.us(answered), time_us + 1 - self.us(asked));
        let mut ahead_us = self.ahead_us.lock();
        *ahead_us = Some(ahead_us.unwrap_or(least).clamp(least, most.max(least)));
    }

    /// What it showed at a moment, in milliseconds since 1970; `None`: it is not known.
    pub(crate) fn at(&self, moment: Instant) -> Option<u64> {
        let time_us = (*self.ahead_us.lock())? + self.us(moment);
        u64::try_from(time_us).ok().map(|time_us| time_us / 1000)
    }

    /// Negative before `begun`.
    fn us(&self, moment: Instant) -> i64 {
        let us = |later: Instant, earlier: Instant| later.saturating_duration_since(earlier).as_micros() as i64;
        us(moment, self.begun) - us(self.begun, moment)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Readings, each with when it was asked for, what was shown, and when it was answered, in milliseconds; then what
    /// the clock is taken to show at the moment 1000. It is 5000 ahead.
    #[track_caller]
    fn check(readings: &[(u64, i64, u64)], expect: u64) {
        let clock = Clock::new();
        let moment = |ms| clock.begun + Duration::from_millis(ms);
        assert_eq!(clock.at(moment(1000)), None);
        for (asked, time, answered) in readings {
            clock.read(moment(*asked), time * 1000, moment(*answered));
        }
        assert_eq!(clock.at(moment(1000)), Some(expect), "{readings:?}");
    }

    #[test]
    fn a_clock_is_never_taken_to_be_ahead_of_what_it_shows() {
        check(&[(0, 5001, 2)], 5999);
        // An answer that comes late, and one that comes late to Redis.
        check(&[(0, 5001, 2), (10, 5011, 90)], 5999);
        check(&[(0, 5001, 2), (10, 5089, 90)], 5999);
        // A first one that is late is corrected by the next one.
        check(&[(0, 5001, 80), (90, 5090, 91)], 5999);
    }

    #[test]
    fn a_clock_that_is_set_is_followed() {
        check(&[(0, 5001, 2), (10, 4011, 12)], 5001);
        check(&[(0, 5001, 2), (10, 8011, 12)], 8999);
    }

    #[test]
    fn what_was_sent_before_the_start_has_a_time_too() {
        let clock = Clock::new();
        clock.read(clock.begun, 5_000_000, clock.begun);
        if let Some(before) = clock.begun.checked_sub(Duration::from_millis(300)) {
            assert_eq!(clock.at(before), Some(4700));
        }
    }
}
