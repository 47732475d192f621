//! Which streams of the memory engine need looking after. The cost never depends on the number of channels.
//!
//! Lock order: a stream, then one list of [`Upkeep`]. Who has a stream out of a list holds no list.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::cell::Cell;

/// [`Cell::at`] of a stream that holds nothing.
pub(super) const NOWHERE: u64 = u64::MAX;

/// Streams that need looking after.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// By the second in which their oldest publication expires; each stream once at most.
    pub(super) due: Mutex<BTreeMap<u64, Vec<Arc<Cell>>>>,
    /// Those that hold publications, in no order.
    pub(super) holders: Mutex<Vec<Arc<Cell>>>,
    /// Who of the holders is to give up something next.
    pub(super) hand: AtomicUsize,
    /// Those without publications and subscribers, the one that has been so for longest first; each once at
    /// most. Some of them have come to life since, and some are idle again.
    pub(super) idle: Mutex<VecDeque<Arc<Cell>>>,
    /// How many those are, for who only wants to know that they are not too many.
    pub(super) idle_len: AtomicUsize,
}

impl Upkeep {
    pub(super) fn list_idle(&self, cell: Arc<Cell>) {
        let mut idle = self.idle.lock();
        idle.push_back(cell);
        self.idle_len.store(idle.len(), Ordering::Relaxed);
    }

    /// The one that has been idle for longest, if there are more than so many.
    pub(super) fn take_idle(&self, max: usize) -> Option<Arc<Cell>> {
        let mut idle = self.idle.lock();
        let cell = if idle.len() > max { idle.pop_front() } else { None };
        self.idle_len.store(idle.len(), Ordering::Relaxed);
        cell
    }
}
