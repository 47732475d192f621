//! A call to an engine that may be answered within the call, or later.
//!
//! No answer is lost between checking and going to sleep: [`poll`](Pending::poll) checks and leaves the waker under one
//! lock, which the answer takes too.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::{Done, EngineError};
use crate::sync::Mutex;

/// An answer that may still be pending. Its [guard](Pending::guard), if it has one, is dropped when the answer comes.
pub(crate) struct Pending<T, G = ()>(Arc<Mutex<Answer<T, G>>>);

struct Answer<T, G> {
    result: Option<Result<T, EngineError>>,
    wake: Option<Wake>,
    guard: Option<G>,
}

enum Wake {
    Task(Waker),
    Call(Box<dyn FnOnce() + Send>),
}

impl<T: Send + 'static, G: Send + 'static> Pending<T, G> {
    /// Makes the call.
    pub(crate) fn call(call: impl FnOnce(Done<T>)) -> Self {
        let answer = Arc::new(Mutex::new(Answer { result: None, wake: None, guard: None }));
        let slot = answer.clone();
        call(Box::new(move |result| {
            let mut answer = slot.lock();
            answer.result = Some(result);
            let (wake, guard) = (answer.wake.take(), answer.guard.take());
            drop(answer);
            drop(guard);
            match wake {
                Some(Wake::Task(waker)) => waker.wake(),
                Some(Wake::Call(wake)) => wake(),
                None => {}
            }
        }));
        Pending(answer)
    }

    /// Makes the call. `wake` is called if the answer comes after this has returned; check for an answer once
    /// afterwards.
    pub(crate) fn start(call: impl FnOnce(Done<T>), wake: impl FnOnce() + Send + 'static) -> Self {
        let pending = Pending::call(call);
        let mut answer = pending.0.lock();
        if answer.result.is_none() {
            answer.wake = Some(Wake::Call(Box::new(wake)));
        }
        drop(answer);
        pending
    }

    /// Whether the answer has come and was not [taken](Self::take) yet.
    pub(crate) fn is_answered(&self) -> bool {
        self.0.lock().result.is_some()
    }

    /// The answer, if it has come. Otherwise the waker that `waker` returns is woken when it comes.
    pub(crate) fn poll(&self, waker: impl FnOnce() -> Waker) -> Option<Result<T, EngineError>> {
        let mut answer = self.0.lock();
        if answer.result.is_none() {
            answer.wake = Some(Wake::Task(waker()));
        }
        answer.result.take()
    }

    /// The answer, if it has come. Nobody is woken for one that comes later.
    pub(crate) fn take(&self) -> Option<Result<T, EngineError>> {
        self.0.lock().result.take()
    }

    /// Holds a guard until the answer comes. If it has come already, no guard is made.
    pub(crate) fn guard(&self, guard: impl FnOnce() -> G) {
        let mut answer = self.0.lock();
        if answer.result.is_none() {
            answer.guard = Some(guard());
        }
    }
}

impl<T, G> fmt::Debug for Pending<T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("answered", &self.0.lock().result.is_some()).finish()
    }
}
