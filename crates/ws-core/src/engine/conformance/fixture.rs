//! An engine with a recording sink. Its calls are futures that check what holds for every call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::message::{Message, at_least_ms};
use super::recorder::{READ_US, Recorder, Seen};
use crate::engine::{
    Append, Appended, Done, Engine, EngineError, EngineStats, Epoch, FindQuery, Found, History, HistoryQuery, Retention,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A started engine. Clones share it.
#[derive(Debug)]
pub(super) struct Fixture<E> {
    engine: Arc<E>,
    pub(super) sink: Arc<Recorder>,
    /// All epochs seen, with their channels.
    epochs: Arc<Mutex<HashMap<Epoch, String>>>,
}

impl<E> Clone for Fixture<E> {
    fn clone(&self) -> Self {
        Fixture { engine: self.engine.clone(), sink: self.sink.clone(), epochs: self.epochs.clone() }
    }
}

impl<E: Engine> Fixture<E> {
    pub(super) fn start(engine: E) -> Self {
        let sink = Arc::new(Recorder::default());
        engine.start(sink.clone());
        Fixture { engine: Arc::new(engine), sink, epochs: Arc::default() }
    }

    /// Registers interest before the first publication, for good, and waits until it has taken effect.
    pub(super) async fn follow(&self, channel: &str) {
        self.sink.follow(channel);
        self.interest(channel, true);
        self.following(channel).await;
    }

    /// Waits until interest has taken effect.
    pub(super) async fn following(&self, channel: &str) {
        let following = self.call("following", channel, |engine, done| engine.following(channel, done)).await.0;
        following.expect("it is followed");
    }

    pub(super) fn interest(&self, channel: &str, interested: bool) {
        self.engine.interest(channel, interested);
    }

    pub(super) fn stats(&self) -> EngineStats {
        self.engine.stats()
    }

    /// All epochs seen.
    pub(super) fn epochs(&self) -> Vec<Epoch> {
        self.epochs.lock().keys().copied().collect()
    }

    pub(super) async fn append(&self, channel: &str, retention: Retention, message: &Message<'_>) -> Appended {
        self.try_append(channel, retention, message).await.expect("it can be appended")
    }

    /// Appends the numbers from 1 to `n`, which get the same offsets in an empty channel.
    pub(super) async fn fill(&self, channel: &str, retention: Retention, n: u64) {
        for i in 1..=n {
            self.append(channel, retention, &Message::new(i)).await;
        }
    }

    pub(super) async fn try_append(
        &self,
        channel: &str,
        retention: Retention,
        message: &Message<'_>,
    ) -> Result<Appended, EngineError> {
        self.append_or_repeat(channel, retention, message, None).await.0
    }

    /// Appends what was first sent at a moment, with an age to which `on_the_way` is added, as clients do. Whether it
    /// took even longer until the engine had it: then its age was too low, which is no fault of the engine.
    pub(super) async fn try_repeat(
        &self,
        channel: &str,
        retention: Retention,
        message: &Message<'_>,
        sent: Instant,
        on_the_way: Duration,
    ) -> (Result<Appended, EngineError>, bool) {
        self.append_or_repeat(channel, retention, message, Some((sent, on_the_way))).await
    }

    async fn append_or_repeat(
        &self,
        channel: &str,
        retention: Retention,
        message: &Message<'_>,
        sent: Option<(Instant, Duration)>,
    ) -> (Result<Appended, EngineError>, bool) {
        let before = self.sink.seen(channel);
        let mut is_late = false;
        let append = |engine: &E, done| {
            let Message { body, data, id, age_ms } = message.clone();
            let age = sent.map(|(sent, on_the_way)| sent.elapsed() + on_the_way);
            let age_ms = age.map_or(age_ms, at_least_ms);
            engine.append(Append { channel, retention, body, data, msg_id: id, age_ms, read_us: Some(READ_US) }, done);
            is_late = sent.zip(age).is_some_and(|((sent, _), age)| sent.elapsed() > age);
        };
        let (appended, then) = self.call("append", channel, append).await;
        match appended {
            Ok(Appended { position: Some((epoch, offset)), .. }) => {
                self.note(channel, epoch);
                let told = then.top >= offset || then.resets > before.resets || !self.sink.is_followed(channel);
                assert!(told, "append of offset {offset} was answered when the sink had been given {}", then.top);
            }
            Ok(Appended { position: None, .. }) => {
                let told = then.events > before.events || !self.sink.is_followed(channel);
                assert!(told, "append was answered before the sink had been given the publication");
            }
            Err(_) => {}
        }
        (appended, is_late)
    }

    pub(super) async fn history(&self, query: HistoryQuery<'_>) -> History {
        self.try_history(query).await.expect("there is a history")
    }

    pub(super) async fn try_history(&self, query: HistoryQuery<'_>) -> Result<History, EngineError> {
        let before = self.sink.seen(query.channel);
        let (result, then) = self.call("history", query.channel, |engine, done| engine.history(query, done)).await;
        let history = result?;
        self.note(query.channel, history.epoch);
        check_history(&query, &history);
        let told = then.top >= history.top || then.resets > before.resets || !self.sink.is_followed(query.channel);
        assert!(told, "history has a top of {} when the sink had been given {}", history.top, then.top);
        Ok(history)
    }

    pub(super) async fn find(&self, channel: &str, retention: Retention, msg_id: &str) -> Option<Found> {
        let query = FindQuery { channel, retention, msg_id };
        let found = self.call("find", channel, |engine, done| engine.find(query, done)).await.0;
        let found = found.expect("it can be looked for");
        found.inspect(|found| self.note(channel, found.epoch))
    }

    pub(super) async fn remove(&self, channel: &str) -> Epoch {
        self.try_remove(channel).await.expect("it can be removed")
    }

    pub(super) async fn try_remove(&self, channel: &str) -> Result<Epoch, EngineError> {
        let before = self.sink.seen(channel);
        let (epoch, then) = self.call("remove", channel, |engine, done| engine.remove(channel, done)).await;
        let epoch = epoch?;
        self.note(channel, epoch);
        let told = then.resets > before.resets || !self.sink.is_followed(channel);
        assert!(told, "remove was answered before the sink had been told");
        Ok(epoch)
    }

    pub(super) async fn close(&self) {
        self.call("close", "", |engine, done| engine.close(done)).await.0.expect("it can be closed");
    }

    /// The answer, and what the sink had been given for the channel when it came.
    async fn call<T: Send + 'static>(
        &self,
        what: &str,
        channel: &str,
        call: impl FnOnce(&E, Done<T>),
    ) -> (Result<T, EngineError>, Seen) {
        let (answer, answered) = oneshot::channel();
        let (sink, name) = (self.sink.clone(), channel.to_owned());
        let done = move |result| {
            // If nobody waits any more, the case has failed already.
            let _ = answer.send((result, sink.seen(&name)));
        };
        call(&self.engine, Box::new(done));
        match timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => panic!("{what} dropped its callback"),
            Err(_) => panic!("{what} was not answered within {ANSWER_WITHIN:?}"),
        }
    }

    fn note(&self, channel: &str, epoch: Epoch) {
        let mut epochs = self.epochs.lock();
        let of = epochs.entry(epoch).or_insert_with(|| channel.to_owned());
        assert_eq!(of, channel, "the epoch {epoch} stands for two channels");
    }
}

/// Checks that an answer is a part of the stream, within the bounds and in order, whatever the query was.
fn check_history(query: &HistoryQuery<'_>, history: &History) {
    let offsets: Vec<_> = history.publications.iter().map(|p| p.offset.unwrap_or_default()).collect();
    let context = || format!("{query:?} gave top {}, oldest {}, {offsets:?}", history.top, history.oldest);
    assert!((1..=history.top + 1).contains(&history.oldest), "oldest is from 1 to top + 1: {}", context());
    let retained = history.top + 1 - history.oldest;
    assert!(retained <= query.retention.size as u64, "more is retained than the size: {}", context());
    assert!(offsets.len() <= query.limit, "more than the limit: {}", context());
    let end = query.before.unwrap_or(u64::MAX).min(history.top + 1);
    for offset in &offsets {
        let within = *offset > query.after && *offset < end && *offset >= history.oldest;
        assert!(within, "{offset} is outside of the bounds: {}", context());
    }
    for pair in offsets.windows(2) {
        let next = if query.reverse { pair[0].checked_sub(1) } else { Some(pair[0] + 1) };
        assert_eq!(Some(pair[1]), next, "without a hole, in the order asked for: {}", context());
    }
}
