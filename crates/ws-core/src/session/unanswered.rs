//! Publications whose answers the engine still owes, in the order of their requests. A connection may have
//! several, so that one publisher alone fills the batches of an engine that stores many at once.

use std::collections::VecDeque;
use std::sync::Arc;

use ws_proto::OwnedRequestId;

use crate::connection::Connection;
use crate::engine::{Appended, EngineError, Pending};
use crate::limits::PUBLICATIONS_UNANSWERED_MAX;

/// The unanswered publications of one connection.
#[derive(Debug, Default)]
pub(super) struct Unanswered(VecDeque<Publishing>);

/// A publication that the engine has been given.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) id: OwnedRequestId,
    pub(super) channel: Box<str>,
    pub(super) pending: Pending<Appended>,
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

    /// Adds one. The connection's task is woken when the first of all is answered.
    pub(super) fn push(&mut self, publishing: Publishing, connection: &Arc<Connection>) {
        self.0.push_back(publishing);
        if self.0.len() == 1 {
            self.watch(connection);
        }
    }

    /// The first one, if its answer has come.
    pub(super) fn pop(&mut self, connection: &Arc<Connection>) -> Option<Answered> {
        let result = self.0.front()?.pending.take()?;
        let Publishing { id, channel, .. } = self.0.pop_front()?;
        self.watch(connection);
        if self.0.is_empty() {
            // An idle connection keeps no buffer.
            self.0 = VecDeque::new();
        }
        Some(Answered { id, channel, result })
    }

    fn watch(&self, connection: &Arc<Connection>) {
        let Some(first) = self.0.front() else { return };
        let connection = connection.clone();
        first.pending.watch(move || connection.wake());
    }
}
