//! Waiting for a state, never for a fixed time. Deadlines are long, so that no test fails on a busy machine.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long to wait before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The result of `future`, within [`DEADLINE`].
///
/// # Panics
/// If it is not ready by then; `what` says what was missing.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} for {what}"),
    }
}

/// Calls `look` until it returns something.
///
/// # Panics
/// If it returns nothing within [`DEADLINE`]; `what` says what was missing.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = within(what, look()).await {
            return found;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?} for {what}");
        sleep(LOOK_EVERY).await;
    }
}
