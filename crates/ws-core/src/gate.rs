//! Back-pressure from the fan-out to publishers.
//!
//! Readers that keep up must not lose anything because somebody publishes faster than the fan-out goes
//! round. So a publication is taken only while what the fan-out has still to offer to *every* reader is
//! less than half of what the log holds; a publisher that comes earlier waits, and reads no requests
//! meanwhile. Readers whose sockets are full do not count: they cannot slow others down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::connection::Connection;

/// The gate between publishers and the log.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Per shard: bytes of the log, counted from its beginning, that every live reader has been offered.
    settled_bytes: Box<[AtomicU64]>,
    ahead_bytes_max: u64,
    /// At most once each connection.
    waiting: Mutex<Vec<Arc<Connection>>>,
}

impl Gate {
    pub(crate) fn new(shards: usize, log_bytes_max: usize) -> Self {
        Gate {
            settled_bytes: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            ahead_bytes_max: log_bytes_max as u64 / 2,
            waiting: Mutex::default(),
        }
    }

    /// Whether one more publication may be appended to a log of `appended_bytes`.
    pub(crate) fn is_open(&self, appended_bytes: u64) -> bool {
        let settled = self.settled_bytes.iter().map(|bytes| bytes.load(Ordering::Acquire)).min();
        appended_bytes.saturating_sub(settled.unwrap_or(u64::MAX)) < self.ahead_bytes_max
    }

    /// Wakes `connection` after the next settlement. Look at the gate again after this call.
    pub(crate) fn wait(&self, connection: &Arc<Connection>) {
        if !connection.held.swap(true, Ordering::AcqRel) {
            self.waiting.lock().push(connection.clone());
        }
    }

    /// Every live reader of `shard` has been offered the first `bytes` of the log.
    pub(crate) fn settle(&self, shard: usize, bytes: u64) {
        self.settled_bytes[shard].store(bytes, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for connection in waiting {
            connection.held.store(false, Ordering::Release);
            connection.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_shard_decides() {
        let gate = Gate::new(2, 200);
        assert!(gate.is_open(99) && !gate.is_open(100));
        gate.settle(0, 100);
        assert!(!gate.is_open(100));
        gate.settle(1, 50);
        assert!(gate.is_open(149) && !gate.is_open(150));
    }
}
