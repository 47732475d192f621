//! The history of a channel is removed: what subscribers see, and what publishers are answered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};
use ws_core::engine::Epoch;
use ws_core::{ChannelOptions, Hub};
use ws_proto::{ErrorBody, ErrorCode};

use super::record::Record;
use crate::client::{Client, hub_with, limits, memory, options, settle};

const PLENTY: usize = 1 << 30;

fn hub() -> Hub {
    let passing = ChannelOptions { history_size: 0, ..options() };
    hub_with(limits(), &[("", options()), ("pass", passing)], memory())
}

fn ask(client: &mut Client, action: &str, payload: Value) {
    client.say(&json!({"id": "1", "type": "request", "action": action, "payload": payload}).to_string());
}

/// What the client has got: events as what matters of them, answers as their data or code.
fn seen(client: &mut Client) -> Vec<Value> {
    client.go_on();
    let frames = client.read().into_iter();
    let seen = frames.map(|frame| match (&frame["type"], &frame["data"]) {
        (kind, _) if kind == "error" => frame["error"]["code"].clone(),
        (_, data) if data["event"] == "publication" => json!([data["offset"], data["data"]]),
        (_, data) => data.clone(),
    });
    seen.filter(|data| data["event"] != "connected").collect()
}

fn gap(epoch: &Value) -> Value {
    json!({"event": "gap", "channel": "a", "epoch": epoch, "after": 0})
}

/// A subscriber of the channel, and the epoch.
async fn subscribed(hub: &Hub) -> (Client, Value) {
    let mut client = Client::connect(hub, PLENTY);
    ask(&mut client, "subscribe", json!({"channel": "a"}));
    settle().await;
    let epoch = seen(&mut client).pop().expect("an answer")["epoch"].clone();
    (client, epoch)
}

async fn publish(client: &mut Client, payload: Value) -> Value {
    let mut whole = json!({"channel": "a", "data": 0});
    payload.as_object().expect("an object").iter().for_each(|(key, value)| whole[key] = value.clone());
    ask(client, "publish", whole);
    settle().await;
    seen(client).pop().expect("an answer")
}

async fn remove(hub: &Hub) -> Value {
    json!(hub.remove_history("a").await.expect("it is removed").to_string())
}

