//! Broadcasts reach the connections of all servers, in one order, or are told as missed.

use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::advance;
use ws_core::Engine;
use ws_core::engine::Epoch;
use ws_proto::ErrorCode;

use super::{Client, Servers, answer_of, ask, limits, say, seen};
use crate::client::settle;

fn raw(n: u64) -> Box<RawValue> {
    RawValue::from_string(n.to_string()).expect("JSON")
}

/// The broadcasts that have arrived, and a negative number for each gap; -1000: a gap of an unknown number.
async fn heard(client: &mut Client) -> Vec<i64> {
    let data = seen(client).await.into_iter().map(|frame| frame["data"].clone());
    let heard = data.filter_map(|data| match data["event"].as_str()? {
        "broadcast" => data["message"].as_i64(),
        "gap" => Some(data["missed"].as_i64().map_or(-1000, |missed| -missed)),
        _ => None,
    });
    heard.collect()
}

#[tokio::test(start_paused = true)]
async fn all_get_all_in_one_order() {
    let servers = Servers::start(3, limits(), &[]);
    let mut clients: Vec<_> = [0, 1, 2, 2].map(|server| servers.connect(server)).into();
    for n in 0..9 {
        let sender = n as usize % 4;
        assert_eq!(ask(&mut clients[sender], "broadcast", &json!({"message": n})).await, Ok(json!({"recipients": 4})));
    }
    let sent = servers.hubs[1].broadcast(&raw(9), None).await;
    assert_eq!(sent.expect("it is sent").recipients, 4);
    // Asking has dropped what each had heard by then.
    for (client, asked) in clients.iter_mut().zip([8, 5, 6, 7]) {
        let heard = heard(client).await;
        assert_eq!(heard, (asked + 1..=9).collect::<Vec<_>>());
    }
    let from = json!({"connection_id": clients[0].connection.id(), "user": null});
    say(&mut clients[0], "broadcast", &json!({"message": {"a": [1.50]}}));
    for client in &mut clients {
        let frames = seen(client).await;
        let event = frames.iter().find(|frame| frame["data"]["event"] == "broadcast").expect("it has arrived");
        assert_eq!(event["data"], json!({"event": "broadcast", "message": {"a": [1.50]}, "from": from}));
    }
    let broadcasts: u64 = servers.hubs.iter().map(|hub| hub.counters().broadcasts.get()).sum();
    assert_eq!(broadcasts, 11, "each counts where it was sent");
}

