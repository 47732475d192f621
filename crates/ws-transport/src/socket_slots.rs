//! Slots for sockets that are not open WebSockets: they speak HTTP, or are being closed. The hub does not count them,
//! so they have a limit of their own, shared by both kinds. When all are taken, the HTTP connection that has been idle
//! for longest is evicted: it gives its slot away, and ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use crate::limits::SOCKET_SLOTS_MAX;

/// The slots of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct SocketSlots(Arc<Slots>);

#[derive(Debug, Default)]
struct Slots {
    state: Mutex<State>,
    evicted: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    /// Tells the idle ones apart. The lower the number, the longer it has been idle.
    next: u64,
    /// Whom to wake when it is evicted. At most one entry for each slot.
    idle: BTreeMap<u64, Waker>,
}

/// A taken slot. Dropping it frees it.
#[derive(Debug)]
pub(crate) struct SocketSlot {
    slots: SocketSlots,
    /// Its number among the idle ones.
    idle: Option<u64>,
}

impl SocketSlots {
    /// Takes a slot, of an idle connection if no other is free. `None`: all are taken, and none is idle.
    pub(crate) fn acquire(&self) -> Option<SocketSlot> {
        let mut state = self.0.state.lock();
        if state.taken < SOCKET_SLOTS_MAX {
            state.taken += 1;
        } else {
            let (_, loser) = state.idle.pop_first()?;
            drop(state);
            self.0.evicted.fetch_add(1, Ordering::Relaxed);
            loser.wake();
        }
        Some(SocketSlot { slots: self.clone(), idle: None })
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.state.lock().taken
    }

    /// How many idle connections have been evicted since the start.
    pub(crate) fn evicted(&self) -> u64 {
        self.0.evicted.load(Ordering::Relaxed)
    }
}

impl SocketSlot {
    /// Its connection is idle: it may be evicted, and `waker` is woken then. False: it has been.
    pub(crate) fn rest(&mut self, waker: &Waker) -> bool {
        let mut state = self.slots.0.state.lock();
        let Some(number) = self.idle else {
            state.next += 1;
            self.idle = Some(state.next);
            let number = state.next;
            state.idle.insert(number, waker.clone());
            return true;
        };
        state.idle.get_mut(&number).map(|entry| entry.clone_from(waker)).is_some()
    }

    /// Its connection is idle no longer. If it was evicted at the same moment, another idle one gives way; if there is
    /// none, there is one more than may be until one ends.
    pub(crate) fn work(&mut self) {
        let Some(number) = self.idle.take() else { return };
        let mut state = self.slots.0.state.lock();
        if state.idle.remove(&number).is_some() {
            return;
        }
        let loser = if state.taken < SOCKET_SLOTS_MAX { None } else { state.idle.pop_first() };
        match loser {
            Some((_, loser)) => {
                drop(state);
                self.slots.0.evicted.fetch_add(1, Ordering::Relaxed);
                loser.wake();
            }
            None => state.taken += 1,
        }
    }
}

impl Drop for SocketSlot {
    fn drop(&mut self) {
        let mut state = self.slots.0.state.lock();
        let is_ours = self.idle.is_none_or(|number| state.idle.remove(&number).is_some());
        state.taken -= usize::from(is_ours);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> (SocketSlots, Vec<SocketSlot>) {
        let slots = SocketSlots::default();
        let taken = (0..SOCKET_SLOTS_MAX).map(|_| slots.acquire().expect("room")).collect();
        (slots, taken)
    }

    #[test]
    fn there_is_room_again_when_one_goes() {
        let (slots, mut taken) = full();
        assert!(slots.acquire().is_none() && slots.acquire().is_none());
        taken.pop();
        assert!(slots.acquire().is_some());
        drop(taken);
        assert_eq!((slots.taken(), slots.evicted()), (0, 0));
    }

    #[test]
    fn the_one_that_has_been_idle_for_longest_gives_way() {
        let (slots, mut taken) = full();
        for index in [7, 3, 5] {
            assert!(taken[index].rest(Waker::noop()));
        }
        taken[7].work();
        let newcomers = [slots.acquire().expect("of 3"), slots.acquire().expect("of 5")];
        assert!(slots.acquire().is_none(), "nobody else is idle");
        let evicted = [3, 5].map(|index| !taken[index].rest(Waker::noop()));
        assert_eq!((evicted, slots.taken()), ([true; 2], SOCKET_SLOTS_MAX));
        drop(taken);
        assert_eq!((slots.taken(), slots.evicted()), (2, 2), "what was evicted is not freed twice");
        drop(newcomers);
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn a_request_that_comes_as_its_connection_is_evicted_is_answered() {
        let (slots, mut taken) = full();
        assert!(taken[0].rest(Waker::noop()));
        let newcomer = slots.acquire().expect("of the idle one");
        taken[0].work();
        assert_eq!(slots.taken(), SOCKET_SLOTS_MAX + 1);
        assert!(taken[0].rest(Waker::noop()), "it is idle anew");
        drop((newcomer, taken));
        assert_eq!(slots.taken(), 0);
    }
}
