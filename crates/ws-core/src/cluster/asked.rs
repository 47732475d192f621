//! What other nodes ask: waits here until the hub carries it out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use uuid::Uuid;
use ws_proto::{ErrorBody, ErrorCode};

use super::message::{Answer, Message, Refused};
use super::question::Question;
use crate::counters::Counters;
use crate::engine::Engine;
use crate::limits::{ANSWER_MARGIN, ASK_TIMEOUT, ASKED_PLACES_MAX, CLUSTER_ANSWER_BYTES_MAX};

/// Questions of other nodes. Each has places from its arrival until the store has taken its answer; one that finds none
/// is refused.
#[derive(Debug)]
pub(crate) struct Questions {
    engine: Arc<dyn Engine>,
    counters: Arc<Counters>,
    places: Arc<Semaphore>,
    /// There is room for all that have places.
    queue: mpsc::Sender<Asked>,
    waiting: Mutex<mpsc::Receiver<Asked>>,
}

/// A question of another node, to be carried out and [answered](Questions::answer).
#[derive(Debug)]
pub(crate) struct Asked {
    /// What it is.
    pub(crate) question: Question<'static>,
    /// When it has to be answered.
    pub(crate) by: Instant,
    from: Uuid,
    id: u64,
    places: OwnedSemaphorePermit,
}

impl Questions {
    pub(super) fn new(engine: Arc<dyn Engine>, counters: Arc<Counters>) -> Self {
        let (queue, waiting) = mpsc::channel(ASKED_PLACES_MAX);
        let places = Arc::new(Semaphore::new(ASKED_PLACES_MAX));
        Questions { engine, counters, places, queue, waiting: Mutex::new(waiting) }
    }

    /// A question has arrived; `None`: this version does not know it.
    pub(super) fn take(&self, from: Uuid, id: u64, within_ms: u64, question: Option<Question<'static>>) {
        let taken = question.ok_or(Refused::Unknown).and_then(|question| {
            let places = self.places.clone().try_acquire_many_owned(question.places());
            let places = places.map_err(|_| Refused::Busy)?;
            let within = Duration::from_millis(within_ms).min(ASK_TIMEOUT).saturating_sub(ANSWER_MARGIN);
            let asked = Asked { question, by: Instant::now() + within, from, id, places };
            self.queue.try_send(asked).map_err(|_| Refused::Busy)
        });
        if let Err(refused) = taken {
            self.counters.cluster_refusals.add(1);
            self.send(from, id, Answer::Refused(refused), None);
        }
    }

    /// The next one.
    pub(crate) async fn next(&self) -> Option<Asked> {
        self.waiting.lock().await.recv().await
    }

    /// Answers one.
    pub(crate) fn answer(&self, asked: Asked, result: Result<Box<RawValue>, ErrorBody>) {
        let answer = match result {
            Ok(value) if value.get().len() > CLUSTER_ANSWER_BYTES_MAX => {
                Answer::Failed(ErrorBody::new(ErrorCode::LimitExceeded, "the answer of another server is too large"))
            }
            Ok(value) => Answer::Done(value),
            Err(error) => Answer::Failed(error),
        };
        self.counters.cluster_answers.add(1);
        self.send(asked.from, asked.id, answer, Some(asked.places));
    }

    /// Places are free when the store has taken the answer.
    fn send(&self, to: Uuid, id: u64, answer: Answer, places: Option<OwnedSemaphorePermit>) {
        let failed = move |error: &dyn std::fmt::Display| {
            tracing::debug!(%to, %error, "a question of another server could not be answered");
        };
        let Some(cluster) = self.engine.cluster() else { return };
        let sent = move |sent: Result<(), _>| {
            drop(places);
            sent.unwrap_or_else(|error| failed(&error));
        };
        match (Message::Answer { id, answer }).encode() {
            Ok(message) => cluster.send(Some(to), message, Box::new(sent)),
            Err(error) => failed(&error),
        }
    }
}
