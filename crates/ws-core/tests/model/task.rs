//! The task of a connection: it sleeps until it is woken, as tokio's do.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::sync::{Condvar, Mutex};

/// Most times that a thread is interrupted where it could go on. More take very long, and have never found more.
const PREEMPTIONS_MAX: usize = 3;

/// Goes through the interleavings of what `f` does.
pub(crate) fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(f);
}

/// What sleeps, and what a connection knows of it: a wake-up reaches it only from the moment on when it has left its
/// waker, as with `Connection::attention`, and takes that away.
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

    /// Leaves its waker and asks, again whenever it is woken, until it is let in.
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
