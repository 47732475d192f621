//! Publications that the engine has not answered yet, in the order of their requests. A connection may have several, so
//! that a single publisher can fill the batches of an engine that stores many at once.

use std::collections::VecDeque;
use std::task::Waker;

use ws_proto::OwnedRequestId;

use crate::engine::{Appended, EngineError};
use crate::limits::PUBLICATIONS_UNANSWERED_MAX;
use crate::state::Publishing;

/// The unanswered publications of one connection. Before you wait, call [`pop`](Self::pop) until it returns `None`:
/// then the first one's answer wakes the connection's task.
#[derive(Debug, Default)]
pub(super) struct Unanswered(VecDeque<Submitted>);

/// A publication that was submitted to the engine.
#[derive(Debug)]
struct Submitted {
    id: OwnedRequestId,
    channel: Box<str>,
    /// When it was read, on the hub's clock in microseconds.
    read_us: u64,
    publishing: Publishing,
}

/// The result of a publication.
pub(super) struct Answered {
    pub(super) id: OwnedRequestId,
    pub(super) channel: Box<str>,
    /// When it was read, on the hub's clock in microseconds.
    pub(super) read_us: u64,
    pub(super) result: Result<Appended, EngineError>,
}

impl Unanswered {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the limit is reached: the next one is held.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= PUBLICATIONS_UNANSWERED_MAX
    }

    /// Adds one.
    pub(super) fn push(&mut self, id: OwnedRequestId, channel: Box<str>, read_us: u64, publishing: Publishing) {
        self.0.push_back(Submitted { id, channel, read_us, publishing });
    }

    /// The first one, if its answer has come. Otherwise the waker that `waker` returns is woken when it comes.
    pub(super) fn pop(&mut self, waker: impl FnOnce() -> Waker) -> Option<Answered> {
        let result = self.0.front()?.publishing.poll(waker)?;
        let Submitted { id, channel, read_us, .. } = self.0.pop_front()?;
        if self.0.is_empty() {
            // An idle connection should hold no buffer.
            self.0 = VecDeque::new();
        }
        Some(Answered { id, channel, read_us, result })
    }
}
