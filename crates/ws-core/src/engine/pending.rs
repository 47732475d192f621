//! A call to an engine that may be answered within the call, or later.
//!
//! No answer is lost between looking and going to sleep: [`poll`](Pending::poll) looks and leaves the waker under one
//! lock, which the answer takes too.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::{Done, EngineError};
use crate::sync::Mutex;

/// The answer, once it is there. What is [kept](Pending::keep) meanwhile is dropped when it comes.
pub(crate) struct Pending<T, K = ()>(Arc<Mutex<Answer<T, K>>>);

struct Answer<T, K> {
    result: Option<Result<T, EngineError>>,
    wake: Option<Wake>,
    kept: Option<K>,
}

enum Wake {
    Task(Waker),
    Call(Box<dyn FnOnce() + Send>),
}

impl<T: Send + 'static, K: Send + 'static> Pending<T, K> {
    /// Makes the call.
    pub(crate) fn call(call: impl FnOnce(Done<T>)) -> Self {
        let answer = Arc::new(Mutex::new(Answer { result: None, wake: None, kept: None }));
        let slot = answer.clone();
        call(Box::new(move |result| {
            let mut answer = slot.lock();
            answer.result = Some(result);
            let (wake, kept) = (answer.wake.take(), answer.kept.take());
            drop(answer);
            drop(kept);
            match wake {
                Some(Wake::Task(waker)) => waker.wake(),
                Some(Wake::Call(wake)) => wake(),
                None => {}
            }
        }));
        Pending(answer)
    }

    /// Makes the call. `wake` is called when the answer comes later than that; it is to be looked for after this.
    pub(crate) fn start(call: impl FnOnce(Done<T>), wake: impl FnOnce() + Send + 'static) -> Self {
        let pending = Pending::call(call);
        let mut answer = pending.0.lock();
        if answer.result.is_none() {
            answer.wake = Some(Wake::Call(Box::new(wake)));
        }
        drop(answer);
        pending
    }

    /// Whether the answer is there to be [taken](Self::take).
    pub(crate) fn is_answered(&self) -> bool {
        self.0.lock().result.is_some()
    }

    /// The answer, if it has come; otherwise what `waker` gives is woken when it comes.
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

    /// Keeps something until the answer comes: not at all, if it has come.
    pub(crate) fn keep(&self, kept: impl FnOnce() -> K) {
        let mut answer = self.0.lock();
        if answer.result.is_none() {
            answer.kept = Some(kept());
        }
    }
}

impl<T, K> fmt::Debug for Pending<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("answered", &self.0.lock().result.is_some()).finish()
    }
}
