//! The examples of the first version's README as they are written, and its promises: many clients, broadcasts, counts.

use std::collections::HashSet;

use ws_tests::prelude::*;

/// Requests of the first version, verbatim, each with its id and the data of the answer when three clients are connected.
pub(crate) const EXAMPLES: [(&str, &str, &str); 4] = [
    (
        r#"{
  "id": "msg-123",
  "type": "request",
  "action": "echo",
  "payload": {
    "message": "Hello"
  }
}"#,
        "msg-123",
        r#"{"echo":"Hello"}"#,
    ),
    (
        r#"{
  "id": "1",
  "type": "request",
  "action": "echo",
  "payload": {
    "message": "test"
  }
}"#,
        "1",
        r#"{"echo":"test"}"#,
    ),
    (
        r#"{
  "id": "2",
  "type": "request",
  "action": "broadcast",
  "payload": {
    "message": "Hello everyone!"
  }
}"#,
        "2",
        r#"{"recipients":3}"#,
    ),
    (
        r#"{
  "id": "3",
  "type": "request",
  "action": "get_connections",
  "payload": {}
}"#,
        "3",
        r#"{"count":3}"#,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_as_they_stand() {
    let server = Server::start().await;
    let mut clients = server.connect_many(3).await;
    for (text, id, data) in EXAMPLES {
        clients[1].text(text).await;
        let answer = clients[1].answer(id).await;
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(answer, json!({"id": id, "type": "response", "data": data}));
    }
    let sender = clients[1].id().to_owned();
    for client in &mut clients {
        let event = client.event("broadcast").await;
        let from = json!({"connection_id": sender, "user": null});
        assert_eq!(event, json!({"event": "broadcast", "message": "Hello everyone!", "from": from}));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connected_says_who_where_and_how() {
    let server = Server::with(|config| {
        config.heartbeat.interval = Duration::from_secs(7);
        config.limits.message_bytes_max = 4096;
        config.limits.channels_per_connection_max = 9;
    })
    .await;
    let clients = server.connect_many(20).await;
    let ids: HashSet<&str> = clients.iter().map(Client::id).collect();
    assert_eq!(ids.len(), clients.len(), "every connection has its own id");
    for client in &clients {
        assert!(uuid::Uuid::parse_str(client.id()).is_ok(), "{}", client.connected);
        let time = client.connected["time"].as_f64().expect("ms since 1970");
        assert!((time - token::in_seconds(0.0) * 1000.0).abs() < 60_000.0, "{time}");
        let expect = json!({
            "event": "connected",
            "connection_id": client.id(),
            "protocol": 1,
            "server": format!("ws-server/{}", ws_server::app::VERSION),
            "time": client.connected["time"],
            "user": null,
            "heartbeat": {"interval_ms": 7000, "timeout_ms": 10_000},
            "limits": {"message_bytes_max": 4096, "channels_max": 9},
        });
        assert_eq!(client.connected, expect);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_fifty_clients_see_every_broadcast_in_one_order() {
    const CLIENTS: usize = 150;
    const EACH: usize = 4;
    let server = Server::start().await;
    let mut clients = server.connect_many(CLIENTS).await;
    for (number, client) in clients.iter_mut().enumerate() {
        let request = |n| {
            let message = json!([number, n]);
            json!({"id": "b", "type": "request", "action": "broadcast", "payload": {"message": message}}).to_string()
        };
        client.texts((0..EACH).map(request)).await;
    }
    let mut first = None;
    for client in &mut clients {
        for _ in 0..EACH {
            assert_eq!(client.answer("b").await["data"]["recipients"], CLIENTS);
        }
        let mut seen = Vec::new();
        for _ in 0..CLIENTS * EACH {
            seen.push(client.event("broadcast").await["message"].take());
        }
        let expect = first.get_or_insert_with(|| seen.clone());
        assert_eq!(&seen, expect, "all see the same order");
    }
    let seen = first.unwrap_or_default();
    for number in 0..CLIENTS {
        let of_one: Vec<_> = seen.iter().filter(|message| message[0] == number).map(|message| &message[1]).collect();
        assert_eq!(of_one, [0, 1, 2, 3], "one sender's stay in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_right_at_once() {
    let server = Server::start().await;
    let mut observer = server.connect().await;
    assert_eq!(observer.count().await, 1);
    let mut clients = Vec::new();
    for n in 2..=30 {
        clients.push(server.connect().await);
        assert_eq!(observer.count().await, n, "after `connected`");
    }
    for n in (1..30).rev() {
        clients.pop().expect("one more").close().await;
        assert_eq!(observer.count().await, n, "after the close handshake");
    }
    observer.close().await;
    assert_eq!(server.stop().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_comes_back_as_it_was_written() {
    let server = Server::start().await;
    let mut client = Raw::websocket(server.addr()).await;
    for message in [
        r#"{"b":1.50,"a":[ 1,2 ],"a":-0e0}"#,
        r#""\u00e9\/\ud83d\ude00""#,
        "null",
        "12345678901234567890.1",
        "\"\u{2028}\"",
    ] {
        for action in ["echo", "broadcast"] {
            let request =
                format!(r#"{{"id":"x","type":"request","action":"{action}","payload":{{"message": {message} }}}}"#);
            client.write(&raw::text(&request)).await;
        }
        let echo = format!(r#"{{"id":"x","type":"response","data":{{"echo":{message}}}}}"#);
        let mut texts = Vec::new();
        for _ in 0..3 {
            texts.push(String::from_utf8(client.frame().await.payload).expect("UTF-8"));
        }
        assert!(texts.contains(&echo), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains(&format!(r#""message":{message}"#))), "{texts:?}");
    }
}
