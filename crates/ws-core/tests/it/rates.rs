//! Rate limits and quotas: requests of one connection, handshakes, connections of one address.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;
use ws_core::{Flow, Limits, Refusal};
use ws_proto::CloseCode;

use crate::client::{Client, LOCAL, hub, limits};

const ECHO: &str = r#"{"id":"e","type":"request","action":"echo","payload":{"message":1}}"#;

/// Codes of the errors that have arrived, `""` for each response.
fn codes(client: &mut Client) -> Vec<String> {
    let code = |frame: &Value| frame["error"]["code"].as_str().unwrap_or_default().to_owned();
    client.read().iter().filter(|frame| frame["type"] != "pong").map(code).collect()
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_so_many_requests_a_second() {
    let hub = hub(Limits { requests_per_second: 10, requests_burst: 3, errors_max: 5, ..limits() });
    let mut client = Client::connect(&hub, 1 << 20);
    for _ in 0..3 {
        assert_eq!(client.say(ECHO), Flow::Continue);
    }
    assert_eq!(client.say(ECHO), Flow::Continue, "it is answered");
    assert_eq!(client.say("no JSON"), Flow::Continue, "what is no request is one of them, too");
    assert_eq!(codes(&mut client), ["", "", "", "rate_limited", "rate_limited"]);
    for _ in 0..20 {
        assert_eq!(client.say(r#"{"type":"ping"}"#), Flow::Continue, "pings are free");
    }
    advance(Duration::from_millis(100)).await;
    assert_eq!(client.say(ECHO), Flow::Continue);
    client.say(ECHO);
    let frames = client.read();
    let refused = frames.last().expect("an answer");
    assert_eq!(refused["error"]["retry_after_ms"], 100, "{refused}");
    assert_eq!(refused["error"]["retryable"], true, "{refused}");
    client.say(ECHO);
    client.say(ECHO);
    assert_eq!(client.say(ECHO), Flow::Close(CloseCode::TooManyErrors), "they count against the budget");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_held_is_paid_for_once() {
    let tight = Limits { broadcast_log_bytes_max: 4096, ..limits() };
    let hub = hub(Limits { requests_per_second: 1, requests_burst: 60, ..tight });
    let mut client = Client::connect(&hub, 1 << 20);
    let message = json!("x".repeat(300));
    let mut taken = 0;
    while client.broadcast(&message) == Flow::Continue {
        taken += 1;
        assert!(taken < 60, "the gate closes before the rate does");
    }
    for _ in 0..100 {
        assert_eq!(client.broadcast(&message), Flow::Hold, "it waits for the fan-out, which does not run");
    }
    assert!(!codes(&mut client).contains(&"rate_limited".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn so_many_handshakes_a_second_are_let_in() {
    let hub = hub(Limits { handshakes_per_second: 5, ..limits() });
    let mut let_in: Vec<_> = (0..20).filter_map(|_| hub.admit(LOCAL, false).ok()).collect();
    assert_eq!(let_in.len(), 5);
    assert_eq!(hub.admit(LOCAL, false).err(), Some(Refusal::TooFast));
    let_in.clear();
    assert_eq!(hub.admitted(), 0);
    assert_eq!(hub.admit(LOCAL, false).err(), Some(Refusal::TooFast), "those that have ended count, too");
    advance(Duration::from_millis(400)).await;
    assert_eq!((0..20).filter(|_| hub.admit(LOCAL, false).is_ok()).count(), 2);
    assert_eq!(hub.counters().refused(Refusal::TooFast).get(), 15 + 1 + 1 + 18);
}

/// One address cannot use up what all have.
#[tokio::test(start_paused = true)]
async fn so_many_handshakes_a_second_are_let_in_from_one_address() {
    let hub = hub(Limits { handshakes_per_ip_per_second: 3, handshakes_per_second: 6, ..limits() });
    let admitted = |peer: [u8; 4], times: usize| (0..times).filter(|_| hub.admit(peer.into(), false).is_ok()).count();
    assert_eq!(admitted([10, 0, 0, 1], 1000), 3);
    assert_eq!(admitted([10, 0, 0, 2], 1000), 3, "who is refused takes nothing from the others");
    assert_eq!(admitted([10, 0, 0, 3], 1), 0, "all together");
    let refused = |refusal| hub.counters().refused(refusal).get();
    assert_eq!((refused(Refusal::AddressTooFast), refused(Refusal::TooFast)), (2 * 997, 1));
    advance(Duration::from_secs(1)).await;
    assert_eq!(admitted([10, 0, 0, 1], 1000), 3);
}

#[tokio::test(start_paused = true)]
async fn an_address_has_so_many_connections() {
    let hub = hub(Limits { connections_per_ip_max: 2, handshakes_per_second: 100, ..limits() });
    let other = IpAddr::from([10, 0, 0, 1]);
    let first = hub.admit(LOCAL, false).expect("room");
    let _second = hub.admit(LOCAL, false).expect("room");
    for _ in 0..1000 {
        assert_eq!(hub.admit(LOCAL, false).err(), Some(Refusal::Address));
    }
    assert!(hub.admit(other, false).is_ok(), "who is refused takes nothing from the others");
    drop(first);
    assert!(hub.admit(LOCAL, false).is_ok());
    assert_eq!(hub.admitted(), 1, "the refused ones are not counted");
}
