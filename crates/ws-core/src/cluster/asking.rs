//! Asking all other nodes.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use ws_proto::{ErrorBody, ErrorCode};

use super::asked::Questions;
use super::message::{Answer, Message, Refused, known};
use super::question::Question;
use super::round::{Event, Round};
use crate::counters::Counters;
use crate::engine::cluster::Cluster;
use crate::engine::pending::Pending;
use crate::engine::{Done, Engine, EngineError};
use crate::limits::{ASK_EVENTS_MAX, ASK_TIMEOUT, ASKING_PLACES_MAX};

/// See the [module](super).
#[derive(Debug)]
pub(crate) struct Asking {
    engine: Arc<dyn Engine>,
    counters: Arc<Counters>,
    open: Mutex<Open>,
    /// For own questions. Who finds none waits.
    asking: Semaphore,
    /// What others ask.
    pub(crate) questions: Questions,
}

/// Own questions that are not answered by all yet.
#[derive(Debug, Default)]
struct Open {
    last: u64,
    events: HashMap<u64, mpsc::Sender<Event>>,
}

/// A question that is open until this is dropped.
#[derive(Debug)]
struct OpenQuestion<'a> {
    asking: &'a Asking,
    id: u64,
    round: Round,
    _places: SemaphorePermit<'a>,
}

impl Asking {
    pub(crate) fn new(engine: Arc<dyn Engine>, counters: Arc<Counters>) -> Self {
        Asking {
            questions: Questions::new(engine.clone(), counters.clone()),
            engine,
            counters,
            open: Mutex::default(),
            asking: Semaphore::new(ASKING_PLACES_MAX),
        }
    }

    /// Whether there may be other nodes.
    pub(crate) fn has_others(&self) -> bool {
        self.engine.cluster().is_some()
    }

    /// Whether this server knows about `what`, or only about its own part of it; for engines that do not know their
    /// cluster.
    ///
    /// # Errors
    /// `not_available`: other servers use the same store, and cannot be asked.
    pub(crate) fn knows_all(&self, what: &str) -> Result<(), ErrorBody> {
        if !self.engine.is_shared() {
            return Ok(());
        }
        let engine = self.engine.name();
        let message = format!("{what} among several servers is not supported yet (engine.type = \"{engine}\")");
        Err(ErrorBody::new(ErrorCode::NotAvailable, message))
    }

    fn cluster(&self) -> Result<Option<&dyn Cluster>, ErrorBody> {
        match self.engine.cluster() {
            None => self.knows_all("this").map(|()| None),
            cluster => Ok(cluster),
        }
    }

    /// What all other nodes answer. If one has failed the others may have done what was asked nevertheless.
    ///
    /// # Errors
    /// That of the first node that has one; `engine_unavailable`: the living nodes are not known, one does not answer
    /// within 2 s or cannot, has too much to do, or too much is asked here.
    pub(crate) async fn all<T: DeserializeOwned>(&self, question: &Question<'_>) -> Result<Vec<T>, ErrorBody> {
        let Some(cluster) = self.cluster()? else { return Ok(Vec::new()) };
        let mut open = self.ask(cluster, question).await?;
        let mut answers = Vec::new();
        while let Some(answer) = open.next().await? {
            answers.push(decoded(answer)?);
        }
        Ok(answers)
    }

