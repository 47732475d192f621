//! What is timed and measured, exactly, because time is paused.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;
use ws_core::{Flow, HeartbeatMode, HistogramValues, Hub};
use ws_proto::action::ActionName;

use crate::channels::Record;
use crate::client::{Client, hub, hub_with, limits, settle};

const PLENTY: usize = 1 << 30;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn request(action: &str, payload: &Value) -> String {
    json!({"id": "1", "type": "request", "action": action, "payload": payload}).to_string()
}

fn publish(client: &mut Client) -> Flow {
    client.say(&request("publish", &json!({"channel": "a", "data": 1})))
}

fn echo(client: &mut Client) -> Flow {
    client.say(&request("echo", &json!({"message": 1})))
}

/// An engine that answers when the test says so.
fn late() -> (Arc<Record>, Hub) {
    let record = Arc::new(Record::new(4));
    (record.clone(), hub_with(limits(), &[], record))
}

#[track_caller]
fn took(hub: &Hub, action: ActionName, us: &[u64]) {
    assert_eq!(hub.counters().request_us(action).values(), HistogramValues::of(us), "{action:?}");
}

#[tokio::test(start_paused = true)]
async fn all_requests_of_a_read_are_timed_together() {
    let hub = hub(limits());
    let mut client = Client::connect(&hub, PLENTY);
    let (mut out, echo) = (Vec::new(), request("echo", &json!({"message": 1})));
    client.session.begin_batch(hub.clock().now_us(), true);
    for text in [&*echo, &*echo, "no JSON", &*request("nonsense", &json!({})), &*request("publish", &json!({}))] {
        assert_eq!(client.session.text(text, hub.clock().now_ms(), &mut out), Flow::Continue);
    }
    took(&hub, ActionName::Echo, &[]);
    advance(ms(3)).await;
    client.session.end_batch();
    took(&hub, ActionName::Echo, &[3000, 3000]);
    took(&hub, ActionName::Publish, &[3000]);
    client.session.end_batch();
    took(&hub, ActionName::Echo, &[3000, 3000]);
    // What lay unread in memory was read earlier.
    advance(ms(5)).await;
    client.session.begin_batch(hub.clock().now_us(), false);
    client.session.text(&echo, hub.clock().now_ms(), &mut out);
    client.session.end_batch();
    took(&hub, ActionName::Echo, &[3000, 3000, 8000]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_timed_until_its_own_answer() {
    let (record, hub) = late();
    let mut client = Client::connect(&hub, PLENTY);
    assert_eq!(publish(&mut client), Flow::Continue);
    advance(ms(2)).await;
    assert_eq!(publish(&mut client), Flow::Continue);
    advance(ms(4)).await;
    assert_eq!(echo(&mut client), Flow::Hold, "after the publications");
    advance(ms(8)).await;
    assert!(record.let_go());
    client.go_on();
    took(&hub, ActionName::Publish, &[14_000]);
    took(&hub, ActionName::Echo, &[]);
    advance(ms(16)).await;
    assert!(record.let_go());
    assert_eq!(client.go_on(), Flow::Continue);
    took(&hub, ActionName::Publish, &[14_000, 28_000]);
    took(&hub, ActionName::Echo, &[24_000]);
    assert_eq!(hub.counters().engine_append_us.values(), HistogramValues::of(&[14_000, 28_000]));
    for action in ActionName::ALL {
        let (begun, answered) = (hub.counters().requests(action).get(), hub.counters().request_us(action));
        assert_eq!(answered.values().count(), begun, "{action:?}: each once");
    }
}

#[tokio::test(start_paused = true)]
async fn positions_and_pages_are_timed() {
    let (record, hub) = late();
    let mut client = Client::connect(&hub, PLENTY);
    let subscribe = request("subscribe", &json!({"channel": "a"}));
    assert_eq!(client.say(&subscribe), Flow::Hold);
    advance(ms(3)).await;
    assert!(record.let_go());
    assert_eq!(client.say(&subscribe), Flow::Continue, "the same frame, which was held");
    let get_history = request("get_history", &json!({"channel": "a"}));
    assert_eq!(client.say(&get_history), Flow::Hold);
    advance(ms(7)).await;
    assert!(record.let_go());
    assert_eq!(client.go_on(), Flow::Continue);
    assert_eq!(hub.counters().engine_history_us.values(), HistogramValues::of(&[3000, 7000]));
    took(&hub, ActionName::Subscribe, &[3000]);
    took(&hub, ActionName::GetHistory, &[7000]);
}

/// A subscriber, and a publisher that is none.
async fn pair(hub: &Hub, room: usize) -> (Client, Client) {
    let (mut reader, publisher) = (Client::connect(hub, room), Client::connect(hub, PLENTY));
    assert_eq!(reader.say(&request("subscribe", &json!({"channel": "a"}))), Flow::Continue);
    settle().await;
    (reader, publisher)
}

#[tokio::test(start_paused = true)]
async fn a_round_is_timed_once_and_its_writes_are_counted() {
    let hub = hub(limits());
    let (mut reader, mut publisher) = pair(&hub, PLENTY).await;
    for _ in 0..3 {
        publish(&mut publisher);
    }
    // The fan-out runs afterwards.
    advance(ms(4)).await;
    settle().await;
    assert_eq!(reader.read().len(), 1 + 3);
    let counters = hub.counters();
    assert_eq!(counters.frame_us.values(), HistogramValues::of(&[4000]), "the first of the round");
    assert_eq!(counters.write_frames.values(), HistogramValues::of(&[3]));
    assert_eq!(counters.cursor_lag.values(), HistogramValues::of(&[3]));
    publish(&mut publisher);
    settle().await;
    assert_eq!(counters.frame_us.values(), HistogramValues::of(&[4000, 0]));
    assert_eq!(counters.write_frames.values(), HistogramValues::of(&[3, 1]));
}

#[tokio::test(start_paused = true)]
async fn the_way_of_a_message_goes_through_the_engine() {
    let (record, hub) = late();
    let (mut reader, mut publisher) = (Client::connect(&hub, PLENTY), Client::connect(&hub, PLENTY));
    assert_eq!(reader.say(&request("subscribe", &json!({"channel": "a"}))), Flow::Hold);
    assert!(record.let_go());
    assert_eq!(reader.go_on(), Flow::Continue);
    settle().await;
    publish(&mut publisher);
    advance(ms(6)).await;
    assert!(record.let_go());
    settle().await;
    assert_eq!(hub.counters().frame_us.values(), HistogramValues::of(&[6000]));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_reader_counts_at_each_sweep() {
    let hub = hub(limits());
    let (_full, mut publisher) = (Client::connect(&hub, 1), Client::connect(&hub, PLENTY));
    settle().await;
    (0..5).for_each(|n| assert_eq!(publisher.broadcast(n), Flow::Continue));
    settle().await;
    let lag = || hub.counters().cursor_lag.values();
    assert_eq!(lag(), HistogramValues::of(&[5, 5]), "both were visited");
    tokio::time::sleep(ms(1100)).await;
    assert_eq!(lag(), HistogramValues::of(&[5, 5, 4]), "a part of one frame is on its way");
    tokio::time::sleep(ms(1000)).await;
    assert_eq!(lag(), HistogramValues::of(&[5, 5, 4, 4]));
    assert_eq!(hub.counters().write_frames.values(), HistogramValues::of(&[5, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_pong_answers_one_ping() {
    let hub = hub(limits());
    let mut client = Client::connect_in(&hub, PLENTY, HeartbeatMode::App);
    let pong = r#"{"type":"pong"}"#;
    client.say(pong);
    assert_eq!(hub.counters().heartbeat_us.values().count(), 0, "nobody asked");
    tokio::time::sleep(ms(24_900)).await;
    while client.read().is_empty() {
        advance(ms(1)).await;
        settle().await;
    }
    advance(ms(20)).await;
    client.say(pong);
    client.say(pong);
    assert_eq!(hub.counters().heartbeat_us.values(), HistogramValues::of(&[20_000]));
}

#[tokio::test(start_paused = true)]
async fn a_late_timer_is_seen() {
    let hub = hub(limits());
    tokio::time::sleep(ms(950)).await;
    let lag = || hub.counters().runtime_lag_us.values();
    assert!(lag().count() >= 9 && lag().sum < 20_000, "{:?}", lag());
    advance(ms(1000)).await;
    settle().await;
    assert_eq!(lag().counts[20], 1, "one of 0.5 to 1 s, however many ticks there were: {:?}", lag());
}
