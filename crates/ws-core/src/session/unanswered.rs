//! Publications whose answers the engine still owes, in the order of their requests. A connection may have
//! several, so that one publisher alone fills the batches of an engine that stores many at once.

use std::collections::VecDeque;
use std::task::Waker;

use ws_proto::OwnedRequestId;

use crate::engine::{Appended, EngineError};
use crate::hub::Publishing;
use crate::limits::PUBLICATIONS_UNANSWERED_MAX;

/// The unanswered publications of one connection. Whoever is about to wait calls [`pop`](Self::pop) until it gives
/// nothing: then it is woken by the first one's answer.
#[derive(Debug, Default)]
pub(super) struct Unanswered(VecDeque<Given>);

/// A publication that the engine has been given.
#[derive(Debug)]
struct Given {
    id: OwnedRequestId,
    channel: Box<str>,
    publishing: Publishing,
}

/// What came of it.
pub(super) struct Answered {
    pub(super) id: OwnedRequestId,
    pub(super) channel: Box<str>,
    pub(super) result: Result<Appended, EngineError>,
}

impl Unanswered {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As many as there may be: the next one is held.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= PUBLICATIONS_UNANSWERED_MAX
    }

    /// Adds one.
    pub(super) fn push(&mut self, id: OwnedRequestId, channel: Box<str>, publishing: Publishing) {
        self.0.push_back(Given { id, channel, publishing });
    }

    /// The first one, if its answer has come; otherwise what `waker` gives is woken when it comes.
    pub(super) fn pop(&mut self, waker: impl FnOnce() -> Waker) -> Option<Answered> {
        let result = self.0.front()?.publishing.poll(waker)?;
        let Given { id, channel, .. } = self.0.pop_front()?;
        if self.0.is_empty() {
            // An idle connection keeps no buffer.
            self.0 = VecDeque::new();
        }
        Some(Answered { id, channel, result })
    }
}
