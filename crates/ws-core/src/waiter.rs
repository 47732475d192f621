//! Waiters for room: they are woken, and then try again. A session is one; an HTTP request, another node, or any other
//! future can be one too: all it needs is a [`Waker`].
//!
//! Call [`Waiter::enter`] with a [`Room`], again whenever the waker is woken, until it succeeds. A waiter may be woken
//! for nothing; it keeps its place in the queue then.
//!
//! **No wake-up is lost**, because each side first publishes what it did and then checks:
//!
//! | waiter ([`Waiter::enter`]) | whoever makes room ([`Room::wake_waiters`]) |
//! |---|---|
//! | 1. joins the queue | 1. makes room |
//! | 2. fence | 2. fence |
//! | 3. checks again whether there is room | 3. checks whether somebody waits |
//!
//! Whichever fence comes second, its side sees what the other did.
//!
//! **First come, first served, and no more than fit.** From the front of the queue, as many waiters are woken as fit
//! into what is free. They count as *woken* until they try again. Then they either succeed, or go back to their place
//! in the queue, or are dropped; in each case the next one is woken if it fits. So while there is room and somebody
//! waits, at least one woken waiter is about to try. A waiter that is dropped gives up its place, and its turn if it
//! was woken. A newcomer that finds room need not queue: others that wait at that moment are being woken and about to
//! try.
//!
//! `tests/model` checks all interleavings of this.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::sync::{AtomicUsize, Mutex, Ordering, fence};

/// Something that can be full, and the queue of those that wait for it.
pub(crate) trait Room: fmt::Debug + Send + Sync {
    /// Free bytes; 0: nobody can take any.
    fn free_bytes(&self) -> u64;

    /// Takes `bytes` if any are free, even if fewer are: one caller may exceed the bound. False if none are free.
    fn try_take(&self, bytes: u64) -> bool;

    /// The queue of waiters.
    fn waiters(&self) -> &Waiters;

    /// Wakes as many waiters as fit. Call it **after** making room.
    fn wake_waiters(&self) {
        let waiters = self.waiters();
        fence(Ordering::SeqCst);
        if waiters.count.load(Ordering::Relaxed) > 0 {
            waiters.wake(|| self.free_bytes());
        }
    }
}

/// The queue of a [`Room`].
#[derive(Default)]
pub(crate) struct Waiters {
    /// Length of the queue, so that making room takes no lock while nobody waits. Changed under the lock.
    count: AtomicUsize,
    /// `None` until somebody waits, as in nearly all channels.
    queue: Mutex<Option<Box<Queue>>>,
}

#[derive(Default)]
struct Queue {
    /// The last ticket that was given out.
    last_ticket: u64,
    /// By ticket.
    waiting: BTreeMap<u64, Waiting>,
    /// Bytes wanted by waiters that were woken and have not tried again. 0: there are none.
    woken_bytes: u64,
}

struct Waiting {
    bytes: u64,
    waker: Waker,
}

/// A place in at most one queue, given up when this is dropped. Costs nothing until it waits.
#[derive(Debug, Default)]
pub(crate) struct Waiter(Option<Place>);

#[derive(Debug)]
struct Place {
    room: Arc<dyn Room>,
    ticket: u64,
    /// At least 1.
    bytes: u64,
}

