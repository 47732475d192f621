//! An engine whose position is behind what it has told the hub, as for a moment after each publication.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;
use ws_core::{ChannelOptions, Flow, Limits, OnLag};

use super::record::Record;
use crate::client::{Client, hub_with, limits, options, settle};

const PUBLICATIONS: u64 = 50;

/// The events of the channel that have arrived: offsets of publications, and the whole of anything else.
fn arrived(client: &mut Client) -> Vec<Value> {
    let event = |frame: &Value| {
        let data = &frame["data"];
        let is_publication = data["event"] == "publication";
        (frame["type"] == "notification").then(|| if is_publication { data["offset"].clone() } else { data.clone() })
    };
    client.read().iter().filter_map(event).collect()
}

/// A reader that is far behind asks the history. What the engine does not have yet is not taken for gone.
async fn check(on_lag: OnLag) {
    let record = Arc::new(Record::new(0));
    let limits = Limits { channel_log_bytes_max: 8192, channel_logs_bytes_max: 16_384, ..limits() };
    let hub = hub_with(limits, &[("", ChannelOptions { on_lag, ..options() })], record.clone());
    let mut reader = Client::connect(&hub, 300);
    reader.say(&json!({"id": "s", "type": "request", "action": "subscribe", "payload": {"channel": "a"}}).to_string());
    let mut writer = Client::connect(&hub, 1 << 30);
    for n in 0..PUBLICATIONS {
        let payload = json!({"channel": "a", "data": "x".repeat(600)});
        let text = json!({"id": n.to_string(), "type": "request", "action": "publish", "payload": payload}).to_string();
        while writer.say(&text) == Flow::Hold {
            settle().await;
        }
        settle().await;
    }
    let mut seen = arrived(&mut reader);
    assert!(seen.len() < 5, "its socket is full: {seen:?}");
    record.set_behind(PUBLICATIONS);
    reader.make_room(1 << 30);
    settle().await;
    seen.extend(arrived(&mut reader));
    assert!((seen.len() as u64) < PUBLICATIONS, "the log has not all of it: {seen:?}");
    for behind in [20, 0] {
        record.set_behind(behind);
        advance(Duration::from_secs(2)).await;
        settle().await;
        seen.extend(arrived(&mut reader));
    }
    assert_eq!(seen, (1..=PUBLICATIONS).map(Value::from).collect::<Vec<_>>());
    assert!(reader.attention().close.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_does_not_have_yet_is_not_gone() {
    check(OnLag::Gap).await;
}

#[tokio::test(start_paused = true)]
async fn nor_is_it_jumped_over_or_a_reason_to_close() {
    check(OnLag::Latest).await;
    check(OnLag::Disconnect).await;
}
