//! The publishes in flight: when each was due, and how many connections have not received it yet.
//!
//! The publisher writes it, the readers of all lanes count it down, without locks. A publish is complete when every
//! connection has received it, or never will.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::*};

use tokio::sync::Notify;

/// Publishes that the board remembers: twice as many as may be outstanding.
const SLOTS: usize = 1 << 15;
/// Publishes that may be outstanding.
pub(super) const OUTSTANDING_MAX: u64 = SLOTS as u64 / 2;

#[derive(Debug, Default)]
struct Slot {
    due_ns: AtomicU64,
    missing: AtomicI64,
}

#[derive(Debug)]
pub(super) struct Board {
    slots: Box<[Slot]>,
    readers: AtomicI64,
    published: AtomicU64,
    completed: AtomicU64,
    /// All publishes below this are given up, and count as completed.
    given_up_below: AtomicU64,
    refused: AtomicU64,
    stopping: AtomicBool,
    /// Wakes the publisher when a publish is complete or due.
    pub(super) wake: Notify,
}

impl Board {
    pub(super) fn new(readers: usize) -> Board {
        Board {
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
            readers: AtomicI64::new(readers as i64),
            published: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            given_up_below: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    fn slot(&self, number: u64) -> &Slot {
        &self.slots[number as usize % SLOTS]
    }

    /// Adds the next publish before it is sent, and returns its number. For the publisher only.
    pub(super) fn publish(&self, due_ns: u64) -> u64 {
        let number = self.published.load(Relaxed);
        let slot = self.slot(number);
        slot.due_ns.store(due_ns, Relaxed);
        slot.missing.store(self.readers.load(Relaxed), Relaxed);
        self.published.store(number + 1, Release);
        number
    }

    /// Number of publishes so far. Their numbers are below this.
    #[inline]
    pub(super) fn published(&self) -> u64 {
        self.published.load(Acquire)
    }

    /// When publish `number`, which is below [`Board::published`], was due.
    #[inline]
    pub(super) fn due_ns(&self, number: u64) -> u64 {
        self.slot(number).due_ns.load(Relaxed)
    }

    /// One more connection has received `number`, or never will.
    #[inline]
    pub(super) fn count_down(&self, number: u64) {
        if self.slot(number).missing.fetch_sub(1, AcqRel) == 1 {
            self.complete(number);
        }
    }

    /// The server answered `number` with an error, so nobody will receive it.
    pub(super) fn refuse(&self, number: u64) {
        if number < self.published() && self.slot(number).missing.swap(i64::MIN / 2, AcqRel) > 0 {
            self.refused.fetch_add(1, AcqRel);
            self.complete(number);
        }
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Acquire)
    }

    fn complete(&self, number: u64) {
        if number >= self.given_up_below.load(Acquire) {
            self.completed.fetch_add(1, AcqRel);
            self.wake.notify_one();
        }
    }

    /// A connection has ended, and is done with all below `done_below`.
    pub(super) fn leave(&self, done_below: u64) {
        self.readers.fetch_sub(1, AcqRel);
        (done_below..self.published()).for_each(|number| self.count_down(number));
    }

    pub(super) fn outstanding(&self) -> u64 {
        self.published().saturating_sub(self.completed.load(Acquire))
    }

    /// Stops waiting for outstanding publishes, so that publishing can go on and show what was lost.
    pub(super) fn give_up(&self) {
        let published = self.published();
        self.given_up_below.store(published, Release);
        self.completed.store(published, Release);
        self.wake.notify_one();
    }

    /// Ends the publishing.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_outstanding_until_every_connection_settled_it() {
        let board = Board::new(2);
        assert_eq!((board.publish(5), board.publish(6)), (0, 1));
        assert_eq!((board.due_ns(1), board.outstanding()), (6, 2));
        board.count_down(0);
        assert_eq!(board.outstanding(), 2);
        board.count_down(0);
        assert_eq!(board.outstanding(), 1);
    }

    #[test]
    fn a_connection_that_leaves_is_waited_for_no_more() {
        let board = Board::new(2);
        board.publish(0);
        board.publish(0);
        board.count_down(0);
        board.count_down(1);
        board.leave(1);
        assert_eq!(board.outstanding(), 1);
        board.count_down(0);
        assert_eq!(board.outstanding(), 0);
        board.publish(0);
        board.count_down(2);
        assert_eq!(board.outstanding(), 0);
    }

    #[test]
    fn what_the_server_refused_is_outstanding_no_more() {
        let board = Board::new(2);
        board.publish(0);
        board.refuse(0);
        board.refuse(0);
        board.refuse(7);
        (0..2).for_each(|_| board.count_down(0));
        assert_eq!((board.outstanding(), board.refused()), (0, 1));
    }

    #[test]
    fn what_was_given_up_counts_once() {
        let board = Board::new(1);
        board.publish(0);
        board.give_up();
        assert_eq!(board.outstanding(), 0);
        board.publish(0);
        board.count_down(0);
        assert_eq!(board.outstanding(), 1);
        board.count_down(1);
        assert_eq!(board.outstanding(), 0);
    }
}
