//! Slots for sockets that are not open WebSockets: they speak HTTP, or are being closed. The hub does not count them,
//! so they have a limit of their own, shared by both kinds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::SOCKET_SLOTS_MAX;

/// The slots of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct SocketSlots(Arc<AtomicUsize>);

/// A taken slot. Dropping it frees it.
#[derive(Debug)]
pub(crate) struct SocketSlot(Arc<AtomicUsize>);

impl SocketSlots {
    /// Takes a slot. `None`: all are taken.
    pub(crate) fn acquire(&self) -> Option<SocketSlot> {
        // If it is one too many, dropping it gives it back.
        let slot = SocketSlot(self.0.clone());
        (slot.0.fetch_add(1, Ordering::AcqRel) < SOCKET_SLOTS_MAX).then_some(slot)
    }
}

impl Drop for SocketSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_when_one_goes() {
        let slots = SocketSlots::default();
        let mut taken: Vec<_> = (0..SOCKET_SLOTS_MAX).map(|_| slots.acquire().expect("room")).collect();
        assert!(slots.acquire().is_none() && slots.acquire().is_none());
        taken.pop();
        assert!(slots.acquire().is_some());
    }
}