#[tokio::test(start_paused = true)]
async fn a_live_subscriber_is_told_before_what_follows() {
    let hub = hub();
    let (mut client, old) = subscribed(&hub).await;
    let mut publisher = Client::connect(&hub, PLENTY);
    publish(&mut publisher, json!({"data": 1})).await;
    let new = remove(&hub).await;
    assert_ne!(old, new);
    assert_eq!(publish(&mut publisher, json!({"data": 2})).await["offset"], 1);
    settle().await;
    assert_eq!(seen(&mut client), [json!([1, 1]), gap(&new), json!([1, 2])]);
    let newest = remove(&hub).await;
    settle().await;
    assert_eq!(seen(&mut client), [gap(&newest)], "also when nothing follows");
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_gets_nothing_of_the_old_epoch_after_it() {
    let hub = hub();
    let (mut client, _) = subscribed(&hub).await;
    client.make_room(0);
    let mut publisher = Client::connect(&hub, PLENTY);
    for n in 1..=5 {
        publish(&mut publisher, json!({"data": n})).await;
    }
    let new = remove(&hub).await;
    publish(&mut publisher, json!({"data": 6})).await;
    client.make_room(PLENTY);
    settle().await;
    let seen = seen(&mut client);
    let told = seen.iter().position(|event| *event == gap(&new)).expect("it is told");
    let old: Vec<_> = (1..=told).map(|n| json!([n, n])).collect();
    assert_eq!((&seen[..told], &seen[told + 1..]), (&old[..], &[json!([1, 6])][..]), "in order, each once");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_with_the_old_epoch_begins_at_the_oldest() {
    let hub = hub();
    let (mut publisher, old) = subscribed(&hub).await;
    publish(&mut publisher, json!({"data": 1})).await;
    let new = remove(&hub).await;
    publish(&mut publisher, json!({"data": 2})).await;
    let mut client = Client::connect(&hub, PLENTY);
    ask(&mut client, "subscribe", json!({"channel": "a", "since": {"epoch": old, "offset": 1}}));
    settle().await;
    let seen = seen(&mut client);
    assert_eq!((&seen[0]["epoch"], &seen[0]["recovered"], &seen[0]["offset"]), (&new, &json!(false), &json!(1)));
    assert_eq!((&seen[0]["gap"], &seen[1..]), (&json!({"epoch": old}), &[json!([1, 2])][..]));
}

#[tokio::test(start_paused = true)]
async fn msg_ids_are_forgotten_and_repeats_are_unknown() {
    let hub = hub();
    // Somebody keeps the epoch.
    let _subscriber = subscribed(&hub).await;
    let mut client = Client::connect(&hub, PLENTY);
    tokio::time::advance(Duration::from_millis(10)).await;
    publish(&mut client, json!({"msg_id": "x"})).await;
    let new = remove(&hub).await;
    assert_eq!(publish(&mut client, json!({"msg_id": "x", "age_ms": 5})).await, "unknown_outcome");
    assert_eq!(publish(&mut client, json!({"msg_id": "y", "age_ms": 5})).await, "unknown_outcome");
    let answer = publish(&mut client, json!({"msg_id": "x", "data": "other"})).await;
    assert_eq!((&answer["epoch"], &answer["offset"], &answer["duplicate"]), (&new, &json!(1), &json!(false)));
    tokio::time::advance(Duration::from_millis(10)).await;
    let answer = publish(&mut client, json!({"msg_id": "y", "age_ms": 5})).await;
    assert_eq!((&answer["offset"], &answer["duplicate"]), (&json!(2), &json!(false)), "first sent in this epoch");
}

#[tokio::test(start_paused = true)]
async fn errors() {
    let hub = hub();
    let code = async |channel| hub.remove_history(channel).await.map(drop).map_err(|error| error.code);
    assert_eq!(code("no name").await, Err(ErrorCode::InvalidChannel));
    assert_eq!(code("other:a").await, Err(ErrorCode::UnknownNamespace));
    assert_eq!(code("pass:a").await, Err(ErrorCode::NotAvailable));
    assert_eq!(code("a").await, Ok(()), "nobody has ever used it");
}

/// A removal that the caller waits for.
type Removing<'a> = Pin<Box<dyn Future<Output = Result<Epoch, ErrorBody>> + 'a>>;

fn poll(removing: &mut Removing<'_>) -> Option<Value> {
    match removing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(json!(result.expect("it is removed").to_string())),
        Poll::Pending => None,
    }
}

/// A publication before it, one after it, and a subscriber whose position was asked for before it: all unanswered at the
/// same time.
#[tokio::test(start_paused = true)]
async fn what_races_with_it_is_on_one_side() {
    let record = Arc::new(Record::new(4));
    let hub = hub_with(limits(), &[("", options())], record.clone());
    let (mut live, mut publisher, mut late) =
        (Client::connect(&hub, PLENTY), Client::connect(&hub, PLENTY), Client::connect(&hub, PLENTY));
    ask(&mut live, "subscribe", json!({"channel": "a"}));
    assert!(record.let_go());
    let old = seen(&mut live).pop().expect("an answer")["epoch"].clone();

    ask(&mut publisher, "publish", json!({"channel": "a", "data": 1, "msg_id": "x"}));
    ask(&mut late, "subscribe", json!({"channel": "a", "rewind": 10}));
    let mut removing: Removing<'_> = Box::pin(hub.remove_history("a"));
    assert_eq!(poll(&mut removing), None);
    ask(&mut publisher, "publish", json!({"channel": "a", "data": 2, "msg_id": "x"}));
    // The publication, the position, and the removal; the position is not looked at before all of them are done.
    (0..3).for_each(|_| assert!(record.let_go()));
    let new = poll(&mut removing).expect("the engine has answered");
    assert!(record.let_go(), "the second publication");

    let answers = seen(&mut publisher);
    let epochs: Vec<_> = answers.iter().map(|answer| (&answer["epoch"], &answer["offset"])).collect();
    assert_eq!(epochs, [(&old, &json!(1)), (&new, &json!(1))], "the id is free again");
    settle().await;
    // The subscriber's position was the old one: it is asked for again.
    let mut answers = seen(&mut late);
    assert!(answers.is_empty());
    for _ in 0..10 {
        record.let_go();
        answers.extend(seen(&mut late));
        settle().await;
    }
    let late = answers;
    assert_eq!((&late[0]["epoch"], &late[0]["offset"], &late[1..]), (&new, &json!(1), &[json!([1, 2])][..]));
    let live = seen(&mut live);
    let told = live.iter().position(|event| *event == gap(&new)).expect("it is told");
    assert!(told <= 1 && live[..told].iter().all(|event| *event == json!([1, 1])), "{live:?}");
    assert_eq!(live[told + 1..], [json!([1, 2])]);
}
