//! How much all channels together may hold for their readers, in bytes, and the room of the engine.
//!
//! Readers that keep up must not lose anything because somebody publishes faster than the fan-out goes round. So a
//! publication is taken only while what is *ahead* of the fan-out is less than half of what the logs may hold, in its
//! channel ([`Channel`](crate::channel::Channel) has a room of its own) and in all together. Ahead is what the engine has
//! taken and not delivered yet, and what was delivered and not yet offered to every reader. Whoever publishes faster
//! waits ([`crate::waiter`]). So does who has something to store while the engine has no room for it. The other half of
//! the logs is for readers whose sockets are full, in channels without history: they hold nobody up, and lose what does
//! not fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::channel::Kind;
use crate::engine::Engine;
use crate::limits::{ENGINE_WOKEN_BYTES_MAX, Limits, MESSAGE_ENVELOPE_BYTES};
use crate::room::ByteRoom;
use crate::waiter::{Room, Waiters};

/// The bytes of all logs.
#[derive(Debug)]
pub(crate) struct Gate {
    message_bytes_max: usize,
    broadcast_log_bytes_max: usize,
    channel_log_bytes_max: usize,
    half_bytes: u64,
    logs: Arc<Logs>,
    kept_bytes: AtomicU64,
}

/// What is ahead in all channels together. Entering takes nothing: what is on its way within a call of the engine's is
/// at most one publication for each thread, and the logs have as much again.
#[derive(Debug)]
pub(crate) struct Logs(ByteRoom);

/// Whether the engine has room for what is to be stored.
#[derive(Debug)]
pub(crate) struct EngineRoom {
    engine: Arc<dyn Engine>,
    waiters: Waiters,
}

/// What one log has in the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogBytes {
    /// Not offered to every reader yet.
    pub(crate) ahead_bytes: u64,
    /// Offered to all, and kept for those that are behind.
    pub(crate) kept_bytes: u64,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        let half_bytes = limits.channel_logs_bytes_max as u64 / 2;
        Gate {
            message_bytes_max: limits.message_bytes_max,
            broadcast_log_bytes_max: limits.broadcast_log_bytes_max,
            channel_log_bytes_max: limits.channel_log_bytes_max,
            half_bytes,
            logs: Arc::new(Logs(ByteRoom::new(half_bytes))),
            kept_bytes: AtomicU64::new(0),
        }
    }

    /// How much the log of one channel may hold.
    pub(crate) fn log_bytes_max(&self, kind: Kind) -> usize {
        if kind == Kind::Broadcast { self.broadcast_log_bytes_max } else { self.channel_log_bytes_max }
    }

    /// Room for what is ahead in one channel: half of its log, and never so much that the largest message does not fit
    /// behind it.
    pub(crate) fn room(&self, kind: Kind) -> ByteRoom {
        let log_bytes_max = self.log_bytes_max(kind);
        let before_last = log_bytes_max.saturating_sub(self.message_bytes_max + MESSAGE_ENVELOPE_BYTES);
        // A log that does not hold two messages is not for messages of that size.
        ByteRoom::new((log_bytes_max / 2).min(before_last).max(log_bytes_max / 8) as u64)
    }

    /// What is ahead in all channels together.
    pub(crate) fn logs(&self) -> &Arc<Logs> {
        &self.logs
    }

    /// Whether readers that are behind take too much.
    pub(crate) fn is_crowded(&self) -> bool {
        self.kept_bytes.load(Ordering::Relaxed) >= self.half_bytes
    }

    /// Bytes in all logs, and on their way into them.
    pub(crate) fn bytes(&self) -> u64 {
        self.logs.0.taken_bytes() + self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Changes what a log has in the books.
    pub(crate) fn account(&self, before: LogBytes, now: LogBytes) {
        self.logs.0.change(before.ahead_bytes, now.ahead_bytes);
        if before.kept_bytes != now.kept_bytes {
            // Wrapping: a difference below zero is subtracted.
            self.kept_bytes.fetch_add(now.kept_bytes.wrapping_sub(before.kept_bytes), Ordering::Relaxed);
        }
    }
}

impl Logs {
    /// The engine has taken something that it will deliver later.
    pub(crate) fn take(&self, bytes: u64) {
        self.0.take(bytes);
    }

    /// It has.
    pub(crate) fn give(&self, bytes: u64) {
        self.0.give(bytes);
    }
}

impl Room for Logs {
    fn free_bytes(&self) -> u64 {
        self.0.free_bytes()
    }

    fn try_take(&self, _: u64) -> bool {
        self.free_bytes() > 0
    }

    fn waiters(&self) -> &Waiters {
        self.0.waiters()
    }
}

impl EngineRoom {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        EngineRoom { engine, waiters: Waiters::default() }
    }
}

impl Room for EngineRoom {
    /// How many there are it does not say: so many are woken at a time.
    fn free_bytes(&self) -> u64 {
        if self.engine.has_room() { ENGINE_WOKEN_BYTES_MAX } else { 0 }
    }

    fn try_take(&self, _: u64) -> bool {
        self.engine.has_room()
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_has_its_own_bound() {
        let gate = Gate::new(&Limits { channel_logs_bytes_max: 200, ..Limits::TEST });
        let (none, some) = (LogBytes::default(), LogBytes { ahead_bytes: 60, kept_bytes: 70 });
        gate.account(none, some);
        assert!(gate.logs.free_bytes() > 0 && !gate.is_crowded());
        gate.account(none, some);
        assert!(gate.logs.free_bytes() == 0 && gate.is_crowded());
        gate.account(some, LogBytes { ahead_bytes: 30, kept_bytes: 29 });
        assert!(gate.logs.free_bytes() > 0 && !gate.is_crowded());
        assert_eq!(gate.bytes(), 60 + 30 + 70 + 29);
    }
}
