//! An engine that answers when the test says so: what continues meanwhile, and what waits.

use std::sync::Arc;

use serde_json::{Value, json};
use ws_core::engine::Engine;
use ws_core::{ChannelOptions, Flow, Hub};

use super::record::Record;
use crate::client::{Client, hub_with, limits, options, settle};

/// All calls are delayed.
fn late() -> (Arc<Record>, Hub) {
    let record = Arc::new(Record::new(4));
    let kept = ChannelOptions { history_size: 10_000, ..options() };
    let passing = ChannelOptions { history_size: 0, ..options() };
    let hub = hub_with(limits(), &[("", kept), ("pass", passing)], record.clone());
    (record, hub)
}

fn request(id: impl ToString, action: &str, payload: Value) -> String {
    json!({"id": id.to_string(), "type": "request", "action": action, "payload": payload}).to_string()
}

fn publish(client: &mut Client, id: u64) -> Flow {
    client.say(&request(id, "publish", json!({"channel": "a", "data": id})))
}

/// The ids of answered requests; negative for errors.
fn answered(client: &mut Client) -> Vec<i64> {
    client.go_on();
    ids(&client.read())
}

fn ids(frames: &[Value]) -> Vec<i64> {
    let id = |frame: &Value| frame["id"].as_str().and_then(|id| id.parse::<i64>().ok());
    let sign = |frame: &Value| if frame["type"] == "error" { -1 } else { 1 };
    frames.iter().filter_map(|frame| Some(id(frame)? * sign(frame))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_publisher_goes_on_while_others_are_stored() {
    let (record, hub) = late();
    let mut client = Client::connect(&hub, 1 << 20);
    for id in 1..=64 {
        assert_eq!(publish(&mut client, id), Flow::Continue, "publication {id}");
    }
    assert_eq!(publish(&mut client, 65), Flow::Hold, "so many are enough");
    assert!(answered(&mut client).is_empty() && client.session.is_waiting());
    (0..3).for_each(|_| assert!(record.let_go()));
    assert_eq!(answered(&mut client), [1, 2, 3]);
    assert_eq!(publish(&mut client, 65), Flow::Continue, "there is room again");
    while record.let_go() {}
    assert_eq!(answered(&mut client), (4..=65).collect::<Vec<_>>());
    assert!(!client.session.is_waiting());
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_an_unanswered_publication() {
    let (record, hub) = late();
    let turns = [
        (request(2, "echo", json!({"message": 1})), 2),
        (request(2, "nonsense", json!({})), -2),
        (request(2, "publish", json!({"channel": "", "data": 1})), -2),
        ("no JSON".to_owned(), 0),
    ];
    for (text, expect) in &turns {
        let mut client = Client::connect(&hub, 1 << 20);
        publish(&mut client, 1);
        assert_eq!(client.say(r#"{"type":"ping"}"#), Flow::Continue, "a ping is no request");
        assert_eq!(client.say(text), Flow::Hold, "{text}");
        assert!(answered(&mut client).is_empty(), "{text}");
        while record.let_go() {}
        assert_eq!(client.go_on(), Flow::Continue, "{text}");
        let answers = client.read();
        assert_eq!(answers.len(), 2, "{text}");
        assert_eq!(ids(&answers), [1, *expect].into_iter().filter(|id| *id != 0).collect::<Vec<_>>(), "{text}");
    }
    let mut client = Client::connect(&hub, 1 << 20);
    publish(&mut client, 1);
    assert_eq!(client.say(&request(2, "publish", json!({"channel": "pass:a", "data": 1}))), Flow::Continue);
    while record.let_go() {}
    assert_eq!(answered(&mut client), [1, 2]);
}

/// Two readers need pages from different offsets, and the first page serves both for a while.
#[tokio::test(start_paused = true)]
async fn the_answer_to_an_old_query_is_not_used() {
    const STORED: u64 = 1500;
    let (record, hub) = late();
    let mut publisher = Client::connect(&hub, 1 << 30);
    for id in 1..=STORED {
        while publish(&mut publisher, id) == Flow::Hold {
            record.let_go();
        }
    }
    while record.let_go() {}
    let epoch = record.with("a", |stream| stream.epochs[0].0.to_string());
    let mut readers: Vec<_> = (0..10).map(|_| Client::connect(&hub, 1 << 30)).collect();
    for (nth, reader) in readers.iter_mut().enumerate() {
        let since = json!({"epoch": epoch, "offset": 7 * nth});
        let subscribe = request(1, "subscribe", json!({"channel": "a", "since": since}));
        while reader.say(&subscribe) == Flow::Hold {
            record.let_go();
        }
    }
    let mut seen: Vec<u64> = (0..10).map(|nth| 7 * nth).collect();
    for _ in 0..100 {
        settle().await;
        // Everything is answered at once.
        while record.let_go() {}
        for (reader, seen) in readers.iter_mut().zip(&mut seen) {
            for frame in reader.read() {
                let data = &frame["data"];
                if data["event"].is_null() {
                    assert_eq!(data["recovered"], true, "{frame}");
                    continue;
                }
                *seen += 1;
                assert_eq!((&data["event"], &data["offset"]), (&json!("publication"), &json!(*seen)), "{frame}");
            }
        }
    }
    assert_eq!(seen, [STORED; 10], "everything has come");
    assert_eq!(record.stats().publications, STORED);
}

#[tokio::test(start_paused = true)]
async fn publishers_wait_for_room_in_the_engine() {
    let (record, hub) = late();
    let mut client = Client::connect(&hub, 1 << 20);
    record.set_room(false);
    let passing = request(1, "publish", json!({"channel": "pass:a", "data": 1}));
    assert_eq!(client.say(&passing), Flow::Continue, "what is not kept needs no room");
    assert_eq!(publish(&mut client, 2), Flow::Hold);
    while record.let_go() {}
    assert_eq!(answered(&mut client), [1]);
    record.set_room(true);
    assert_eq!(client.go_on(), Flow::Continue);
    while record.let_go() {}
    assert_eq!(answered(&mut client), [2]);
}

/// The driver of a session may find room where the session found none, because the fan-out has emptied the outbox
/// meanwhile.
#[tokio::test(start_paused = true)]
async fn a_session_that_stops_for_want_of_room_says_so() {
    let (record, hub) = late();
    let mut client = Client::connect(&hub, 0);
    let message = "x".repeat(40_000);
    (0..2).for_each(|id| _ = client.say(&request(id, "echo", json!({"message": message}))));
    publish(&mut client, 7);
    assert!(record.let_go(), "it is stored");
    client.go_on();
    assert!(client.session.is_out_of_room() && client.session.owes_answers());
    client.make_room(1 << 20);
    client.go_on();
    assert!(!client.session.is_out_of_room() && !client.session.owes_answers());
    assert!(client.read().iter().any(|frame| frame["id"] == "7"));
}
