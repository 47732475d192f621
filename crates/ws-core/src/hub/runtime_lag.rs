//! How late the timers of the runtime fire: a sign of too little processor time, or of something that blocks its
//! threads.

use std::sync::Arc;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::limits::RUNTIME_LAG_INTERVAL;
use crate::state::Shared;

/// Measures until it is aborted.
pub(super) async fn measure(shared: Arc<Shared>) {
    let mut interval = interval(RUNTIME_LAG_INTERVAL);
    // A pause counts once, with its whole length.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = interval.tick().await;
        let late = Instant::now().saturating_duration_since(due).as_micros();
        shared.counters.runtime_lag_us.record(u64::try_from(late).unwrap_or(u64::MAX));
    }
}
