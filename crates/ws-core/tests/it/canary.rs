//! The canary with paused time: it arrives, and the hub says where it is stuck if it does not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery,
};
use ws_core::{CANARY_CHANNEL, CanaryStats, Hub, Limits};
use ws_proto::ErrorCode;
use ws_proto::action::Ack;

use crate::client::{Client, hub, hub_with, memory, settle};

const PLENTY: usize = 1 << 20;

const INTERVAL: Duration = Duration::from_secs(5);

/// What a [`Faulty`] engine does with publications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Works,
    /// Answers this much later.
    Late(Duration),
    /// Answers when the mood changes.
    Silent,
    /// Stores nothing, and says so.
    Refuses,
    /// Has too much to do.
    Overloaded,
    /// Answers that it has stored what it did not deliver.
    Loses,
}

type Appending = Box<dyn FnOnce() + Send>;

/// A memory engine with moods. A clone is the same engine.
#[derive(Clone)]
struct Faulty {
    memory: Arc<dyn Engine>,
    mood: Arc<Mutex<Mood>>,
    kept_back: Arc<Mutex<Vec<Appending>>>,
    appended: Arc<AtomicU64>,
}

impl Faulty {
    fn new() -> Self {
        let mood = Arc::new(Mutex::new(Mood::Works));
        Faulty { memory: memory(), mood, kept_back: Arc::default(), appended: Arc::default() }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().expect("no panic while locked") = mood;
        let kept_back = std::mem::take(&mut *self.kept_back.lock().expect("no panic while locked"));
        kept_back.into_iter().for_each(|append| append());
    }
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Faulty({:?})", self.mood)
    }
}

/// The call with its own copies, for later.
fn later(engine: &Arc<dyn Engine>, append: &Append<'_>, done: Done<Appended>) -> Appending {
    let (engine, channel, body) = (engine.clone(), append.channel.to_owned(), append.body.clone());
    let (retention, data) = (append.retention, append.data.clone());
    Box::new(move || {
        engine.append(Append { channel: &channel, retention, body, data, msg_id: None, age_ms: 0, read_us: None }, done)
    })
}

impl Engine for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn ack(&self) -> Ack {
        self.memory.ack()
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        self.memory.start(sink);
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        self.appended.fetch_add(1, Ordering::Relaxed);
        let mood = *self.mood.lock().expect("no panic while locked");
        match mood {
            Mood::Works => self.memory.append(append, done),
            Mood::Late(late) => {
                let call = later(&self.memory, &append, done);
                tokio::spawn(async move {
                    sleep(late).await;
                    call();
                });
            }
            Mood::Silent => {
                let call = later(&self.memory, &append, done);
                self.kept_back.lock().expect("no panic while locked").push(call);
            }
            Mood::Refuses => done(Err(EngineError::Unavailable("no space left".to_owned()))),
            Mood::Overloaded => done(Err(EngineError::Overloaded)),
            Mood::Loses => done(Ok(Appended { position: Some((Epoch::from_u64(1), 1)), duplicate: false })),
        }
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        self.memory.history(query, done);
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        self.memory.find(query, done);
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        self.memory.remove(channel, done);
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.memory.interest(channel, interested);
    }

    fn stats(&self) -> EngineStats {
        self.memory.stats()
    }

    fn close(&self, done: Done<()>) {
        self.memory.close(done);
    }
}

fn start(engine: &Faulty) -> Hub {
    let hub = hub_with(Limits::TEST, &[], Arc::new(engine.clone()));
    tokio::spawn(hub.canary(INTERVAL));
    hub
}

fn stats(hub: &Hub) -> CanaryStats {
    hub.canary_stats().expect("it has a canary")
}

/// Lets time pass, and then whatever is due happen.
async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
    settle().await;
}

