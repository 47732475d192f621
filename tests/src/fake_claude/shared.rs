//! What the connections and the test share.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::request::Request;
use super::script::{Script, TEXT};

/// What the connections and the test share.
#[derive(Default)]
pub(super) struct Shared(Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    pub(super) answers: VecDeque<Script>,
    pub(super) otherwise: Option<Script>,
    pub(super) requests: Vec<Request>,
    pub(super) accepted: u64,
    pub(super) open: u64,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request, and finds its script. Returns its number.
    pub(super) fn take(&self, request: Request) -> (usize, Script) {
        let mut state = self.lock();
        let script = match &request.refused {
            Some(refusal) => refusal.script(),
            None => {
                let next = state.answers.pop_front().or_else(|| state.otherwise.clone());
                next.unwrap_or_else(|| Script::answer(&[TEXT]))
            }
        };
        state.requests.push(request);
        (state.requests.len() - 1, script)
    }
}