#[tokio::test(start_paused = true)]
async fn those_that_come_while_nobody_is_connected_are_for_nobody() {
    let servers = Servers::start(2, limits(), &[]);
    let (mut here, mut there) = (servers.connect(0), servers.connect(1));
    say(&mut here, "broadcast", &json!({"message": 1}));
    assert_eq!(heard(&mut there).await, [1]);
    drop(there);
    settle().await;
    say(&mut here, "broadcast", &json!({"message": 2}));
    settle().await;
    let mut late = servers.connect(1);
    settle().await;
    say(&mut here, "broadcast", &json!({"message": 3}));
    assert_eq!(heard(&mut late).await, [3]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_not_told_catches_up() {
    let servers = Servers::start(2, limits(), &[]);
    let (mut here, mut there) = (servers.connect(0), servers.connect(1));
    say(&mut here, "broadcast", &json!({"message": 1}));
    assert_eq!(heard(&mut there).await, [1]);
    servers.set_away(1, true);
    for n in 2..5 {
        say(&mut here, "broadcast", &json!({"message": n}));
    }
    assert!(heard(&mut there).await.is_empty());
    servers.set_away(1, false);
    say(&mut here, "broadcast", &json!({"message": 5}));
    assert_eq!(heard(&mut there).await, [2, 3, 4, 5]);
    assert_eq!(heard(&mut here).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_told_exactly() {
    let servers = Servers::start(2, limits(), &[]);
    let (mut here, mut there) = (servers.connect(0), servers.connect(1));
    servers.set_away(1, true);
    for n in 0..300 {
        say(&mut here, "broadcast", &json!({"message": n}));
    }
    servers.set_away(1, false);
    let expect: Vec<_> = [-44].into_iter().chain(44..300).collect();
    assert_eq!(heard(&mut there).await, expect);
    // All of it, by its age.
    servers.set_away(1, true);
    for n in 0..3 {
        say(&mut here, "broadcast", &json!({"message": n}));
    }
    advance(Duration::from_secs(61)).await;
    servers.set_away(1, false);
    assert_eq!(heard(&mut there).await, [-3]);
    say(&mut here, "broadcast", &json!({"message": 7}));
    assert_eq!(heard(&mut there).await, [7]);
}

#[tokio::test(start_paused = true)]
async fn while_the_answer_is_late_what_follows_waits_for_its_turn() {
    let servers = Servers::start(2, limits(), &[]);
    let (mut here, mut there) = (servers.connect(0), servers.connect(1));
    servers.set_away(1, true);
    for n in 1..4 {
        say(&mut here, "broadcast", &json!({"message": n}));
    }
    servers.store.hold();
    servers.set_away(1, false);
    settle().await;
    // Told of the next one while it still reads the ones before.
    for n in 4..6 {
        let message = raw(n);
        let mut sent = Box::pin(servers.hubs[0].broadcast(&message, None));
        assert!(crate::client::look(sent.as_mut()).await.is_pending());
        servers.store.let_go();
        assert!(crate::client::look(sent.as_mut()).await.is_pending());
    }
    servers.store.release();
    let heard_there = heard(&mut there).await;
    assert_eq!(heard_there[..3], [1, 2, 3]);
    assert!(heard_there.is_sorted(), "{heard_there:?}");
    assert_eq!(heard(&mut here).await, heard_there);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_them_is_told_as_a_gap_without_a_number() {
    let servers = Servers::start(2, limits(), &[]);
    let (mut here, mut there) = (servers.connect(0), servers.connect(1));
    say(&mut here, "broadcast", &json!({"message": 1}));
    servers.nodes[0].remove("*all", Box::new(|_| {}));
    say(&mut here, "broadcast", &json!({"message": 2}));
    for client in [&mut here, &mut there] {
        assert_eq!(heard(client).await, [1, -1000, 2]);
    }
    servers.set_away(1, true);
    servers.nodes[0].remove("*all", Box::new(|_| {}));
    say(&mut here, "broadcast", &json!({"message": 3}));
    servers.set_away(1, false);
    for client in [&mut here, &mut there] {
        assert_eq!(heard(client).await, [-1000, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_again_when_the_store_cannot_say_what_was_told() {
    let servers = Servers::start(2, limits(), &[]);
    let (mut here, mut there) = (servers.connect(0), servers.connect(1));
    for n in 1..=3 {
        say(&mut here, "broadcast", &json!({"message": n}));
    }
    assert_eq!(heard(&mut there).await, [1, 2, 3]);
    // Two generations were missed, and the last two broadcasts are retained.
    servers.nodes[1].sink().reset("*all", Epoch::random(), 1);
    servers.nodes[1].sink().skip("*all", 3);
    say(&mut here, "broadcast", &json!({"message": 4}));
    assert_eq!(heard(&mut there).await, [-1000, 4]);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_stored_is_refused_and_nobody_gets_it() {
    let servers = Servers::start(2, limits(), &[]);
    let (mut here, mut there) = (servers.connect(0), servers.connect(1));
    servers.set_away(0, true);
    assert_eq!(ask(&mut here, "broadcast", &json!({"message": 1})).await, Err("engine_unavailable".to_owned()));
    let refused = servers.hubs[0].broadcast(&raw(1), None).await;
    assert_eq!(refused.map_err(|error| error.code).err(), Some(ErrorCode::EngineUnavailable));
    servers.set_away(0, false);
    assert!(heard(&mut there).await.is_empty() && heard(&mut here).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_blocks_its_connection_alone() {
    let servers = Servers::start(2, limits(), &[]);
    let (mut here, mut beside, mut there) = (servers.connect(0), servers.connect(0), servers.connect(1));
    servers.store.hold();
    say(&mut here, "broadcast", &json!({"message": 1}));
    assert!(here.session.is_holding());
    assert!(ask(&mut beside, "echo", &json!({"message": 1})).await.is_ok());
    say(&mut beside, "broadcast", &json!({"message": 2}));
    drop(beside);
    settle().await;
    while servers.store.let_go() {
        here.go_on();
    }
    servers.store.release();
    let frames = seen(&mut here).await;
    assert_eq!(answer_of(&frames, "broadcast"), Some(Ok(json!({"recipients": 2}))));
    assert_eq!(heard(&mut there).await, [1], "who has gone before the count was known has sent nothing");
}

#[tokio::test(start_paused = true)]
async fn who_was_here_before_the_position_was_known_is_told_that_some_may_be_missing() {
    let store = super::Store::new();
    let nodes = [store.node(), store.node()];
    store.hold();
    let hub = |node: &std::sync::Arc<super::Node>| {
        super::hub_at(ws_core::Clock::start(), limits(), &[], node.clone(), super::terms(true))
    };
    let hubs = nodes.each_ref().map(hub);
    let mut early = Client::connect(&hubs[0], super::PLENTY);
    settle().await;
    store.release();
    settle().await;
    let mut late = Client::connect(&hubs[0], super::PLENTY);
    say(&mut late, "broadcast", &json!({"message": 1}));
    assert_eq!(heard(&mut early).await, [-1000, 1]);
    assert_eq!(heard(&mut late).await, [1]);
}
