//! The answer to a call, given exactly once, whatever happens.

use std::fmt;

use ws_core::engine::{Done, EngineError};

/// The callback of a call. If it is dropped without an answer, the answer is that the engine has ended.
pub(crate) struct Answer<T>(Option<Done<T>>);

impl<T> Answer<T> {
    pub(crate) fn new(done: Done<T>) -> Self {
        Answer(Some(done))
    }

    pub(crate) fn give(mut self, result: Result<T, EngineError>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(ended()));
        }
    }
}

/// What a closed engine answers.
pub(crate) fn ended() -> EngineError {
    EngineError::Unavailable("it has been closed".to_owned())
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}
