//! Publishers, and threads that make room.

use std::sync::Arc;

use loom::thread;

use crate::room::ByteRoom;
use crate::sync::{AtomicU64, Ordering};
use crate::task::{Task, model};
use crate::waiter::{Room, Waiter, Waiters};

/// Enters, and reports it.
fn enter<R: Room + 'static>(room: &Arc<R>, bytes: u64) {
    let (mut waiter, task) = (Waiter::default(), Task::new());
    task.until(|| waiter.enter(room, bytes, || task.waker()).then_some(()));
}

fn entering(room: &Arc<ByteRoom>, bytes: u64) -> thread::JoinHandle<()> {
    let room = room.clone();
    thread::spawn(move || enter(&room, bytes))
}

#[test]
fn a_waiter_is_woken_when_room_is_made() {
    model(|| {
        let room = Arc::new(ByteRoom::new(1));
        room.take(1);
        let publishing = entering(&room, 1);
        room.release(1);
        publishing.join().expect("no panic");
        assert_eq!(room.taken_bytes(), 1);
    });
}

#[test]
fn all_that_fit_get_in() {
    model(|| {
        let room = Arc::new(ByteRoom::new(2));
        room.take(2);
        let publishing = [entering(&room, 1), entering(&room, 1)];
        room.release(2);
        publishing.into_iter().for_each(|publishing| publishing.join().expect("no panic"));
        assert_eq!((room.taken_bytes(), room.free_bytes()), (2, 0));
    });
}

/// There is room for one at a time, and each one makes room for the next.
#[test]
fn one_after_the_other_gets_in() {
    model(|| {
        let room = Arc::new(ByteRoom::new(1));
        room.take(1);
        let one_by_one = |room: &Arc<ByteRoom>| {
            let room = room.clone();
            thread::spawn(move || {
                enter(&room, 1);
                room.release(1);
            })
        };
        let publishing = [one_by_one(&room), one_by_one(&room)];
        room.release(1);
        publishing.into_iter().for_each(|publishing| publishing.join().expect("no panic"));
        assert_eq!(room.taken_bytes(), 0);
    });
}

/// A waiter that is dropped, woken or not, blocks nobody.
#[test]
fn a_dropped_waiter_leaves_its_turn_to_the_next() {
    model(|| {
        let room = Arc::new(ByteRoom::new(1));
        room.take(1);
        let mut going = Waiter::default();
        assert!(!going.enter(&room, 1, || Task::new().waker()));
        let publishing = entering(&room, 1);
        let leaving = thread::spawn(move || drop(going));
        room.release(1);
        leaving.join().expect("no panic");
        publishing.join().expect("no panic");
    });
}

/// An engine that only reports whether it has room.
#[derive(Debug)]
struct Engine {
    full: AtomicU64,
    waiters: Waiters,
}

impl Room for Engine {
    fn free_bytes(&self) -> u64 {
        1 - self.full.load(Ordering::Acquire)
    }

    fn try_take(&self, _: u64) -> bool {
        self.free_bytes() > 0
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}

#[test]
fn an_engine_that_has_room_again_lets_all_in() {
    model(|| {
        let engine = Arc::new(Engine { full: AtomicU64::new(1), waiters: Waiters::default() });
        let publishing = {
            let engine = engine.clone();
            thread::spawn(move || enter(&engine, 5))
        };
        let (mut here, task) = (Waiter::default(), Task::new());
        let was_let_in = here.enter(&engine, 5, || task.waker());
        assert!(!was_let_in);
        engine.full.store(0, Ordering::Release);
        engine.wake_waiters();
        task.until(|| here.enter(&engine, 5, || task.waker()).then_some(()));
        publishing.join().expect("no panic");
    });
}

/// Without threads: first come, first served, and no more than fit.
#[test]
fn waiters_are_woken_in_order_and_as_many_as_fit() {
    model(|| {
        let room = Arc::new(ByteRoom::new(100));
        room.take(100);
        let woken = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut waiters: Vec<_> = (0..4).map(|_| Waiter::default()).collect();
        let wakes = |nth: usize| std::task::Waker::from(Arc::new(Noted(nth, woken.clone())));
        for (nth, waiter) in waiters.iter_mut().enumerate() {
            assert!(!waiter.enter(&room, 40, || wakes(nth)));
            assert!(!waiter.enter(&room, 40, || wakes(nth)), "once in the queue");
        }
        room.release(90);
        assert_eq!(*woken.lock().expect("no panic"), [0, 1]);
        room.release(5);
        assert_eq!(*woken.lock().expect("no panic"), [0, 1], "what is free is spoken for");
        assert!(!waiters[3].enter(&room, 40, || wakes(3)), "it is not its turn");
        room.take(90);
        assert!(waiters[0].enter(&room, 40, || wakes(0)), "one may go over the bound");
        assert!(!waiters[1].enter(&room, 40, || wakes(1)), "back in front");
        room.release(45);
        assert_eq!(*woken.lock().expect("no panic"), [0, 1, 1]);
        waiters.remove(1);
        assert_eq!(*woken.lock().expect("no panic"), [0, 1, 1, 2], "it has left its turn");
    });
}

struct Noted(usize, Arc<std::sync::Mutex<Vec<usize>>>);

impl std::task::Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.1.lock().expect("no panic").push(self.0);
    }
}

/// A waiter that needs both rooms waits for one after the other, whichever has room first.
#[test]
fn a_waiter_for_two_rooms_is_woken_by_each() {
    model(|| {
        let engine = Arc::new(Engine { full: AtomicU64::new(1), waiters: Waiters::default() });
        let room = Arc::new(ByteRoom::new(1));
        room.take(1);
        let publishing = {
            let (engine, room) = (engine.clone(), room.clone());
            thread::spawn(move || {
                let (mut waiter, task) = (Waiter::default(), Task::new());
                let mut both = || waiter.enter(&engine, 1, || task.waker()) && waiter.enter(&room, 1, || task.waker());
                task.until(|| both().then_some(()));
            })
        };
        let giving = thread::spawn(move || room.release(1));
        engine.full.store(0, Ordering::Release);
        engine.wake_waiters();
        giving.join().expect("no panic");
        publishing.join().expect("no panic");
    });
}
