//! What waits to be written: the lanes of all partitions, and how much there is together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use ws_core::engine::EngineSink;

use crate::dial::Backoff;
use crate::job::Job;
use crate::limits::BACKOFF;

/// Lanes of a partition.
pub(crate) const LANES: usize = 2;

/// A lane of a partition.
#[derive(Debug, Default)]
pub(crate) struct Lane(pub(crate) Mutex<State>);

/// What is behind its lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) queue: VecDeque<Job>,
    pub(crate) in_flight: bool,
    /// Redis refuses for the moment.
    pub(crate) paused_until: Option<Instant>,
    pub(crate) backoff: Backoff,
}

impl Default for State {
    fn default() -> Self {
        State { queue: VecDeque::new(), in_flight: false, paused_until: None, backoff: Backoff::new(BACKOFF) }
    }
}

/// Bytes of retained publications that wait, of all lanes.
#[derive(Debug)]
pub(crate) struct Queue {
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Somebody was told that there is no room.
    was_full: AtomicBool,
    /// How many publications without retention were sent.
    pub(crate) passed: AtomicU64,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let (bytes, was_full, passed) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicU64::new(0));
        Queue { bytes, bytes_max, was_full, passed }
    }

    pub(crate) fn has_room(&self) -> bool {
        if self.is_below() {
            return true;
        }
        self.was_full.store(true, Ordering::SeqCst);
        // It may have become free in between, unseen.
        self.is_below()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    fn is_below(&self) -> bool {
        self.bytes() < self.bytes_max
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(crate) fn release(&self, bytes: usize, sink: &dyn EngineSink) {
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        if self.is_below() && self.was_full.swap(false, Ordering::SeqCst) {
            sink.has_room();
        }
    }
}
