//! Time as a number: milliseconds or microseconds since the hub was started, and the time of day.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Monotonic milliseconds since a start, and the time of day. The first follows tokio's clock, so tests can pause
/// it; the second is the system's, unless a test sets it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    set: Option<Set>,
}

/// A time of day that follows the monotonic clock and that a test sets.
#[derive(Debug, Clone, Copy)]
struct Set {
    start_ms: u64,
    by_ms: &'static AtomicI64,
}

impl Clock {
    /// A clock that starts at 0 now.
    pub fn start() -> Self {
        Clock { start: Instant::now(), set: None }
    }

    /// The same for tests: the time of day advances with the monotonic clock, and is ahead by `by_ms`.
    pub fn start_set(by_ms: &'static AtomicI64) -> Self {
        Clock { set: Some(Set { start_ms: Clock::unix_ms(), by_ms }), ..Clock::start() }
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Microseconds since the start, for what is measured.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since 1970, used to check the validity of tokens; it may jump in both directions.
    pub fn time_of_day(&self) -> u64 {
        match self.set {
            None => Clock::unix_ms(),
            Some(Set { start_ms, by_ms }) => {
                (start_ms + self.now_ms()).saturating_add_signed(by_ms.load(Ordering::Relaxed))
            }
        }
    }

    /// Milliseconds since 1970 by the system's clock, for times shown to people and other programs; it may jump.
    pub fn unix_ms() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
