//! How often something may happen: a budget in a sliding window.

use std::collections::VecDeque;

/// A sliding window over the moments at which something happened. Costs nothing until the first one.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    at_ms: VecDeque<u64>,
}

impl Budget {
    /// Counts one at `now_ms`. False if that makes more than `max` within `window_ms`; a `max` of 0 means no
    /// limit.
    pub(crate) fn spend(&mut self, now_ms: u64, max: u32, window_ms: u64) -> bool {
        if max == 0 {
            return true;
        }
        while self.at_ms.front().is_some_and(|at| now_ms.saturating_sub(*at) >= window_ms) {
            self.at_ms.pop_front();
        }
        if self.at_ms.len() >= max as usize {
            return false;
        }
        self.at_ms.push_back(now_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_after_the_last_is_refused() {
        let mut budget = Budget::default();
        assert!((0..20).all(|n| budget.spend(n, 20, 10_000)));
        assert!(!budget.spend(9_999, 20, 10_000));
    }

    #[test]
    fn old_ones_are_forgotten_one_by_one() {
        let mut budget = Budget::default();
        assert!(budget.spend(0, 2, 10) && budget.spend(5, 2, 10));
        assert!(budget.spend(10, 2, 10));
        assert!(!budget.spend(14, 2, 10));
        assert!(budget.spend(15, 2, 10));
    }

    #[test]
    fn zero_is_no_limit() {
        let mut budget = Budget::default();
        assert!((0..1000).all(|_| budget.spend(0, 0, 10)));
        assert!(budget.at_ms.is_empty());
    }
}