/// The code and the message of a hub that is not ready.
#[track_caller]
fn trouble(hub: &Hub, code: ErrorCode, reason: &str) {
    let error = hub.canary_verdict().expect_err("it is not ready");
    assert_eq!(error.code, code, "{error:?}");
    assert!(error.message.contains(reason), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn it_arrives_in_every_shard_and_nobody_sees_it() {
    let hub = hub(Limits::TEST);
    assert_eq!(hub.canary_stats(), None, "it is off");
    let mut client = Client::connect(&hub, PLENTY);
    client.say(r#"{"id":"1","type":"request","action":"subscribe","payload":{"channel":"a"}}"#);
    settle().await;
    client.read();
    let sent = hub.counters().bytes_sent.get();
    tokio::spawn(hub.canary(INTERVAL));
    pass(0).await;
    assert_eq!(stats(&hub), CanaryStats { round_trip: Some(Duration::ZERO), arrived: 1, failures: 0 });
    for _ in 0..20 {
        client.connection.heard(hub.clock().now_ms(), 0);
        pass(5).await;
        hub.canary_verdict().expect("it arrives");
    }
    assert_eq!(stats(&hub).arrived, 21);

    let counters = hub.counters();
    let counts = [&counters.publications, &counters.subscribed, &counters.deliveries, &counters.gaps, &counters.held];
    assert_eq!(counts.map(ws_core::Count::get), [0, 1, 0, 0, 0]);
    assert_eq!((hub.connections(), hub.admitted(), hub.channels()), (1, 1, 1));
    assert_eq!(counters.pings.get(), 4, "to the client alone, which hears nothing");
    assert_eq!(counters.bytes_sent.get() - sent, 4 * 2, "the pings");
    assert!(client.read().iter().all(|frame| frame == "Ping"), "clients see none of it");
    let page = hub.list_channels("", None, None).await.expect("a page");
    assert_eq!(page.channels.iter().map(|channel| channel.channel.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(hub.engine().stats().publications, 1, "it does not fill the engine");
    assert_eq!(hub.log_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_client_can_reach_it() {
    let hub = start(&Faulty::new());
    pass(1).await;
    let mut client = Client::connect(&hub, PLENTY);
    for action in ["subscribe", "publish", "get_history", "get_presence"] {
        let payload = serde_json::json!({"channel": CANARY_CHANNEL, "data": 1});
        let request = serde_json::json!({"id": "1", "type": "request", "action": action, "payload": payload});
        client.say(&request.to_string());
        let frames: Vec<Value> = client.read();
        let code = frames.last().map(|frame| frame["error"]["code"].clone());
        assert_eq!(code, Some(Value::from("invalid_channel")), "{action}");
    }
    assert_eq!(hub.remove_history(CANARY_CHANNEL).await.map_err(|error| error.code), Err(ErrorCode::InvalidChannel));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_late_is_measured() {
    let engine = Faulty::new();
    engine.set(Mood::Late(Duration::from_secs(12)));
    let hub = start(&engine);
    for _ in 0..4 {
        pass(13).await;
        assert_eq!(stats(&hub).round_trip, Some(Duration::from_secs(12)));
        hub.canary_verdict().expect("12 s are not yet three intervals");
        pass(2).await;
    }
    // One after the other, without a pause.
    assert_eq!(stats(&hub), CanaryStats { round_trip: Some(Duration::from_secs(12)), arrived: 60 / 12, failures: 0 });
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_answers_is_found_and_forgiven() {
    let engine = Faulty::new();
    let hub = start(&engine);
    pass(1).await;
    engine.set(Mood::Silent);
    pass(14).await;
    hub.canary_verdict().expect("14 s without one are not too many");
    pass(1).await;
    trouble(&hub, ErrorCode::EngineUnavailable, "the engine does not store it");
    pass(600).await;
    trouble(&hub, ErrorCode::EngineUnavailable, "no canary has arrived for 6");
    assert_eq!(engine.appended.load(Ordering::Relaxed), 2, "they do not pile up in the engine");
    assert_eq!(stats(&hub).failures, 1);
    engine.set(Mood::Works);
    settle().await;
    hub.canary_verdict().expect("it has arrived after all");
    assert_eq!(stats(&hub).arrived, 3, "that one, and one that was overdue");
    pass(5).await;
    assert_eq!(stats(&hub).arrived, 4);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_at_once() {
    let engine = Faulty::new();
    let hub = start(&engine);
    pass(1).await;
    engine.set(Mood::Refuses);
    pass(5).await;
    trouble(&hub, ErrorCode::EngineUnavailable, "the canary was refused: the engine is not available: no space left");
    engine.set(Mood::Works);
    pass(5).await;
    hub.canary_verdict().expect("it arrives again");
    assert_eq!((stats(&hub).arrived, stats(&hub).failures), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_busy_is_given_time() {
    let engine = Faulty::new();
    let hub = start(&engine);
    pass(1).await;
    engine.set(Mood::Overloaded);
    pass(10).await;
    hub.canary_verdict().expect("one that is refused for now is tried again");
    pass(5).await;
    trouble(&hub, ErrorCode::Overloaded, "no canary has arrived for 16.0 s");
    engine.set(Mood::Works);
    pass(5).await;
    hub.canary_verdict().expect("it arrives again");
}

#[tokio::test(start_paused = true)]
async fn one_that_gets_lost_is_sent_again() {
    let engine = Faulty::new();
    let hub = start(&engine);
    pass(1).await;
    engine.set(Mood::Loses);
    pass(15).await;
    trouble(&hub, ErrorCode::Overloaded, "not delivered by the fan-out of shard 0, 1");
    engine.set(Mood::Works);
    pass(10).await;
    hub.canary_verdict().expect("the next one arrives");
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_in_a_new_epoch() {
    let engine = Faulty::new();
    let hub = start(&engine);
    for arrived in 1..4 {
        pass(5).await;
        assert_eq!(stats(&hub).arrived, arrived + 1);
        engine.remove(CANARY_CHANNEL, Box::new(|removed| assert!(removed.is_ok())));
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_one() {
    let hub = start(&Faulty::new());
    hub.canary(Duration::from_secs(1)).await;
    pass(1).await;
    assert_eq!(stats(&hub).arrived, 1, "the first one goes on at its own interval");
}
