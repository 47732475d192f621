//! How much a channel, and all together, may hold for their readers, in bytes.
//!
//! Readers that keep up must not lose anything because somebody publishes faster than the fan-out goes
//! round. So a publication is taken only while what the fan-out has still to offer (what is *ahead* of it)
//! is less than half of what the logs may hold, in its channel and in all together; a publisher that
//! comes earlier waits, and reads no requests meanwhile. It waits too while the engine has no room for what
//! is to be stored. The other half is for readers whose sockets are
//! full, in channels without history: they hold nobody up, and lose what does not fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::channel::Kind;
use crate::connection::Connection;
use crate::engine::Engine;
use crate::limits::Limits;

/// The bytes of all logs, and the publishers that wait for them to become less.
#[derive(Debug)]
pub(crate) struct Gate {
    broadcast_log_bytes_max: usize,
    channel_log_bytes_max: usize,
    half_bytes: u64,
    ahead_bytes: AtomicU64,
    kept_bytes: AtomicU64,
    /// At most once each connection.
    waiting: Mutex<Vec<Arc<Connection>>>,
}

/// What one log has in the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Not offered to every reader yet.
    pub(crate) ahead_bytes: u64,
    /// Offered to all, and kept for those that are behind.
    pub(crate) kept_bytes: u64,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        Gate {
            broadcast_log_bytes_max: limits.broadcast_log_bytes_max,
            channel_log_bytes_max: limits.channel_log_bytes_max,
            half_bytes: limits.channel_logs_bytes_max as u64 / 2,
            ahead_bytes: AtomicU64::new(0),
            kept_bytes: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }

    /// How much the log of one channel may hold.
    pub(crate) fn log_bytes_max(&self, kind: Kind) -> usize {
        if kind == Kind::Broadcast { self.broadcast_log_bytes_max } else { self.channel_log_bytes_max }
    }

    fn is_open(&self) -> bool {
        self.ahead_bytes.load(Ordering::Acquire) < self.half_bytes
    }

    /// Whether readers that are behind take too much.
    pub(crate) fn is_crowded(&self) -> bool {
        self.kept_bytes.load(Ordering::Relaxed) >= self.half_bytes
    }

    /// Bytes in all logs.
    pub(crate) fn bytes(&self) -> u64 {
        self.ahead_bytes.load(Ordering::Relaxed) + self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Changes what a log has in the books.
    pub(crate) fn account(&self, before: Held, now: Held) {
        // Wrapping: a difference below zero is subtracted.
        self.ahead_bytes.fetch_add(now.ahead_bytes.wrapping_sub(before.ahead_bytes), Ordering::AcqRel);
        self.kept_bytes.fetch_add(now.kept_bytes.wrapping_sub(before.kept_bytes), Ordering::Relaxed);
        if now.ahead_bytes < before.ahead_bytes && self.is_open() {
            self.release();
        }
    }

    /// Wakes all publishers that wait: they ask again.
    pub(crate) fn release(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.iter().for_each(|connection| connection.release());
    }

    /// Whether `connection` may publish now, as far as all logs together, and the engine if it is asked, are
    /// concerned; otherwise it is woken when to ask again.
    pub(crate) fn may_pass(&self, connection: &Arc<Connection>, engine: Option<&dyn Engine>) -> bool {
        let is_open = || self.is_open() && engine.is_none_or(Engine::has_room);
        if is_open() {
            return true;
        }
        let mut waiting = self.waiting.lock();
        // Under the lock: who makes room later finds the connection in the list.
        if is_open() {
            return true;
        }
        if connection.hold() {
            waiting.push(connection.clone());
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_has_its_own_bound() {
        let gate = Gate::new(&Limits { channel_logs_bytes_max: 200, ..Limits::TEST });
        let (none, some) = (Held::default(), Held { ahead_bytes: 60, kept_bytes: 70 });
        gate.account(none, some);
        assert!(gate.is_open() && !gate.is_crowded());
        gate.account(none, some);
        assert!(!gate.is_open() && gate.is_crowded());
        gate.account(some, Held { ahead_bytes: 30, kept_bytes: 29 });
        assert!(gate.is_open() && !gate.is_crowded());
        assert_eq!(gate.bytes(), 60 + 30 + 70 + 29);
    }
}
