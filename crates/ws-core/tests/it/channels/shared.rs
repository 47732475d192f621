//! A store that other servers write to as well: what subscribers see when the engine skips publications, when a new epoch
//! begins and something of the old one is left, and when it has lost sight of a channel.

use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineSink, EngineStats, Epoch, FindQuery, Found, History, HistoryQuery,
    Publication,
};
use ws_core::{ChannelOptions, Hub, OnLag};
use ws_proto::action::Ack;

use crate::client::{Client, hub_with, limits, options, settle};

const PLENTY: usize = 1 << 30;

/// A store that the test writes to.
#[derive(Debug, Default)]
struct Store {
    sink: OnceLock<Arc<dyn EngineSink>>,
    stream: Mutex<Stream>,
    /// Who waits for its interest to take effect.
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Stream {
    epoch: u64,
    top: u64,
    oldest: u64,
}

struct Waiting(Done<()>);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting")
    }
}

impl Default for Stream {
    fn default() -> Self {
        Stream { epoch: 1, top: 0, oldest: 1 }
    }
}

fn publication(offset: impl Into<Option<u64>>) -> Publication {
    let offset = offset.into();
    let body = format!(r#""data":{},"time":1}}"#, offset.unwrap_or_default());
    Publication { offset, body: body.into_bytes().into() }
}

impl Store {
    fn sink(&self) -> &dyn EngineSink {
        &**self.sink.get().expect("it was started")
    }

    /// It holds these publications from now on, and tells nobody.
    fn hold(&self, epoch: u64, oldest: u64, top: u64) {
        *self.stream.lock().expect("no panic while locked") = Stream { epoch, top, oldest };
    }

    fn follow(&self) {
        self.waiting.lock().expect("no panic while locked").drain(..).for_each(|waiting| waiting.0(Ok(())));
    }
}

impl Engine for Store {
    fn name(&self) -> &'static str {
        "store"
    }

    fn ack(&self) -> Ack {
        Ack::Replicated
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        assert!(self.sink.set(sink).is_ok(), "it is started once");
    }

    fn append(&self, _: Append<'_>, done: Done<Appended>) {
        done(Ok(Appended { position: None, duplicate: false }));
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        let Stream { epoch, top, oldest } = *self.stream.lock().expect("no panic while locked");
        let end = query.before.unwrap_or(u64::MAX).min(top + 1);
        let all: Vec<_> = (oldest.max(query.after + 1)..end).map(publication).collect();
        let (more, publications) = (all.len() > query.limit, all.into_iter().take(query.limit).collect());
        done(Ok(History { epoch: Epoch::from_u64(epoch), top, oldest, publications, more }));
    }

    fn find(&self, _: FindQuery<'_>, done: Done<Option<Found>>) {
        done(Ok(None));
    }

    fn remove(&self, _: &str, done: Done<Epoch>) {
        done(Ok(Epoch::from_u64(1)));
    }

    fn interest(&self, _: &str, _: bool) {}

    fn following(&self, _: &str, done: Done<()>) {
        self.waiting.lock().expect("no panic while locked").push(Waiting(done));
    }

    fn stats(&self) -> EngineStats {
        EngineStats::default()
    }

    fn close(&self, done: Done<()>) {
        done(Ok(()));
    }
}

fn start() -> (Arc<Store>, Hub) {
    let store = Arc::<Store>::default();
    let passing = ChannelOptions { history_size: 0, ..options() };
    let latest = ChannelOptions { on_lag: OnLag::Latest, ..passing.clone() };
    let hub = hub_with(limits(), &[("", options()), ("pass", passing), ("last", latest)], store.clone());
    (store, hub)
}

/// What the client has got: the data of publications and of answers, and other events.
async fn seen(client: &mut Client) -> Vec<Value> {
    settle().await;
    client.go_on();
    let data = client.read().into_iter().map(|frame| frame["data"].clone());
    let data = data.filter(|data| data["event"] != "connected");
    data.map(|data| if data["event"] == "publication" { data["data"].clone() } else { data }).collect()
}

async fn subscriber(hub: &Hub, channel: &str, room: usize) -> Client {
    let mut client = Client::connect(hub, room);
    let subscribe = json!({"id": "1", "type": "request", "action": "subscribe", "payload": {"channel": channel}});
    client.say(&subscribe.to_string());
    client
}

fn gap(epoch: u64, after: u64) -> Value {
    json!({"event": "gap", "channel": "a", "epoch": Epoch::from_u64(epoch).to_string(), "after": after})
}

/// A subscriber that has read the publications up to 3.
async fn at_three(store: &Store, hub: &Hub) -> Client {
    let mut client = subscriber(hub, "a", PLENTY).await;
    seen(&mut client).await;
    store.hold(1, 1, 3);
    (1..=3).for_each(|offset| store.sink().deliver("a", &publication(offset), None));
    assert_eq!(seen(&mut client).await, [1, 2, 3]);
    client
}

