//! How reconnects are spread over time when the server drains.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Gives each client a slot of its own.
#[derive(Debug)]
pub(crate) struct DrainPlan {
    connections: u64,
    spread_ms: u64,
    next: AtomicU64,
}

impl DrainPlan {
    pub(crate) fn new(connections: usize, spread: Duration) -> Self {
        DrainPlan {
            connections: connections.max(1) as u64,
            spread_ms: u64::try_from(spread.as_millis()).unwrap_or(u64::MAX),
            next: AtomicU64::new(0),
        }
    }

    /// The next client's slot: the earliest and latest time to reconnect, in milliseconds from now.
    pub(crate) fn slot(&self) -> [u64; 2] {
        let nth = self.next.fetch_add(1, Ordering::Relaxed).min(self.connections - 1);
        let at = |n: u64| u64::try_from(u128::from(self.spread_ms) * u128::from(n) / u128::from(self.connections));
        [at(nth).unwrap_or(u64::MAX), at(nth + 1).unwrap_or(u64::MAX)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_cover_the_spread_without_overlap() {
        let check = |connections, spread_ms, expect: &[[u64; 2]]| {
            let plan = DrainPlan::new(connections, Duration::from_millis(spread_ms));
            let slots: Vec<_> = expect.iter().map(|_| plan.slot()).collect();
            assert_eq!(slots, expect);
        };
        check(1, 10_000, &[[0, 10_000]]);
        check(4, 10_000, &[[0, 2_500], [2_500, 5_000], [5_000, 7_500], [7_500, 10_000], [7_500, 10_000]]);
        check(3, 1, &[[0, 0], [0, 0], [0, 1]]);
        check(0, 50, &[[0, 50]]);
    }
}
