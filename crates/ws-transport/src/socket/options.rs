//! What all connections of a server have in common.

use std::sync::Arc;

use ws_core::{Clock, Counters};

use crate::connection_log::ConnectionLog;
use crate::socket_slots::SocketSlots;

/// Limits, clock, counters and log of all connections.
#[derive(Debug)]
pub(crate) struct SocketOptions {
    /// Largest message from a peer, in bytes; over it: close 1009.
    pub(crate) message_bytes_max: usize,
    /// Answers that may wait for a slow peer, in bytes. At the limit, nothing more is read from the peer.
    pub(crate) outbox_bytes_max: usize,
    /// The clock of all moments in milliseconds.
    pub(crate) clock: Clock,
    /// Where connections are counted.
    pub(crate) counters: Arc<Counters>,
    /// The slots that they take while they are being closed.
    pub(crate) slots: SocketSlots,
    /// Where they are logged.
    pub(crate) log: ConnectionLog,
}
