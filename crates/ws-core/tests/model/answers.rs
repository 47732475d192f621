//! An engine answers while a connection's task checks for the answer and goes to sleep.

use std::sync::Arc;

use loom::thread;

use crate::engine::{Done, Pending};
use crate::room::ByteRoom;
use crate::sync::Mutex;
use crate::task::{Task, model};
use crate::waiter::{Room, Waiter};

/// A call that another thread answers.
fn later<K: Send + 'static>(number: u32) -> (Pending<u32, K>, thread::JoinHandle<()>) {
    let done = Arc::new(Mutex::new(None::<Done<u32>>));
    let slot = done.clone();
    let pending = Pending::call(|done| *slot.lock() = Some(done));
    let answering = thread::spawn(move || {
        let done = done.lock().take().expect("it was called");
        done(Ok(number));
    });
    (pending, answering)
}

#[test]
fn an_answer_wakes_who_waits_for_it_however_they_meet() {
    model(|| {
        let task = Task::new();
        let (pending, answering) = later::<()>(7);
        let answer = task.until(|| pending.poll(|| task.waker()));
        assert_eq!(answer.ok(), Some(7));
        answering.join().expect("no panic");
    });
}

/// As in a session: the second answer is polled after the first has come.
#[test]
fn answers_come_in_turn_whichever_is_first() {
    model(|| {
        let task = Task::new();
        let (first, one) = later::<()>(1);
        let (second, two) = later::<()>(2);
        let mut answers = Vec::new();
        task.until(|| {
            for pending in [&first, &second].into_iter().skip(answers.len()) {
                answers.push(pending.poll(|| task.waker())?.ok());
            }
            Some(())
        });
        assert_eq!(answers, [Some(1), Some(2)]);
        one.join().expect("no panic");
        two.join().expect("no panic");
    });
}

#[derive(Debug)]
struct Ahead(Arc<ByteRoom>);

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

/// What the engine has taken counts as ahead until it has answered; a publisher that waits for that room gets it then.
#[test]
fn the_answer_to_one_publication_lets_the_next_one_in() {
    model(|| {
        let room = Arc::new(ByteRoom::new(1));
        let mut first = Waiter::default();
        let task = Task::new();
        assert!(first.enter(&room, 1, || task.waker()));
        let (pending, answering) = later(1);
        let ahead = Ahead(room.clone());
        pending.guard(move || ahead);
        let (mut second, other) = (Waiter::default(), Task::new());
        let publishing = {
            let room = room.clone();
            thread::spawn(move || other.until(|| second.enter(&room, 1, || other.waker()).then_some(())))
        };
        let answer = task.until(|| pending.poll(|| task.waker()));
        assert_eq!(answer.ok(), Some(1));
        answering.join().expect("no panic");
        publishing.join().expect("no panic");
        assert_eq!(room.free_bytes(), 0, "the second one has it");
    });
}