    /// What the one node answers that has what the question is about; `None`: every node says that it has not.
    ///
    /// # Errors
    /// As [`all`](Self::all), unless that one has answered.
    pub(crate) async fn one<T: DeserializeOwned>(&self, question: &Question<'_>) -> Result<Option<T>, ErrorBody> {
        let Some(cluster) = self.cluster()? else { return Ok(None) };
        let mut open = self.ask(cluster, question).await?;
        let mut failed = None;
        while let Some(answer) = open.next().await? {
            match decoded(answer) {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) if error.code == ErrorCode::NotFound => {}
                // It need not be the one.
                Err(error) if error.retryable => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// The answer of this server, or where it has not what the question is about, of the one that has.
    ///
    /// # Errors
    /// As [`one`](Self::one); `not_found`: none has.
    pub(crate) async fn or_elsewhere<T: DeserializeOwned>(
        &self,
        own: Result<T, ErrorBody>,
        question: &Question<'_>,
    ) -> Result<T, ErrorBody> {
        match own {
            Err(none) if none.code == ErrorCode::NotFound => self.one(question).await?.ok_or(none),
            own => own,
        }
    }

    async fn ask<'a>(&'a self, cluster: &dyn Cluster, question: &Question<'_>) -> Result<OpenQuestion<'a>, ErrorBody> {
        let by = Instant::now() + ASK_TIMEOUT;
        let places = timeout_at(by, self.asking.acquire_many(question.places())).await;
        let Ok(Ok(places)) = places else {
            return Err(unavailable("this server asks the others for too much at a time; try again"));
        };
        let mut open = self.open(places, by);
        let mut nodes: HashSet<Uuid> = answered(by, |done| cluster.nodes(done)).await?.into_iter().collect();
        nodes.remove(&cluster.node());
        if !nodes.is_empty() {
            open.round.expect(nodes);
            let left = by.saturating_duration_since(Instant::now());
            let message = Message::asking(open.id, left.as_millis() as u64, question)?;
            self.counters.cluster_questions.add(1);
            answered(by, |done| cluster.send(None, message, done)).await?;
        }
        Ok(open)
    }

    fn open<'a>(&'a self, places: SemaphorePermit<'a>, by: Instant) -> OpenQuestion<'a> {
        let (sender, events) = mpsc::channel(ASK_EVENTS_MAX);
        let mut open = self.open.lock();
        open.last += 1;
        let id = open.last;
        open.events.insert(id, sender);
        drop(open);
        OpenQuestion { asking: self, id, round: Round::new(events, by), _places: places }
    }

    /// Another node has sent this.
    pub(crate) fn received(&self, from: Uuid, message: &[u8]) {
        match serde_json::from_slice(message) {
            Ok(Message::Ask { version, id, within_ms, question }) => {
                self.questions.take(from, id, within_ms, known(version, &question));
            }
            Ok(Message::Answer { id, answer }) => self.tell(id, Event::Answered(from, answer)),
            Err(error) => {
                tracing::warn!(%from, %error, "another server has sent what this one cannot read; is it of another version?");
            }
        }
    }

    /// This node is dead: nobody waits for it.
    pub(crate) fn ended(&self, node: Uuid) {
        let open: Vec<_> = self.open.lock().events.values().cloned().collect();
        // Where there is no room, the question is not answered in time.
        open.iter().for_each(|events| drop(events.try_send(Event::Ended(node))));
    }

    fn tell(&self, id: u64, event: Event) {
        let events = self.open.lock().events.get(&id).cloned();
        // Nobody waits any more, or there is no room: then it is not answered in time.
        if let Some(events) = events {
            drop(events.try_send(event));
        }
    }
}

impl OpenQuestion<'_> {
    async fn next(&mut self) -> Result<Option<Answer>, ErrorBody> {
        let next = self.round.next().await;
        next.inspect_err(|_| self.asking.counters.cluster_timeouts.add(1))
    }
}

impl Drop for OpenQuestion<'_> {
    fn drop(&mut self) {
        self.asking.open.lock().events.remove(&self.id);
    }
}

fn decoded<T: DeserializeOwned>(answer: Answer) -> Result<T, ErrorBody> {
    let other_version =
        || unavailable("another server is of another version, and cannot answer; try again when all are the same");
    match answer {
        Answer::Done(value) => serde_json::from_str(value.get()).map_err(|_| other_version()),
        Answer::Failed(error) if error.code == ErrorCode::Unknown => Err(other_version()),
        Answer::Failed(error) => Err(error),
        Answer::Refused(Refused::Busy) => Err(unavailable("another server has too much to do; try again")),
        Answer::Refused(Refused::Unknown) => Err(other_version()),
    }
}

fn unavailable(message: &'static str) -> ErrorBody {
    ErrorBody::new(ErrorCode::EngineUnavailable, message)
}

/// What the cluster answers, if it does by then.
async fn answered<T: Send + 'static>(by: Instant, call: impl FnOnce(Done<T>)) -> Result<T, ErrorBody> {
    let pending = Pending::<T, ()>::call(call);
    let answer = timeout_at(by, poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)));
    let late = || EngineError::Unavailable("it has not answered in time".to_owned());
    answer
        .await
        .unwrap_or_else(|_| Err(late()))
        .map_err(|error| ErrorBody::new(ErrorCode::EngineUnavailable, error.to_string()))
}
