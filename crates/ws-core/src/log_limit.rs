//! A rate limit for log lines that others can trigger at will.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

const SECOND: Duration = Duration::from_secs(1);

/// Lets a number of lines per second through, and counts those that it leaves out.
#[derive(Debug)]
pub struct LogLimit {
    per_second: u32,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    since: Option<Instant>,
    passed: u32,
    left_out: u64,
}

impl LogLimit {
    /// A limit of `per_second` lines per second.
    #[must_use]
    pub const fn new(per_second: u32) -> Self {
        LogLimit { per_second, window: Mutex::new(Window { since: None, passed: 0, left_out: 0 }) }
    }

    /// Whether a line may be written now; if so, how many were left out since the one before.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock();
        if window.since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            (window.since, window.passed) = (Some(now), 0);
        }
        if window.passed == self.per_second {
            window.left_out += 1;
            return None;
        }
        window.passed += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_and_the_next_tells_of_those_left_out() {
        let (limit, start) = (LogLimit::new(2), Instant::now());
        let mut pass = |ms: u64| limit.pass(start + Duration::from_millis(ms));
        assert_eq!([0, 1, 2, 500, 999].map(&mut pass), [Some(0), Some(0), None, None, None]);
        assert_eq!([1000, 1001, 1002].map(&mut pass), [Some(3), Some(0), None]);
        assert_eq!(pass(60_000), Some(1));
        assert_eq!(pass(59_000), Some(0), "threads look at the clock in any order");
    }
}
