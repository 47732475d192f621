//! A bound on bytes, with a queue for those that find none free.

use crate::sync::{AtomicU64, Ordering};
use crate::waiter::{Room, Waiters};

/// A bound on bytes. Bytes are granted while less than the bound is taken, so it is exceeded by at most what one caller
/// takes.
#[derive(Debug)]
pub(crate) struct ByteRoom {
    bytes_max: u64,
    taken_bytes: AtomicU64,
    waiters: Waiters,
}

impl ByteRoom {
    pub(crate) fn new(bytes_max: u64) -> Self {
        ByteRoom { bytes_max, taken_bytes: AtomicU64::new(0), waiters: Waiters::default() }
    }

    pub(crate) fn taken_bytes(&self) -> u64 {
        self.taken_bytes.load(Ordering::Relaxed)
    }

    /// Takes bytes, free or not.
    pub(crate) fn take(&self, bytes: u64) {
        if bytes > 0 {
            self.taken_bytes.fetch_add(bytes, Ordering::AcqRel);
        }
    }

    /// Releases bytes that were taken, and wakes waiters.
    pub(crate) fn release(&self, bytes: u64) {
        if bytes > 0 {
            self.taken_bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.wake_waiters();
        }
    }

    /// Changes what one caller has taken from `before` to `now`.
    pub(crate) fn change(&self, before: u64, now: u64) {
        self.take(now.saturating_sub(before));
        self.release(before.saturating_sub(now));
    }
}

impl Room for ByteRoom {
    fn free_bytes(&self) -> u64 {
        self.bytes_max.saturating_sub(self.taken_bytes.load(Ordering::Acquire))
    }

    fn try_take(&self, bytes: u64) -> bool {
        let more = |taken| (taken < self.bytes_max).then_some(taken + bytes);
        self.taken_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}
