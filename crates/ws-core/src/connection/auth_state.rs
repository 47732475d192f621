//! Who a connection is, and when its session has to look at that again: for a token that runs out, and for the
//! time in which one must come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::access::Identity;

/// No moment of either clock.
const NEVER: u64 = u64::MAX;

/// The auth_state of one connection. Its session changes it, and the fan-out of its shard looks at the time.
#[derive(Debug)]
pub(crate) struct AuthState {
    identity: Mutex<Option<Arc<Identity>>>,
    /// When the session is to be woken, on the hub's clock.
    deadline_ms: AtomicU64,
    /// The same by the time of day, which may jump.
    expiry_ms: AtomicU64,
    /// That moment has come, and the session has not looked yet.
    due: AtomicBool,
}

impl Default for AuthState {
    fn default() -> Self {
        let never = || AtomicU64::new(NEVER);
        AuthState { identity: Mutex::default(), deadline_ms: never(), expiry_ms: never(), due: AtomicBool::new(false) }
    }
}

impl AuthState {
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.lock().clone()
    }

    pub(crate) fn identify(&self, identity: Arc<Identity>) {
        *self.identity.lock() = Some(identity);
    }

    /// Has the session woken at this moment of the hub's clock, and at this time of day, in place of any others;
    /// `None`: never.
    pub(crate) fn look_at(&self, deadline_ms: Option<u64>, expiry_ms: Option<u64>) {
        self.deadline_ms.store(deadline_ms.unwrap_or(NEVER), Ordering::Release);
        self.expiry_ms.store(expiry_ms.unwrap_or(NEVER), Ordering::Release);
    }

    /// Whether one of the two has come, each told once: the session is to be woken now.
    pub(crate) fn has_come(&self, now_ms: u64, unix_ms: u64) -> bool {
        let has_come = take(&self.deadline_ms, now_ms) | take(&self.expiry_ms, unix_ms);
        if has_come {
            self.due.store(true, Ordering::Release);
        }
        has_come
    }

    /// Whether the session has to look.
    pub(crate) fn is_due(&self) -> bool {
        self.due.load(Ordering::Acquire)
    }

    /// The session looks.
    pub(crate) fn take_due(&self) -> bool {
        self.is_due() && self.due.swap(false, Ordering::AcqRel)
    }
}

/// Whether a moment has come; it does not come again.
fn take(moment_ms: &AtomicU64, now_ms: u64) -> bool {
    let at_ms = moment_ms.load(Ordering::Relaxed);
    now_ms >= at_ms && moment_ms.compare_exchange(at_ms, NEVER, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_once() {
        let auth_state = AuthState::default();
        assert!(!auth_state.has_come(u64::MAX - 1, u64::MAX - 1));
        auth_state.look_at(Some(100), None);
        assert!(!auth_state.has_come(99, 1000) && !auth_state.is_due());
        assert!(auth_state.has_come(100, 1000) && auth_state.is_due());
        assert!(!auth_state.has_come(200, 1000));
        assert!(auth_state.take_due() && !auth_state.take_due());
        auth_state.look_at(Some(300), Some(2000));
        auth_state.look_at(None, None);
        assert!(!auth_state.has_come(400, 3000));
    }

    #[test]
    fn a_time_of_day_comes_when_the_clock_jumps() {
        let auth_state = AuthState::default();
        auth_state.look_at(None, Some(2000));
        assert!(!auth_state.has_come(500, 1999));
        assert!(!auth_state.has_come(5000, 100), "it was set back");
        assert!(auth_state.has_come(501, 900_000) && !auth_state.has_come(502, 900_001));
        assert!(auth_state.take_due());
    }
}
