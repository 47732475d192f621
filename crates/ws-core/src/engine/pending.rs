//! A call to an engine that may be answered within the call, or later.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Done, EngineError};

/// The answer, once it is there.
pub(crate) struct Pending<T>(Arc<Mutex<Answer<T>>>);

struct Answer<T> {
    result: Option<Result<T, EngineError>>,
    wake: Option<Box<dyn FnOnce() + Send>>,
}

impl<T: Send + 'static> Pending<T> {
    /// Makes the call. `wake` is called when the answer comes later than that.
    pub(crate) fn start(call: impl FnOnce(Done<T>), wake: impl FnOnce() + Send + 'static) -> Self {
        let pending = Pending::quietly(call);
        pending.watch(wake);
        pending
    }

    /// Makes the call; who wants to be woken says so by [`watch`](Self::watch).
    pub(crate) fn quietly(call: impl FnOnce(Done<T>)) -> Self {
        let answer = Arc::new(Mutex::new(Answer { result: None, wake: None }));
        let slot = answer.clone();
        call(Box::new(move |result| {
            let mut answer = slot.lock();
            answer.result = Some(result);
            let wake = answer.wake.take();
            drop(answer);
            wake.into_iter().for_each(|wake| wake());
        }));
        Pending(answer)
    }

    /// `wake` is called when the answer comes, unless it is there.
    pub(crate) fn watch(&self, wake: impl FnOnce() + Send + 'static) {
        let mut answer = self.0.lock();
        if answer.result.is_none() {
            answer.wake = Some(Box::new(wake));
        }
    }

    /// Whether the answer is there to be [taken](Self::take).
    pub(crate) fn is_answered(&self) -> bool {
        self.0.lock().result.is_some()
    }

    /// The answer, if it has come.
    pub(crate) fn take(&self) -> Option<Result<T, EngineError>> {
        self.0.lock().result.take()
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("answered", &self.0.lock().result.is_some()).finish()
    }
}
