//! How Redis's clock is read: some times when a connection begins, and then every second.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use ws_core::{Clock as Time, LogLimit};

use crate::limits::{CLOCK_READINGS, LOGGED_PER_SECOND, SKEW_MAX};
use crate::link::{Failure, Link};
use crate::resp::Value;
use crate::shared::Shared;

static SKEWS: LogLimit = LogLimit::new(LOGGED_PER_SECOND);

impl Shared {
    /// Reads the clock of a Redis that was just connected.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn read_clock(&self, link: &Link) -> Result<(), String> {
        self.clock.forget();
        for _ in 0..CLOCK_READINGS {
            let asked = Instant::now();
            let time = link.call(["TIME"]).await;
            self.take_time(asked, time).map_err(|failure| format!("its clock cannot be read: {failure}"))?;
        }
        let skew = self.clock.at(Instant::now()).and_then(|redis_ms| skew(redis_ms, Time::unix_ms()));
        if let Some((skew, left_out)) = skew.zip(SKEWS.pass(std::time::Instant::now())) {
            tracing::warn!(left_out, "{skew}; keep both in time with NTP");
        }
        Ok(())
    }

    /// Reads the clock once more, if it is time.
    pub(crate) fn tick_clock(self: &Arc<Self>) {
        if !self.clock.is_due() {
            return;
        }
        let Some(link) = self.writer.read().clone() else { return };
        let (shared, asked) = (self.clone(), Instant::now());
        // A connection that has ended is replaced, and the clock is read then.
        let _ = link.send(|batch| batch.command(["TIME"], move |time| drop(shared.take_time(asked, time))));
    }

    fn take_time(&self, asked: Instant, time: Result<Value, Failure>) -> Result<(), Failure> {
        let time = time?;
        let parts = time.as_array().unwrap_or_default();
        if let [Some(seconds), Some(us)] = [0, 1].map(|at| parts.get(at).and_then(Value::as_int)) {
            self.clock.read(asked, seconds.saturating_mul(1_000_000).saturating_add(us), Instant::now());
        }
        Ok(())
    }
}

/// How far Redis's clock is from this server's, in words, if that is too far: what is retained expires by the one, and shows
/// the time of the other.
fn skew(redis_ms: u64, own_ms: u64) -> Option<String> {
    let ahead = redis_ms > own_ms;
    let by = Duration::from_millis(redis_ms.abs_diff(own_ms));
    let direction = if ahead { "ahead of" } else { "behind" };
    (by > SKEW_MAX).then(|| format!("Redis's clock is {:.1} s {direction} this server's", by.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_off_is_told() {
        assert_eq!(skew(10_000, 15_000), None);
        assert_eq!(skew(15_000, 10_000), None);
        assert_eq!(skew(10_000, 15_100).as_deref(), Some("Redis's clock is 5.1 s behind this server's"));
        assert_eq!(skew(72_000, 10_000).as_deref(), Some("Redis's clock is 62.0 s ahead of this server's"));
    }
}
