//! The task of a connection: it sleeps until it is woken, like a tokio task.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::sync::{Condvar, Mutex};

/// Most preemptions per execution. With more, a run takes very long, and more have never found anything else.
const PREEMPTIONS_MAX: usize = 3;

/// Checks all interleavings of `f`.
pub(crate) fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(f);
}

/// A sleeping task and its waker: a wake-up reaches the task only after it has left its waker, as with
/// `Connection::attention`, and removes the waker.
#[derive(Debug, Default)]
pub(crate) struct Task {
    state: Mutex<State>,
    wakes: Condvar,
}

#[derive(Debug, Default)]
struct State {
    has_left_waker: bool,
    is_woken: bool,
}

impl Task {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        self.clone().into()
    }

    /// Leaves its waker and tries to enter, again whenever it is woken, until it succeeds.
    pub(crate) fn until<T>(&self, mut ask: impl FnMut() -> Option<T>) -> T {
        loop {
            self.state.lock().expect("no panic while locked").has_left_waker = true;
            if let Some(result) = ask() {
                return result;
            }
            let mut state = self.state.lock().expect("no panic while locked");
            while !state.is_woken {
                state = self.wakes.wait(state).expect("no panic while locked");
            }
            state.is_woken = false;
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.is_woken |= std::mem::take(&mut state.has_left_waker);
        drop(state);
        self.wakes.notify_one();
    }
}
