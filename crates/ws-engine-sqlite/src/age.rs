//! The clock by which publications age, in milliseconds: the system's clock without its jumps.
//!
//! While the engine runs it advances with the monotonic clock, so setting the system's clock back or forward makes
//! nothing younger or older, and times never decrease. Between two runs it advances with the system's clock, so
//! publications age while no server runs. Its difference from that clock is noted in the database whenever it changes,
//! so a clock that was wrong at one start and is right at the next changes nothing either. Only a clock that is
//! ahead at a start cannot be told from a server that did not run for so long.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use rusqlite::Connection;
use ws_core::Clock;

use crate::limits::CLOCK_STEP_MS;
use crate::rows;

/// See the module.
#[derive(Debug)]
pub(crate) struct Age {
    start: Instant,
    start_ms: u64,
    /// The latest time in the database at the start, which was not before it.
    newest_ms: u64,
    /// How far it is ahead of the system's clock, as noted in the database.
    noted_ms: AtomicI64,
}

impl Age {
    /// Continues from what is noted in the database.
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Age::resume(rows::ahead_ms(connection)?, rows::newest_ms(connection)?, Clock::unix_ms()))
    }

    /// `ahead_ms` was noted, and nothing stored is later than `newest_ms`.
    fn resume(ahead_ms: i64, newest_ms: u64, unix_ms: u64) -> Self {
        let start_ms = unix_ms.saturating_add_signed(ahead_ms).max(newest_ms);
        Age { start: Instant::now(), start_ms, newest_ms, noted_ms: AtomicI64::new(ahead_ms) }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.start_ms.saturating_add(since)
    }

    /// When something happened that is so old now; never too late. While no server runs the system's clock may be set
    /// forward, and this one then gains as much at the start. What happened before the start is as old as if no
    /// time had passed since the latest that is stored, at least by what is too little to be noted.
    pub(crate) fn ago(&self, age_ms: u64) -> u64 {
        let then_ms = self.now_ms().saturating_sub(age_ms);
        if then_ms > self.start_ms {
            return then_ms;
        }
        let proven_ms = self.newest_ms.saturating_sub(self.start_ms - then_ms);
        proven_ms.min(then_ms.saturating_sub(CLOCK_STEP_MS + 1))
    }

    /// How far it is ahead of a clock that shows `unix_ms`, if that has to be noted.
    pub(crate) fn to_note(&self, unix_ms: u64) -> Option<i64> {
        let ahead_ms = self.now_ms().cast_signed().saturating_sub(unix_ms.cast_signed());
        let noted_ms = self.noted_ms.load(Ordering::Relaxed);
        (ahead_ms.abs_diff(noted_ms) > CLOCK_STEP_MS).then_some(ahead_ms)
    }

    /// `ahead_ms` has been noted.
    pub(crate) fn noted(&self, ahead_ms: i64) {
        self.noted_ms.store(ahead_ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_700_000_000_000;
    const DAY: u64 = 86_400_000;

    /// The time at the next start, when the system's clock shows `next_ms`, after a run in which it showed `unix_ms`.
    fn next(age: &Age, unix_ms: u64, next_ms: u64) -> u64 {
        let noted = age.to_note(unix_ms).unwrap_or_else(|| age.noted_ms.load(Ordering::Relaxed));
        Age::resume(noted, age.now_ms(), next_ms).now_ms()
    }

    #[track_caller]
    fn check(shown: u64, expect: u64) {
        assert!(shown.abs_diff(expect) < 2 * CLOCK_STEP_MS, "{shown} is not {expect}");
    }

    #[test]
    fn it_goes_on_while_nothing_runs() {
        let age = Age::resume(0, NOON - DAY, NOON);
        check(age.now_ms(), NOON);
        assert_eq!(age.to_note(NOON), None);
        check(next(&age, NOON, NOON + DAY), NOON + DAY);
    }

    #[test]
    fn a_clock_that_is_set_while_it_runs_changes_nothing() {
        let age = Age::resume(0, 0, NOON);
        for unix_ms in [NOON + 3650 * DAY, NOON - 3650 * DAY, 0] {
            check(age.now_ms(), NOON);
            check(next(&age, unix_ms, unix_ms + DAY), NOON + DAY);
        }
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_right_at_the_next_start() {
        let age = Age::resume(0, 0, NOON + DAY);
        check(next(&age, NOON + DAY, NOON), NOON + DAY);
        let age = Age::resume(0, NOON + DAY, NOON);
        check(next(&age, NOON, NOON + 5 * DAY), NOON + 6 * DAY);
    }

    #[test]
    fn what_the_clock_gained_before_a_start_makes_nothing_younger() {
        let ago = |newest_ms, unix_ms, age_ms| Age::resume(0, newest_ms, unix_ms).ago(age_ms);
        // Set forward by a day between two runs without a pause.
        assert!(ago(NOON, NOON + DAY, 60_000) <= NOON - 60_000 + 100);
        // Too little to be noted, in a channel that was just used.
        assert!(ago(NOON, NOON, 60_000) <= NOON - 61_000 + 100);
        let age = Age::resume(0, NOON, NOON + DAY);
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert!(age.ago(1) > NOON + DAY, "in this run nothing is gained");
    }

    #[test]
    fn a_clock_that_begins_in_1970_and_is_set_later() {
        let age = Age::resume(0, NOON, 5_000);
        check(age.now_ms(), NOON);
        check(next(&age, NOON + DAY, NOON + 2 * DAY), NOON + DAY);
    }
}
