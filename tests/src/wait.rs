//! Waiting for a state, never for a while. Deadlines are far off, so that a busy machine fails no test.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// After this long, what is waited for will not come.
pub const DEADLINE: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What `future` gives within [`DEADLINE`].
///
/// # Panics
/// When it gives nothing by then; `what` says what was missing.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} for {what}"),
    }
}

/// Looks until `look` finds something.
///
/// # Panics
/// When there is nothing within [`DEADLINE`]; `what` says what was missing.
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
