//! What all connections of a server have in common.

use std::net::IpAddr;
use std::sync::Arc;

use ws_core::{AddressShares, Clock, Counters, Refusal, Share};

use crate::connection_log::ConnectionLog;
use crate::socket_slots::{SocketSlot, SocketSlots};

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
    /// The slots that sockets take before they are open WebSockets, and while they are being closed.
    pub(crate) slots: SocketSlots,
    /// How many of these each address may have.
    pub(crate) addresses: AddressShares,
    /// Where they are logged.
    pub(crate) log: ConnectionLog,
}

impl SocketOptions {
    /// What a socket holds while it is being closed. `None`: there is no room, for all or for this address.
    pub(super) fn closing(&self, address: IpAddr) -> Option<Box<(SocketSlot, Share)>> {
        let share = self.addresses.enter(address)?;
        Some(Box::new((self.slots.acquire()?, share)))
    }

    /// Counts and logs a socket that is closed without an answer.
    pub(crate) fn refuse(&self, address: IpAddr, refusal: Refusal) {
        self.counters.refused(refusal).add(1);
        self.log.refused(address, None, &refusal.to_string());
    }
}
