//! Heartbeats in paused time (PROTOCOL section 2).

use std::time::Duration;

use serde_json::json;
use ws_core::HeartbeatMode;
use ws_proto::CloseCode;

use crate::client::{Client, hub, limits};

const PLENTY: usize = 1 << 30;

/// Sleeps, plus a little more than the hub may be late.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_millis(seconds * 1000 + 1100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_pinged_and_then_closed() {
    let hub = hub(limits());
    let mut client = Client::connect(&hub, PLENTY);
    pass(23).await;
    assert!(client.read().is_empty());
    pass(1).await;
    assert_eq!(client.read(), [json!("Ping")]);
    assert_eq!(client.attention().close, None);
    pass(8).await;
    assert_eq!(client.attention().close, Some(CloseCode::HeartbeatTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_stays() {
    let hub = hub(limits());
    let mut client = Client::connect_in(&hub, PLENTY, HeartbeatMode::App);
    let mut asked = 0;
    for _ in 0..300 {
        pass(0).await;
        for frame in client.read() {
            assert_eq!(frame, json!({"type": "ping"}));
            asked += 1;
            client.say(r#"{"type":"pong"}"#);
        }
    }
    assert_eq!(client.attention().close, None);
    assert!((10..=14).contains(&asked), "asked {asked} times in 330 s");
    assert_eq!(hub.counters().pings.get(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_only_reads_is_pinged_too() {
    let hub = hub(limits());
    let mut listener = Client::connect(&hub, PLENTY);
    let mut talker = Client::connect(&hub, PLENTY);
    for n in 0..27 {
        talker.broadcast(n);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let is_ping = |frame: &serde_json::Value| *frame == json!("Ping");
    assert_eq!(listener.read().iter().filter(|frame| is_ping(frame)).count(), 1);
    assert_eq!(talker.read().iter().filter(|frame| is_ping(frame)).count(), 0);
}

/// The process stalls for longer than a connection may be silent, as when the machine is suspended, or after SIGSTOP.
#[tokio::test(start_paused = true)]
async fn nobody_is_closed_for_a_pause_of_the_server() {
    let hub = hub(limits());
    let (mut talks, mut listens, mut silent) =
        (Client::connect(&hub, PLENTY), Client::connect(&hub, PLENTY), Client::connect(&hub, PLENTY));
    let mut full = Client::connect(&hub, 1);
    full.broadcast(1);
    pass(2).await;
    tokio::time::advance(Duration::from_secs(300)).await;
    pass(0).await;
    for client in [&talks, &listens, &silent, &full] {
        assert_eq!(client.attention().close, None, "what is in its socket was not read yet");
    }
    for _ in 0..10 {
        talks.say(r#"{"type":"ping"}"#);
        if listens.read().contains(&json!("Ping")) {
            listens.say(r#"{"type":"pong"}"#);
        }
        pass(4).await;
    }
    assert_eq!((talks.attention().close, listens.attention().close), (None, None));
    assert_eq!(silent.attention().close, Some(CloseCode::HeartbeatTimeout), "it had its time after the pause");
    assert_eq!(full.attention().close, Some(CloseCode::TooSlow));
    assert!(silent.read().contains(&json!("Ping")), "it was asked");
}
