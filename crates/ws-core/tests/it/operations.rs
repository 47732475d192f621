//! Callers without a connection: they publish, wait and read like sessions.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::timeout;
use ws_core::{ChannelOptions, Hub, Limits};
use ws_proto::ErrorCode;
use ws_proto::action::{GetHistory, GetPresence, Publish};

use crate::client::{Client, hub_with, limits, memory, options, settle};

const PLENTY: usize = 1 << 30;

fn hub(limits: Limits) -> Hub {
    let passing = ChannelOptions { history_size: 0, presence: false, ..options() };
    hub_with(limits, &[("", options()), ("pass", passing)], memory())
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("JSON")
}

fn subscribe(client: &mut Client, channel: &str) {
    client.say(
        &json!({"id": "s", "type": "request", "action": "subscribe", "payload": {"channel": channel}}).to_string(),
    );
}

fn events(client: &mut Client) -> Vec<Value> {
    client.read().into_iter().map(|frame| frame["data"].clone()).filter(|data| data["event"].is_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn their_publications_arrive_and_are_kept() {
    let hub = hub(limits());
    let mut client = Client::connect(&hub, PLENTY);
    subscribe(&mut client, "a");
    let data = raw(&json!({"n": 1}));
    let publish = Publish { channel: "a".into(), data: &*data, msg_id: Some("m".into()), age_ms: None, tags: None };
    let first = hub.publish(&publish, None).await.expect("it is published");
    assert_eq!((first.offset, first.duplicate), (Some(1), false));
    assert!(hub.publish(&publish, None).await.expect("it is known").duplicate);
    settle().await;
    let events = events(&mut client);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["data"], events[0].get("from")), (&json!({"n": 1}), None));

    let query = GetHistory { channel: "a".into(), ..GetHistory::default() };
    let page = hub.history(&query).await.expect("a page");
    assert_eq!((page.offset, page.publications.len(), page.more), (1, 1, false));
    let query = GetPresence { channel: "a".into(), ..GetPresence::default() };
    let presence = hub.presence(&query).await.expect("a page");
    assert_eq!((presence.connections, presence.clients.len()), (1, 1));
    assert_eq!(presence.clients[0].connection_id, client.connection.id());
    assert_eq!(hub.broadcast(&raw(&json!("hello")), None).await.expect("it is sent").recipients, 1);
    settle().await;
    assert_eq!(client.read()[0]["data"]["message"], "hello");
}

#[tokio::test(start_paused = true)]
async fn errors_are_those_that_sessions_get() {
    let hub = hub(limits());
    let data = raw(&json!(1));
    let publish = async |channel: &'static str, msg_id: Option<&'static str>| {
        let publish =
            Publish { channel: channel.into(), data: &*data, msg_id: msg_id.map(Into::into), age_ms: None, tags: None };
        hub.publish(&publish, None).await.map(drop).map_err(|error| error.code)
    };
    assert_eq!(publish("no name", None).await, Err(ErrorCode::InvalidChannel));
    assert_eq!(publish("other:a", None).await, Err(ErrorCode::UnknownNamespace));
    let long: &'static str = "x".repeat(129).leak();
    assert_eq!(publish("a", Some(long)).await, Err(ErrorCode::InvalidPayload));
    let history = |channel: &'static str, limit| GetHistory { channel: channel.into(), limit, ..GetHistory::default() };
    let code = async |query: GetHistory<'_>| hub.history(&query).await.map(drop).map_err(|error| error.code);
    assert_eq!(code(history("pass:a", None)).await, Err(ErrorCode::NotAvailable));
    assert_eq!(code(history("a", Some(0))).await, Err(ErrorCode::InvalidPayload));
    let query = GetPresence { channel: "pass:a".into(), ..GetPresence::default() };
    let presence = hub.presence(&query);
    assert_eq!(presence.await.map(drop).map_err(|error| error.code), Err(ErrorCode::NotAvailable));
}

/// A caller that publishes faster than the fan-out waits in the same queues, and others continue when it gives up.
#[tokio::test(start_paused = true)]
async fn they_wait_for_room_like_sessions() {
    let hub = hub(Limits { channel_log_bytes_max: 256 << 10, ..limits() });
    let mut client = Client::connect(&hub, PLENTY);
    subscribe(&mut client, "pass:a");
    settle().await;
    client.read();
    let data = raw(&json!("x".repeat(60_000)));
    let publish = || Publish { channel: "pass:a".into(), data: &*data, msg_id: None, age_ms: None, tags: None };
    let mut published = 0;
    // Without a pause for the fan-out; the call that has to wait is dropped.
    loop {
        let publish = publish();
        let mut publishing = Box::pin(hub.publish(&publish, None));
        match publishing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => drop(done.expect("it is published")),
            Poll::Pending => break,
        }
        published += 1;
        assert!(published < 20, "there is no end of room");
    }
    for _ in 0..5 {
        timeout(Duration::from_secs(1), hub.publish(&publish(), None))
            .await
            .expect("in time")
            .expect("it is published");
        published += 1;
    }
    settle().await;
    let events = events(&mut client);
    assert_eq!(events.len(), published, "nothing is lost");
    assert!(events.iter().all(|event| event["event"] == "publication"));
}
