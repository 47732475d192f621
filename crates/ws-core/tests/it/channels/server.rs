//! Subscriptions that the server API starts and ends, while the engine takes its time.

use std::pin::pin;
use std::sync::Arc;

use serde_json::{Value, json};
use ws_core::{ChannelOptions, Flow, Hub};
use ws_proto::{ErrorBody, ErrorCode};

use super::record::Record;
use crate::client::{Client, hub_with, limits, look, options, run, settle};

/// Calls to the engine wait until the test lets them go.
fn late() -> (Arc<Record>, Hub) {
    let record = Arc::new(Record::new(4));
    let passing = ChannelOptions { history_size: 0, ..options() };
    let hub = hub_with(limits(), &[("", options()), ("pass", passing)], record.clone());
    (record, hub)
}

fn say(client: &mut Client, action: &str, channel: &str) -> Flow {
    let payload = json!({"channel": channel});
    client.say(&json!({"id": action, "type": "request", "action": action, "payload": payload}).to_string())
}

/// What has arrived, each as its event or its id, and the code of an error.
fn read(client: &mut Client) -> Vec<String> {
    let name = |frame: &Value| {
        let name = frame["data"]["event"].as_str().or(frame["id"].as_str()).unwrap_or_default();
        let code = frame["error"]["code"].as_str().or(frame["data"]["code"].as_str()).unwrap_or_default();
        format!("{name} {code}").trim_end().to_owned()
    };
    client.read().iter().map(name).collect()
}

fn code(result: Result<(), ErrorBody>) -> Result<(), ErrorCode> {
    result.map_err(|error| error.code)
}

#[tokio::test(start_paused = true)]
async fn one_starts_when_the_engine_has_answered() {
    let (record, hub) = late();
    let mut client = Client::connect(&hub, 1 << 20);
    let id = client.connection.id();
    let mut operation = pin!(hub.subscribe(id, "a"));
    assert!(look(operation.as_mut()).await.is_pending());
    assert!(client.session.is_waiting() && client.go_on() == Flow::Continue);
    assert!(look(operation.as_mut()).await.is_pending() && read(&mut client).is_empty());
    // Others go on meanwhile, and are answered in their order.
    assert_eq!(say(&mut client, "unsubscribe", "other"), Flow::Continue);
    assert_eq!(read(&mut client), ["unsubscribe not_subscribed"]);
    assert!(record.let_go());
    assert_eq!(code(run(&mut [&mut client], operation).await), Ok(()));
    let event = client.read().remove(0)["data"].clone();
    assert_eq!((&event["event"], &event["channel"], &event["offset"]), (&json!("subscribed"), &json!("a"), &json!(0)));
    assert!(event["epoch"].is_string() && !client.session.is_waiting(), "{event}");
    let payload = json!({"channel": "a", "data": 1});
    client.say(&json!({"id": "p", "type": "request", "action": "publish", "payload": payload}).to_string());
    while record.let_go() {}
    client.go_on();
    settle().await;
    assert!(read(&mut client).contains(&"publication".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_connection() {
    let (record, hub) = late();
    // Before its task has looked, and while the engine is asked.
    for is_begun in [false, true] {
        let mut client = Client::connect(&hub, 1 << 20);
        let mut operation = pin!(hub.subscribe(client.connection.id(), "a"));
        assert!(look(operation.as_mut()).await.is_pending());
        if is_begun {
            client.go_on();
        }
        drop(client);
        assert_eq!(code(operation.await), Err(ErrorCode::NotFound), "{is_begun}");
        while record.let_go() {}
        assert_eq!(hub.channels(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_the_same_meanwhile() {
    let (record, hub) = late();
    let mut client = Client::connect(&hub, 1 << 20);
    let id = client.connection.id();
    assert_eq!(say(&mut client, "subscribe", "a"), Flow::Hold);
    let result = run(&mut [&mut client], hub.subscribe(id, "a")).await;
    assert_eq!(code(result), Err(ErrorCode::AlreadySubscribed), "it is about to be");
    // The other ends what has not started.
    assert_eq!(code(run(&mut [&mut client], hub.unsubscribe(id, "a")).await), Ok(()));
    while record.let_go() {}
    assert_eq!(say(&mut client, "subscribe", "a"), Flow::Continue, "the held one is answered");
    assert_eq!(read(&mut client), ["unsubscribed unsubscribed", "subscribe not_subscribed"]);
    // And the other way round.
    let mut operation = pin!(hub.subscribe(id, "a"));
    assert!(look(operation.as_mut()).await.is_pending());
    client.go_on();
    assert_eq!(say(&mut client, "subscribe", "a"), Flow::Continue);
    assert_eq!(say(&mut client, "unsubscribe", "a"), Flow::Continue);
    while record.let_go() {}
    assert_eq!(code(run(&mut [&mut client], operation).await), Err(ErrorCode::NotSubscribed));
    assert_eq!(read(&mut client), ["subscribe already_subscribed", "unsubscribe"]);
    assert_eq!(hub.channels(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let (_record, hub) = late();
    let mut client = Client::connect(&hub, 1 << 20);
    let mut operation = Box::pin(hub.subscribe(client.connection.id(), "pass:a"));
    assert!(look(operation.as_mut()).await.is_pending());
    drop(operation);
    assert!(client.session.is_waiting() && client.go_on() == Flow::Continue);
    assert!(read(&mut client).is_empty() && !client.session.is_waiting() && hub.channels() == 0);
}

/// Whoever is answered may rely on the order: what it causes next comes after the event.
#[tokio::test(start_paused = true)]
async fn the_event_is_in_the_outbox_before_the_caller_is_answered() {
    let (_record, hub) = late();
    let mut client = Client::connect(&hub, 1 << 20);
    let id = client.connection.id();
    say(&mut client, "subscribe", "pass:a");
    let mut operation = pin!(hub.unsubscribe(id, "pass:a"));
    assert!(look(operation.as_mut()).await.is_pending());
    let mut out = Vec::new();
    client.session.go_on(hub.clock().now_ms(), &mut out);
    assert_eq!(code(operation.await), Ok(()));
    assert!(out.is_empty() && client.connection.outbox_bytes() > 0);
}
