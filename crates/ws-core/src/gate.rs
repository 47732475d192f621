//! Back-pressure on publishers: how many bytes all channels together may hold for their readers, and whether the engine
//! has room.
//!
//! Readers that keep up must not lose anything because somebody publishes faster than the fan-out delivers. So a
//! publication is accepted only while what is *ahead* of the fan-out is less than half of what the logs may hold, both
//! in its channel ([`Channel`](crate::channel::Channel) has its own room) and in all channels together. Ahead is what
//! the engine has taken and not delivered yet, and what was delivered and not offered to every reader yet. Publishers
//! that are faster wait ([`crate::waiter`]). Publishers in channels with history also wait while the engine has no
//! room. The other half of the logs is for readers whose sockets are full, in channels without history: they slow
//! nobody down, and lose what does not fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::Engine;
use crate::kind::Kind;
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

/// What is ahead in all channels together. Entering takes no room: during calls to the engine at most one publication
/// per thread is uncounted, and the other half of the logs has room for that.
#[derive(Debug)]
pub(crate) struct Logs(ByteRoom);

/// The engine's room for publications to be stored.
#[derive(Debug)]
pub(crate) struct EngineRoom {
    engine: Arc<dyn Engine>,
    waiters: Waiters,
}

/// What one log counts for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogBytes {
    /// Not offered to every reader yet.
    pub(crate) ahead_bytes: u64,
    /// Offered to all, and kept for lagging readers.
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

    /// Room for what is ahead in one channel: half of its log, but never so much that the largest message would not fit
    /// after it.
    pub(crate) fn room(&self, kind: Kind) -> ByteRoom {
        let log_bytes_max = self.log_bytes_max(kind);
        let before_last = log_bytes_max.saturating_sub(self.message_bytes_max + MESSAGE_ENVELOPE_BYTES);
        // At least an eighth: a log that cannot hold two of the largest messages is not meant for them.
        ByteRoom::new((log_bytes_max / 2).min(before_last).max(log_bytes_max / 8) as u64)
    }

    /// What is ahead in all channels together.
    pub(crate) fn logs(&self) -> &Arc<Logs> {
        &self.logs
    }

    /// Whether lagging readers take too much.
    pub(crate) fn is_crowded(&self) -> bool {
        self.kept_bytes.load(Ordering::Relaxed) >= self.half_bytes
    }

    /// Bytes in all logs, and those that the engine has yet to deliver to them.
    pub(crate) fn bytes(&self) -> u64 {
        self.logs.0.taken_bytes() + self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Changes what a log counts for.
    pub(crate) fn account(&self, before: LogBytes, now: LogBytes) {
        self.logs.0.change(before.ahead_bytes, now.ahead_bytes);
        if before.kept_bytes != now.kept_bytes {
            // Wrapping: adding a negative difference subtracts it.
            self.kept_bytes.fetch_add(now.kept_bytes.wrapping_sub(before.kept_bytes), Ordering::Relaxed);
        }
    }
}

impl Logs {
    /// Takes room for something that the engine will deliver later.
    pub(crate) fn take(&self, bytes: u64) {
        self.0.take(bytes);
    }

    /// Releases that room: it has been delivered.
    pub(crate) fn release(&self, bytes: u64) {
        self.0.release(bytes);
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
    /// The engine does not say how many bytes are free, so waiters for a fixed number are woken at a time.
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
