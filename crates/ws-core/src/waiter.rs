//! Who waits for room: somebody who can be woken and then asks again. A session is one, and so can be an HTTP request,
//! another node, or any other future: all it needs is a [`Waker`].
//!
//! What has room is a [`Room`]; who wants some calls [`Waiter::enter`] with it, again whenever it is woken, until it is
//! let in. It may be woken for nothing. Then it keeps its turn.
//!
//! **No wake-up is lost**, because each side first says what it did and then looks:
//!
//! | who waits ([`Waiter::enter`]) | who makes room ([`Room::wake_waiters`]) |
//! |---|---|
//! | 1. joins the queue | 1. makes room |
//! | 2. fence | 2. fence |
//! | 3. looks again whether there is room | 3. looks whether somebody waits |
//!
//! Whichever fence comes second, its side sees the other.
//!
//! **In order, and no more than fit.** The queue is in the order of coming; of those in front as many are woken as fit
//! into what is free. They count as *woken* until they ask again. From then on they are either in, or back at their
//! place in the queue, or gone; each of these looks whether the next one fits. So while there is room and somebody
//! waits, somebody is always on its way. A waiter that is dropped gives up its place, and its turn if it was woken.
//! Who comes while there is room need not queue: that others wait then only means that they are about to run.
//!
//! `tests/model` goes through all interleavings of this.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::sync::{AtomicUsize, Mutex, Ordering, fence};

/// Something that can be full, and its queue.
pub(crate) trait Room: fmt::Debug + Send + Sync {
    /// Bytes that are free; 0: nobody is let in.
    fn free_bytes(&self) -> u64;

    /// Takes so many, if any are free: one may go over the bound. False when none are.
    fn try_take(&self, bytes: u64) -> bool;

    /// Those who wait.
    fn waiters(&self) -> &Waiters;

    /// Wakes as many waiters as fit. Call it **after** room was made.
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
    /// In the queue: so that who makes room takes no lock where nobody waits. Changed under the lock.
    count: AtomicUsize,
    /// `None` before somebody waits, as in nearly all channels.
    queue: Mutex<Option<Box<Queue>>>,
}

#[derive(Default)]
struct Queue {
    /// The ticket of the next one.
    next: u64,
    /// By ticket.
    waiting: BTreeMap<u64, Waiting>,
    /// What those want that were woken and have not asked again. 0: there are none.
    woken_bytes: u64,
}

struct Waiting {
    bytes: u64,
    waker: Waker,
}

/// A place in at most one queue, given up when this is dropped. Costs nothing before it waits.
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
    /// Takes `bytes` of `room` if some are free. Otherwise the result is false, and what `waker` gives is woken when it
    /// is time to ask again. It waits in one queue at a time: who needs several rooms asks for one after the other, each
    /// time from the first one on. A place in the queue of another is given up when this one is full.
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

    /// Leaves its turn, if it has come, to the next one: it cannot be used now. It is asked for again from the back.
    pub(crate) fn pass(&mut self) {
        if self.0.as_ref().is_some_and(|place| !place.room.waiters().has(place.ticket)) {
            self.0 = None;
        }
    }

    /// It is in the queue. What was free before it was has woken nobody.
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

    /// Joins the queue, at the old place if it was woken.
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

    /// Whether it is still in the queue: it has not been woken.
    fn has(&self, ticket: u64) -> bool {
        self.with(|queue| queue.waiting.contains_key(&ticket))
    }

    /// Whether it is still in the queue; then this waker is woken, for the one before may be another task's.
    fn renew(&self, ticket: u64, waker: Waker) -> bool {
        let before = self.with(|queue| {
            let waiting = queue.waiting.get_mut(&ticket)?;
            Some(std::mem::replace(&mut waiting.waker, waker))
        });
        // Dropped without the lock, for what a waker drops may take other locks.
        before.is_some()
    }

    fn push(&self, waiting: Waiting) -> u64 {
        self.with(|queue| {
            queue.next += 1;
            queue.waiting.insert(queue.next, waiting);
            queue.next
        })
    }

    /// Back to where it was, after it was woken for nothing.
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
        // What a waker drops may take other locks.
        drop(removed);
    }

    fn wake(&self, free_bytes: impl FnOnce() -> u64) {
        let woken = self.with(|queue| queue.take_fitting(free_bytes()));
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Queue {
    /// Those in front that fit into what is free, beside those that are on their way.
    fn take_fitting(&mut self, free_bytes: u64) -> Vec<Waker> {
        let mut woken = Vec::new();
        while free_bytes > 0
            && let Some(first) = self.waiting.first_entry()
            // However large it is: who is alone may go over the bound.
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
