//! The reader threads: each takes the next query, and answers it on its own connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use ws_core::LogLimit;
use ws_core::engine::{EngineError, FindQuery, Found, History, HistoryQuery, Retention};

use crate::answer::Answer;
use crate::health::{is_damage, reason};
use crate::history::{find, read};
use crate::limits::{LOGGED_FAILURES_PER_SECOND, QUERIES_MAX};
use crate::shared::Shared;
use crate::streams::Stream;

/// A waiting query.
#[derive(Debug)]
pub(crate) struct Query {
    stream: Arc<Stream>,
    what: What,
}

/// What is asked.
#[derive(Debug)]
enum What {
    /// Its channel is empty here; it is the stream's name.
    History(HistoryQuery<'static>, Answer<History>),
    Find(Retention, Box<str>, Answer<Option<Found>>),
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
    pub(crate) fn history(stream: Arc<Stream>, query: &HistoryQuery<'_>, answer: Answer<History>) -> Self {
        Query { stream, what: What::History(HistoryQuery { channel: "", ..*query }, answer) }
    }

    pub(crate) fn find(stream: Arc<Stream>, query: &FindQuery<'_>, answer: Answer<Option<Found>>) -> Self {
        Query { stream, what: What::Find(query.retention, query.msg_id.into(), answer) }
    }

    fn refuse(self, error: EngineError) {
        match self.what {
            What::History(_, answer) => answer.give(Err(error)),
            What::Find(_, _, answer) => answer.give(Err(error)),
        }
    }

    fn run(self, connection: &mut Connection, shared: &Shared) {
        let (stream, now_ms) = (self.stream, shared.age.now_ms());
        match self.what {
            What::History(query, answer) => {
                let query = HistoryQuery { channel: stream.name(), ..query };
                let result = read(connection, &stream, &query, now_ms).map_err(|error| failed(shared, &error));
                // Before the answer, so that a caller that asks again at once does not find the stream in use here.
                drop(stream);
                answer.give(result);
            }
            What::Find(retention, msg_id, answer) => {
                let result = find(connection, &stream, (retention, &msg_id), now_ms);
                drop(stream);
                answer.give(result.map_err(|error| failed(shared, &error)));
            }
        }
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
            query.refuse(EngineError::Overloaded);
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
    while let Some(query) = queries.take() {
        query.run(&mut connection, shared);
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
