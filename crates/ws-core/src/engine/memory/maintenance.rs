//! Which streams of the memory engine need maintenance. Its cost does not depend on the number of channels.
//!
//! Lock order: a stream, then one list of [`Maintenance`]. A list's lock is released before a stream taken from it is
//! locked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::cell::Cell;

/// [`Cell::at`] of a stream that holds nothing.
pub(super) const NOWHERE: u64 = u64::MAX;

/// The streams that need maintenance.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    /// By the second in which their oldest publication expires; each stream once at most.
    pub(super) due: Mutex<BTreeMap<u64, Vec<Arc<Cell>>>>,
    /// Those that hold publications, in no order.
    pub(super) holders: Mutex<Vec<Arc<Cell>>>,
    /// Counts up: selects the holder that drops something next.
    pub(super) next_evicted: AtomicUsize,
    /// Streams without publications and subscribers, longest idle first; each at most once. Some of them may have been
    /// used since, and may be idle again.
    pub(super) idle: Mutex<VecDeque<Arc<Cell>>>,
    /// How many those are, to check the limit without the lock.
    pub(super) idle_len: AtomicUsize,
}

impl Maintenance {
    pub(super) fn list_idle(&self, cell: Arc<Cell>) {
        let mut idle = self.idle.lock();
        idle.push_back(cell);
        self.idle_len.store(idle.len(), Ordering::Relaxed);
    }

    /// Takes the one that has been idle for longest, if there are more than `max`.
    pub(super) fn take_idle(&self, max: usize) -> Option<Arc<Cell>> {
        let mut idle = self.idle.lock();
        let cell = if idle.len() > max { idle.pop_front() } else { None };
        self.idle_len.store(idle.len(), Ordering::Relaxed);
        cell
    }
}
