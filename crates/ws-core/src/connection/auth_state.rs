//! Who a connection is, and when its session has to check that again: because a token expires, or because the
//! connection has to authenticate in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::access::Identity;

/// Never, on either clock.
const NEVER: u64 = u64::MAX;

/// The authentication state of one connection. Its session changes it; the sweep of its shard checks the deadlines.
#[derive(Debug)]
pub(crate) struct AuthState {
    identity: Mutex<Option<Arc<Identity>>>,
    /// When to wake the session, on the hub's clock.
    deadline_ms: AtomicU64,
    /// When to wake the session, by the time of day, which may jump.
    expiry_ms: AtomicU64,
    /// A deadline has passed, and the session has not checked yet.
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

    /// Sets when to wake the session: on the hub's clock, and by the time of day. Replaces earlier deadlines; `None`:
    /// never.
    pub(crate) fn set_deadlines(&self, deadline_ms: Option<u64>, expiry_ms: Option<u64>) {
        self.deadline_ms.store(deadline_ms.unwrap_or(NEVER), Ordering::Release);
        self.expiry_ms.store(expiry_ms.unwrap_or(NEVER), Ordering::Release);
    }

    /// Whether one of the two deadlines has passed; each is reported once. The session has to be woken then.
    pub(crate) fn take_elapsed(&self, now_ms: u64, unix_ms: u64) -> bool {
        let has_come = take(&self.deadline_ms, now_ms) | take(&self.expiry_ms, unix_ms);
        if has_come {
            self.due.store(true, Ordering::Release);
        }
        has_come
    }

    /// Whether the session has to check.
    pub(crate) fn is_due(&self) -> bool {
        self.due.load(Ordering::Acquire)
    }

    /// Whether the session has to check, and clears that.
    pub(crate) fn take_due(&self) -> bool {
        self.is_due() && self.due.swap(false, Ordering::AcqRel)
    }
}

/// Whether a deadline has passed; if so, it is cleared.
fn take(moment_ms: &AtomicU64, now_ms: u64) -> bool {
    let at_ms = moment_ms.load(Ordering::Relaxed);
    now_ms >= at_ms && moment_ms.compare_exchange(at_ms, NEVER, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reported_once() {
        let auth_state = AuthState::default();
        assert!(!auth_state.take_elapsed(u64::MAX - 1, u64::MAX - 1));
        auth_state.set_deadlines(Some(100), None);
        assert!(!auth_state.take_elapsed(99, 1000) && !auth_state.is_due());
        assert!(auth_state.take_elapsed(100, 1000) && auth_state.is_due());
        assert!(!auth_state.take_elapsed(200, 1000));
        assert!(auth_state.take_due() && !auth_state.take_due());
        auth_state.set_deadlines(Some(300), Some(2000));
        auth_state.set_deadlines(None, None);
        assert!(!auth_state.take_elapsed(400, 3000));
    }

    #[test]
    fn an_expiry_is_reported_when_the_clock_jumps() {
        let auth_state = AuthState::default();
        auth_state.set_deadlines(None, Some(2000));
        assert!(!auth_state.take_elapsed(500, 1999));
        assert!(!auth_state.take_elapsed(5000, 100), "it was set back");
        assert!(auth_state.take_elapsed(501, 900_000) && !auth_state.take_elapsed(502, 900_001));
        assert!(auth_state.take_due());
    }
}