impl Waiter {
    /// Takes `bytes` of `room` if any are free. Otherwise returns false, and the waker that `waker` returns is woken
    /// when it is time to try again. A waiter is in one queue at a time: to take several rooms, try one after the
    /// other, each time starting with the first. A place in the queue of another room is given up if this one is full.
    pub(crate) fn enter<R: Room + 'static>(&mut self, room: &Arc<R>, bytes: u64, waker: impl Fn() -> Waker) -> bool {
        let is_elsewhere = self.0.as_ref().is_some_and(|place| !place.is_in(room));
        if is_elsewhere {
            if room.try_take(bytes) {
                return true;
            }
            self.0 = None;
        }
        let has_turn = self.0.as_ref().is_none_or(|place| !room.waiters().has(place.ticket));
        if has_turn && room.try_take(bytes) {
            self.0 = None;
            return true;
        }
        if has_turn {
            self.join(room, bytes, waker());
        }
        self.look_again(room, bytes, waker)
    }

    /// Leaves its turn, if it has come, to the next waiter, because it cannot be used now. It will have to queue again
    /// from the back.
    pub(crate) fn yield_turn(&mut self) {
        if self.0.as_ref().is_some_and(|place| !place.room.waiters().has(place.ticket)) {
            self.0 = None;
        }
    }

    /// Checks once more after joining the queue: room that became free before that has woken nobody.
    fn look_again<R: Room + 'static>(&mut self, room: &Arc<R>, bytes: u64, waker: impl Fn() -> Waker) -> bool {
        loop {
            room.wake_waiters();
            if self.0.as_ref().is_some_and(|place| room.waiters().renew(place.ticket, waker())) {
                return false;
            }
            if room.try_take(bytes) {
                self.0 = None;
                return true;
            }
            self.join(room, bytes, waker());
        }
    }

    /// Joins the queue, at its old place if it was woken.
    fn join<R: Room + 'static>(&mut self, room: &Arc<R>, bytes: u64, waker: Waker) {
        match &self.0 {
            Some(place) => room.waiters().put(place.ticket, Waiting { bytes: place.bytes, waker }),
            None => {
                let bytes = bytes.max(1);
                let ticket = room.waiters().push(Waiting { bytes, waker });
                self.0 = Some(Place { room: room.clone(), ticket, bytes });
            }
        }
    }
}

impl Place {
    fn is_in<R: Room>(&self, room: &Arc<R>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.room), Arc::as_ptr(room))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.waiters().remove(self.ticket, self.bytes);
        self.room.wake_waiters();
    }
}

impl Waiters {
    fn with<R>(&self, f: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = self.queue.lock();
        let queue = queue.get_or_insert_default();
        let result = f(queue);
        self.count.store(queue.waiting.len(), Ordering::Relaxed);
        result
    }

    /// Whether it is still in the queue, that is, has not been woken.
    fn has(&self, ticket: u64) -> bool {
        self.with(|queue| queue.waiting.contains_key(&ticket))
    }

    /// Whether it is still in the queue; if so, its waker is replaced, because the old one may belong to another task.
    fn renew(&self, ticket: u64, waker: Waker) -> bool {
        let before = self.with(|queue| {
            let waiting = queue.waiting.get_mut(&ticket)?;
            Some(std::mem::replace(&mut waiting.waker, waker))
        });
        // The old waker is dropped outside the lock, because dropping it may take other locks.
        before.is_some()
    }

    fn push(&self, waiting: Waiting) -> u64 {
        self.with(|queue| {
            queue.last_ticket += 1;
            queue.waiting.insert(queue.last_ticket, waiting);
            queue.last_ticket
        })
    }

    /// Puts a waiter back at its place, after it was woken for nothing.
    fn put(&self, ticket: u64, waiting: Waiting) {
        self.with(|queue| {
            queue.woken_bytes -= waiting.bytes;
            queue.waiting.insert(ticket, waiting);
        });
    }

    fn remove(&self, ticket: u64, bytes: u64) {
        let removed = self.with(|queue| {
            let removed = queue.waiting.remove(&ticket);
            if removed.is_none() {
                queue.woken_bytes -= bytes;
            }
            removed
        });
        // Outside the lock: dropping a waker may take other locks.
        drop(removed);
    }

    fn wake(&self, free_bytes: impl FnOnce() -> u64) {
        let woken = self.with(|queue| queue.take_fitting(free_bytes()));
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Queue {
    /// Takes the waiters at the front that fit into what is free, besides those that were woken before.
    fn take_fitting(&mut self, free_bytes: u64) -> Vec<Waker> {
        let mut woken = Vec::new();
        while free_bytes > 0
            && let Some(first) = self.waiting.first_entry()
            // A single waiter may exceed the bound, however large it is.
            && (self.woken_bytes == 0 || self.woken_bytes + first.get().bytes <= free_bytes)
        {
            let waiting = first.remove();
            self.woken_bytes += waiting.bytes;
            woken.push(waiting.waker);
        }
        woken
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters").field("count", &self.count.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}
