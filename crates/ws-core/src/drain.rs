//! How reconnects are spread over time when the server drains: some 1,000 a second, over at most the configured time,
//! from the moment at which the connections are closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Reconnects that a server takes without effort in a second, TLS and tokens included.
const RECONNECTS_PER_SECOND: u64 = 1_000;

/// The shortest spread. A few clients must not come back before a successor listens.
const SPREAD_MIN_MS: u64 = 1_000;

/// Gives each client a slot of its own.
#[derive(Debug)]
pub(crate) struct DrainPlan {
    connections: u64,
    /// When the connections are closed. Nobody can be back before: earlier slots would all be used at once.
    notice_ms: u64,
    spread_ms: u64,
    next: AtomicU64,
}

impl DrainPlan {
    /// `notice`: from the announcement to the close. `spread_max`: the longest spread, for many connections.
    pub(crate) fn new(connections: usize, notice: Duration, spread_max: Duration) -> Self {
        let connections = connections.max(1) as u64;
        let enough_ms = connections.saturating_mul(1_000).div_ceil(RECONNECTS_PER_SECOND).max(SPREAD_MIN_MS);
        let whole_ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (notice_ms, spread_ms) = (whole_ms(notice), whole_ms(spread_max).min(enough_ms));
        DrainPlan { connections, notice_ms, spread_ms, next: AtomicU64::new(0) }
    }

    /// The next client's slot: the earliest and latest time to reconnect, in milliseconds from the announcement.
    pub(crate) fn slot(&self) -> [u64; 2] {
        let nth = self.next.fetch_add(1, Ordering::Relaxed).min(self.connections - 1);
        let at = |n: u64| u64::try_from(u128::from(self.spread_ms) * u128::from(n) / u128::from(self.connections));
        [nth, nth + 1].map(|n| self.notice_ms.saturating_add(at(n).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_cover_the_spread_without_overlap() {
        let check = |connections, notice_ms, spread_ms, expect: &[[u64; 2]]| {
            let plan = DrainPlan::new(connections, Duration::from_millis(notice_ms), Duration::from_millis(spread_ms));
            let slots: Vec<_> = expect.iter().map(|_| plan.slot()).collect();
            assert_eq!(slots, expect);
        };
        check(1, 0, 150, &[[0, 150]]);
        check(4, 500, 100, &[[500, 525], [525, 550], [550, 575], [575, 600], [575, 600]]);
        check(3, 1, 1, &[[1, 1], [1, 1], [1, 2]]);
        check(0, 0, 50, &[[0, 50]]);
    }

    #[test]
    fn the_spread_follows_the_number_of_clients() {
        let check = |connections, spread_max_ms, expect_ms| {
            let plan = DrainPlan::new(connections, Duration::ZERO, Duration::from_millis(spread_max_ms));
            assert_eq!(plan.spread_ms, expect_ms, "{connections} {spread_max_ms}");
            let slots: Vec<_> = (0..connections).map(|_| plan.slot()).collect();
            assert!(slots.windows(2).all(|pair| pair[0][1] == pair[1][0]), "no gap and no overlap");
            assert_eq!(slots.last().map_or(expect_ms, |slot| slot[1]), expect_ms, "the last one ends it");
        };
        check(0, 10_000, 1_000);
        check(1, 10_000, 1_000);
        check(3, 10_000, 1_000);
        check(1_001, 10_000, 1_001);
        check(3_000, 10_000, 3_000);
        check(10_000, 10_000, 10_000);
        check(100_000, 10_000, 10_000);
        check(100_000, 60_000, 60_000);
        check(3, 50, 50);
        check(3, 0, 0);
    }
}
