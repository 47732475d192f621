//! So many bytes, and a queue for whoever finds none free.

use crate::sync::{AtomicU64, Ordering};
use crate::waiter::{Room, Waiters};

/// A bound on bytes. Who enters is let in while less than the bound is taken, so what is taken never goes over it by
/// more than what one of them takes.
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

    /// Takes them whether they are free or not.
    pub(crate) fn take(&self, bytes: u64) {
        if bytes > 0 {
            self.taken_bytes.fetch_add(bytes, Ordering::AcqRel);
        }
    }

    /// Gives back what was taken.
    pub(crate) fn give(&self, bytes: u64) {
        if bytes > 0 {
            self.taken_bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.wake_waiters();
        }
    }

    /// `now` bytes are taken where `before` were.
    pub(crate) fn change(&self, before: u64, now: u64) {
        self.take(now.saturating_sub(before));
        self.give(before.saturating_sub(now));
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
