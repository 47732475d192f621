//! A server as the engine sees it: its sink keeps what a reader of the hub would see.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, Epoch, History, HistoryQuery, Publication, Retention,
};
use ws_engine_redis::{RedisEngine, RedisOptions};

use crate::fixture::{DEADLINE, until};

pub(crate) const KEEP: Retention = Retention::new(1000, Duration::from_secs(300));
pub(crate) const PASS: Retention = Retention::new(0, Duration::ZERO);

/// An engine and its sink.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) engine: RedisEngine,
    pub(crate) sink: Arc<Sink>,
}

/// What the sink was told, by channel.
#[derive(Debug, Default)]
pub(crate) struct Sink(Mutex<HashMap<String, Vec<Told>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Delivered(Option<u64>, Vec<u8>),
    Reset(Epoch, u64),
    Renewed(Epoch, u64),
    Skipped(u64),
    Lost,
}

impl Sink {
    fn add(&self, channel: &str, told: Told) {
        self.0.lock().entry(channel.to_owned()).or_default().push(told);
    }

    pub(crate) fn told(&self, channel: &str) -> Vec<Told> {
        self.0.lock().get(channel).cloned().unwrap_or_default()
    }
}

impl EngineSink for Sink {
    fn deliver(&self, channel: &str, publication: &Publication, _: Option<u64>) {
        self.add(channel, Told::Delivered(publication.offset, publication.body.to_vec()));
    }

    fn reset(&self, channel: &str, epoch: Epoch, after: u64) {
        self.add(channel, Told::Reset(epoch, after));
    }

    fn renew(&self, channel: &str, epoch: Epoch, survived: u64) {
        self.add(channel, Told::Renewed(epoch, survived));
    }

    fn skip(&self, channel: &str, to: u64) {
        self.add(channel, Told::Skipped(to));
    }

    fn lost(&self, channel: &str) {
        self.add(channel, Told::Lost);
    }

    fn has_room(&self) {}

    fn retention(&self, channel: &str) -> Option<Retention> {
        Some(if channel.starts_with("pass") { PASS } else { KEEP })
    }
}

pub(crate) fn body(n: impl std::fmt::Display) -> Vec<u8> {
    format!(r#""data":{n},"time":1700000000000}}"#).into_bytes()
}

/// A delivery of the publication of a number.
pub(crate) fn delivered(offset: u64, n: u64) -> Told {
    Told::Delivered(Some(offset), body(n))
}

impl Node {
    pub(crate) async fn start(options: RedisOptions) -> Self {
        let engine = RedisEngine::open(options).await.expect("Redis can be used");
        let sink = Arc::<Sink>::default();
        engine.start(sink.clone());
        let node = Node { engine, sink };
        node.is_well().await;
        node
    }

    pub(crate) async fn is_well(&self) {
        until("the engine to be well", async || self.engine.health().ok()).await;
    }

    pub(crate) async fn follow(&self, channel: &str) {
        self.engine.interest(channel, true);
        self.call(|done| self.engine.following(channel, done)).await.expect("it is followed");
    }

    pub(crate) async fn publish(&self, channel: &str, n: u64, id: Option<&str>) -> Result<Appended, EngineError> {
        self.repeat(channel, if channel.starts_with("pass") { PASS } else { KEEP }, n, id, 0).await
    }

    /// Publishes what was first sent so long ago; 0: now.
    pub(crate) async fn repeat(
        &self,
        channel: &str,
        retention: Retention,
        n: u64,
        id: Option<&str>,
        age_ms: u64,
    ) -> Result<Appended, EngineError> {
        self.append(channel, retention, &n.to_string(), id, age_ms).await
    }

    /// Publishes this data, which is JSON.
    pub(crate) async fn publish_data(&self, channel: &str, data: &str) -> Result<Appended, EngineError> {
        self.append(channel, KEEP, data, None, 0).await
    }

    async fn append(
        &self,
        channel: &str,
        retention: Retention,
        data: &str,
        msg_id: Option<&str>,
        age_ms: u64,
    ) -> Result<Appended, EngineError> {
        let (body, data): (Arc<[u8]>, _) = (body(data).into(), 7..7 + data.len());
        let append = Append { channel, retention, body, data, msg_id, age_ms, read_us: None };
        self.call(|done| self.engine.append(append, done)).await
    }

    /// Publishes until it is possible. With the position.
    pub(crate) async fn publish_at_last(&self, channel: &str, n: u64, id: &str) -> (Epoch, u64) {
        let published = until("a publication", async || self.publish(channel, n, Some(id)).await.ok()).await;
        published.position.expect("a position")
    }

    pub(crate) async fn history(&self, channel: &str) -> Result<History, EngineError> {
        let (after, before, reverse, limit, bytes_max) = (0, None, false, 10_000, 1 << 30);
        let query = HistoryQuery { channel, retention: KEEP, after, before, reverse, limit, bytes_max };
        self.call(|done| self.engine.history(query, done)).await
    }

    pub(crate) async fn remove(&self, channel: &str) -> Result<Epoch, EngineError> {
        self.call(|done| self.engine.remove(channel, done)).await
    }

    pub(crate) async fn close(&self) {
        self.call(|done| self.engine.close(done)).await.expect("it can be closed");
    }

    /// Waits until the sink was told this last.
    pub(crate) async fn is_told(&self, channel: &str, expect: &[Told]) {
        let what = format!("{expect:?}");
        let told = until(&what, async || {
            let told = self.sink.told(channel);
            (told.len() >= expect.len()).then_some(told)
        })
        .await;
        assert_eq!(told, expect, "{channel}");
    }

    pub(crate) async fn call<T: Send + 'static>(&self, call: impl FnOnce(Done<T>)) -> Result<T, EngineError> {
        let (answer, answered) = oneshot::channel();
        call(Box::new(move |result| drop(answer.send(result))));
        timeout(DEADLINE, answered).await.expect("an answer in time").expect("the callback is called")
    }
}
