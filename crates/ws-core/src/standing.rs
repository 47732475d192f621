//! Who a connection is, and when its session has to look at that again: for a token that runs out, and for the
//! time in which one must come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::identity::Identity;

/// No moment of the hub's clock.
const NEVER: u64 = u64::MAX;

/// The standing of one connection. Its session changes it, and the fan-out of its shard looks at the time.
#[derive(Debug)]
pub(crate) struct Standing {
    identity: Mutex<Option<Arc<Identity>>>,
    /// When the session is to be woken, on the hub's clock.
    deadline_ms: AtomicU64,
    /// That moment has come, and the session has not looked yet.
    due: AtomicBool,
}

impl Default for Standing {
    fn default() -> Self {
        Standing { identity: Mutex::default(), deadline_ms: AtomicU64::new(NEVER), due: AtomicBool::new(false) }
    }
}

impl Standing {
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.lock().clone()
    }

    pub(crate) fn identify(&self, identity: Arc<Identity>) {
        *self.identity.lock() = Some(identity);
    }

    /// Has the session woken at this moment of the hub's clock, in place of any other; `None`: never.
    pub(crate) fn look_at(&self, deadline_ms: Option<u64>) {
        self.deadline_ms.store(deadline_ms.unwrap_or(NEVER), Ordering::Release);
    }

    /// Whether the moment has come, told once: the session is to be woken now.
    pub(crate) fn has_come(&self, now_ms: u64) -> bool {
        let deadline_ms = self.deadline_ms.load(Ordering::Relaxed);
        if now_ms < deadline_ms {
            return false;
        }
        let swap = self.deadline_ms.compare_exchange(deadline_ms, NEVER, Ordering::AcqRel, Ordering::Relaxed);
        if swap.is_ok() {
            self.due.store(true, Ordering::Release);
        }
        swap.is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_once() {
        let standing = Standing::default();
        assert!(!standing.has_come(u64::MAX - 1));
        standing.look_at(Some(100));
        assert!(!standing.has_come(99) && !standing.is_due());
        assert!(standing.has_come(100) && standing.is_due());
        assert!(!standing.has_come(200));
        assert!(standing.take_due() && !standing.take_due());
        standing.look_at(Some(300));
        standing.look_at(None);
        assert!(!standing.has_come(400));
    }
}
