//! The age of a repeat counts from its arrival, also where it lay unread behind a held request.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;
use ws_core::{Flow, Hub};

use super::record::Record;
use crate::client::{Client, hub_with, limits, memory, options};

fn publish(client: &mut Client, msg_id: &str, age_ms: u64) -> Flow {
    let payload = json!({"channel": "a", "data": 1, "msg_id": msg_id, "age_ms": age_ms});
    client.say(&json!({"id": msg_id, "type": "request", "action": "publish", "payload": payload}).to_string())
}

/// The codes of errors, or "ok".
fn answers(client: &mut Client) -> Vec<String> {
    let code = |frame: &Value| frame["error"]["code"].as_str().unwrap_or("ok").to_owned();
    client.read().iter().map(code).collect()
}

/// A channel that is 100 s old.
async fn aged(hub: &Hub) -> Client {
    let mut client = Client::connect(hub, 1 << 20);
    publish(&mut client, "first", 0);
    advance(Duration::from_secs(100)).await;
    client
}

#[tokio::test(start_paused = true)]
async fn behind_a_held_request() {
    let record = Arc::new(Record::new(0));
    let hub = hub_with(limits(), &[("", options())], record.clone());
    let mut client = aged(&hub).await;
    answers(&mut client);
    record.set_room(false);
    assert_eq!(publish(&mut client, "held", 0), Flow::Hold);
    advance(Duration::from_secs(60)).await;
    record.set_room(true);
    assert_eq!(client.go_on(), Flow::Continue);
    // 50 s by itself, and up to 60 s unread; 110 s later than that, the stream itself is younger.
    assert_eq!(publish(&mut client, "unread", 50_000), Flow::Continue);
    assert_eq!(publish(&mut client, "old", 110_000), Flow::Continue);
    client.session.caught_up();
    assert_eq!(publish(&mut client, "prompt", 110_000), Flow::Continue);
    assert_eq!(answers(&mut client), ["ok", "ok", "unknown_outcome", "ok"]);
}

#[tokio::test(start_paused = true)]
async fn behind_a_full_outbox() {
    let hub = hub_with(limits(), &[("", options())], memory());
    let mut client = Client::connect(&hub, 0);
    publish(&mut client, "first", 0);
    advance(Duration::from_secs(100)).await;
    let mut said = 1;
    while client.connection.outbox_bytes() < limits().outbox_bytes_max {
        client.broadcast("1");
        said += 1;
        assert!(said < 10_000, "there is no end of room");
    }
    client.go_on();
    assert!(client.session.may_be_behind());
    advance(Duration::from_secs(60)).await;
    client.make_room(1 << 20);
    publish(&mut client, "old", 110_000);
    assert_eq!(answers(&mut client).last().map(String::as_str), Some("unknown_outcome"));
    client.session.caught_up();
    publish(&mut client, "prompt", 110_000);
    assert_eq!(answers(&mut client), ["ok"]);
}
