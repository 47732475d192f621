//! The reader threads: each takes the next query, and answers it on its own connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use ws_core::LogLimit;
use ws_core::engine::{EngineError, History, HistoryQuery};

use crate::answer::Answer;
use crate::health::{is_damage, reason};
use crate::history::read;
use crate::limits::{LOGGED_FAILURES_PER_SECOND, QUERIES_MAX};
use crate::shared::Shared;
use crate::streams::Stream;

/// A waiting query.
#[derive(Debug)]
pub(crate) struct Query {
    stream: Arc<Stream>,
    /// Its channel is empty here; it is the stream's name.
    query: HistoryQuery<'static>,
    answer: Answer<History>,
}

/// The waiting queries.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    queries: VecDeque<Query>,
    closed: bool,
}

impl Query {
    pub(crate) fn new(stream: Arc<Stream>, query: &HistoryQuery<'_>, answer: Answer<History>) -> Self {
        Query { stream, query: HistoryQuery { channel: "", ..*query }, answer }
    }
}

impl Queries {
    pub(crate) fn push(&self, query: Query) {
        let mut waiting = self.waiting.lock();
        if !waiting.closed && waiting.queries.len() < QUERIES_MAX {
            waiting.queries.push_back(query);
            self.arrived.notify_one();
            return;
        }
        let closed = waiting.closed;
        drop(waiting);
        if !closed {
            query.answer.give(Err(EngineError::Overloaded));
        }
    }

    /// Answers nothing more.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        let queries = std::mem::take(&mut waiting.queries);
        drop(waiting);
        self.arrived.notify_all();
        drop(queries);
    }

    fn take(&self) -> Option<Query> {
        let mut waiting = self.waiting.lock();
        loop {
            match waiting.queries.pop_front() {
                None if !waiting.closed => self.arrived.wait(&mut waiting),
                next => return next,
            }
        }
    }
}

/// Answers queries until the queue is closed.
pub(crate) fn run(queries: &Queries, mut connection: Connection, shared: &Shared) {
    while let Some(Query { stream, query, answer }) = queries.take() {
        let query = HistoryQuery { channel: stream.name(), ..query };
        let result =
            read(&mut connection, &stream, &query, shared.age.now_ms()).map_err(|error| failed(shared, &error));
        // Before the answer, so that a caller that asks again at once does not find the stream in use here.
        drop(stream);
        answer.give(result);
    }
}

/// Clients may ask as often as they like, so the log lines are limited.
static FAILURES: LogLimit = LogLimit::new(LOGGED_FAILURES_PER_SECOND);

fn failed(shared: &Shared, error: &rusqlite::Error) -> EngineError {
    let reason = reason(error);
    if let Some(left_out) = FAILURES.pass(Instant::now()) {
        tracing::warn!(%error, left_out, "a history cannot be read: {reason}");
    }
    if is_damage(error) {
        shared.health.damaged(reason.clone());
    }
    EngineError::Unavailable(reason)
}
