//! The threads that read: each takes the next question, and answers it from a connection of its own.

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
use crate::limits::{LOGGED_FAILURES_PER_SECOND, QUESTIONS_MAX};
use crate::shared::Shared;
use crate::streams::Stream;

/// A question that waits.
#[derive(Debug)]
pub(crate) struct Question {
    stream: Arc<Stream>,
    /// Its channel is the stream's name.
    query: HistoryQuery<'static>,
    answer: Answer<History>,
}

/// The questions that wait.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    questions: VecDeque<Question>,
    closed: bool,
}

impl Question {
    pub(crate) fn new(stream: Arc<Stream>, query: &HistoryQuery<'_>, answer: Answer<History>) -> Self {
        Question { stream, query: HistoryQuery { channel: "", ..*query }, answer }
    }
}

impl Questions {
    pub(crate) fn push(&self, question: Question) {
        let mut waiting = self.waiting.lock();
        if !waiting.closed && waiting.questions.len() < QUESTIONS_MAX {
            waiting.questions.push_back(question);
            self.arrived.notify_one();
            return;
        }
        let closed = waiting.closed;
        drop(waiting);
        if !closed {
            question.answer.give(Err(EngineError::Overloaded));
        }
    }

    /// Answers nothing more.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        let questions = std::mem::take(&mut waiting.questions);
        drop(waiting);
        self.arrived.notify_all();
        drop(questions);
    }

    fn take(&self) -> Option<Question> {
        let mut waiting = self.waiting.lock();
        loop {
            match waiting.questions.pop_front() {
                None if !waiting.closed => self.arrived.wait(&mut waiting),
                next => return next,
            }
        }
    }
}

/// Answers questions until there will be no more.
pub(crate) fn run(questions: &Questions, mut connection: Connection, shared: &Shared) {
    while let Some(Question { stream, query, answer }) = questions.take() {
        let query = HistoryQuery { channel: stream.name(), ..query };
        let result =
            read(&mut connection, &stream, &query, shared.age.now_ms()).map_err(|error| failed(shared, &error));
        // Before the answer: who asks again finds the stream in nobody's hands.
        drop(stream);
        answer.give(result);
    }
}

/// Clients ask as often as they like.
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