#[tokio::test(start_paused = true)]
async fn what_is_skipped_is_read_from_the_history() {
    let (store, hub) = start();
    let mut client = at_three(&store, &hub).await;
    store.hold(1, 1, 8);
    store.sink().skip("a", 6);
    assert_eq!(seen(&mut client).await, [4, 5, 6]);
    store.sink().skip("a", 5);
    store.sink().deliver("a", &publication(7), None);
    assert_eq!(seen(&mut client).await, [7], "nothing comes twice");
    store.hold(1, 11, 12);
    store.sink().skip("a", 12);
    let missed = json!({"event": "gap", "channel": "a", "from": 8, "to": 10});
    assert_eq!(seen(&mut client).await, [missed, json!(11), json!(12)], "what is gone is told exactly");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_does_not_follow_is_never_taken_for_the_next_one() {
    let (store, hub) = start();
    let mut client = at_three(&store, &hub).await;
    store.hold(1, 1, 6);
    store.sink().deliver("a", &publication(6), None);
    assert_eq!(seen(&mut client).await, [4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_ahead_is_no_hole_for_those_who_read_already() {
    let (store, hub) = start();
    let mut client = at_three(&store, &hub).await;
    store.hold(1, 1, 5);
    let mut second = subscriber(&hub, "a", PLENTY).await;
    assert_eq!(seen(&mut client).await, [4, 5]);
    seen(&mut second).await;
    store.hold(1, 1, 6);
    store.sink().deliver("a", &publication(6), None);
    for client in [&mut client, &mut second] {
        assert_eq!(seen(client).await, [6]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_goes_on_after_what_survived() {
    for (survived, top, expect) in [(3, 4, [gap(2, 3), json!(4)]), (2, 3, [gap(2, 2), json!(3)])] {
        let (store, hub) = start();
        let mut client = at_three(&store, &hub).await;
        store.hold(2, 1, top);
        store.sink().renew("a", Epoch::from_u64(2), survived);
        store.sink().deliver("a", &publication(top), None);
        assert_eq!(seen(&mut client).await, expect, "{survived} survived");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_nothing_of_what_survived() {
    let (store, hub) = start();
    let mut client = subscriber(&hub, "a", 500).await;
    seen(&mut client).await;
    store.hold(1, 1, 9);
    (1..=9).for_each(|offset| store.sink().deliver("a", &publication(offset), None));
    let first = seen(&mut client).await;
    store.hold(2, 1, 8);
    store.sink().renew("a", Epoch::from_u64(2), 7);
    store.sink().skip("a", 8);
    settle().await;
    client.make_room(PLENTY);
    let all = [first, seen(&mut client).await].concat();
    let numbers: Vec<_> = all.iter().filter_map(Value::as_u64).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>(), "{all:?}");
    assert!(all.iter().any(|event| event["after"].as_u64().is_some_and(|after| after < 7)), "it was behind: {all:?}");
}

#[tokio::test(start_paused = true)]
async fn another_stream_is_read_from_its_oldest_publication() {
    let (store, hub) = start();
    let mut client = at_three(&store, &hub).await;
    store.hold(2, 5, 6);
    store.sink().reset("a", Epoch::from_u64(2), 4);
    store.sink().skip("a", 6);
    assert_eq!(seen(&mut client).await, [gap(2, 4), json!(5), json!(6)]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_history_waits_until_it_is_followed() {
    let (store, hub) = start();
    let mut client = subscriber(&hub, "pass:a", PLENTY).await;
    assert_eq!(seen(&mut client).await, [Value::Null; 0]);
    store.follow();
    assert_eq!(seen(&mut client).await, [json!({"channel": "pass:a"})]);
    store.sink().deliver("pass:a", &publication(None), None);
    assert_eq!(seen(&mut client).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_history_has_no_epoch() {
    let (store, hub) = start();
    let mut client = subscriber(&hub, "pass:a", PLENTY).await;
    settle().await;
    store.follow();
    seen(&mut client).await;
    store.sink().renew("pass:a", Epoch::from_u64(2), 0);
    store.sink().reset("pass:a", Epoch::from_u64(3), 0);
    store.sink().deliver("pass:a", &publication(None), None);
    assert_eq!(seen(&mut client).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_lost_without_history_is_told() {
    let (store, hub) = start();
    let told = json!({"event": "gap", "channel": "pass:a"});
    for (channel, expect) in [("pass:a", vec![told, json!(0)]), ("last:a", vec![json!(0)])] {
        let mut client = subscriber(&hub, channel, PLENTY).await;
        settle().await;
        store.follow();
        seen(&mut client).await;
        store.sink().lost(channel);
        store.sink().deliver(channel, &publication(None), None);
        assert_eq!(seen(&mut client).await, expect, "{channel}");
    }
}
