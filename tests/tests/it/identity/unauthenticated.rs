//! Servers where everybody has to authenticate.

use ws_tests::prelude::*;
use ws_tests::raw;

use super::{authenticate, code, connect};

/// For those who are not to be closed for it.
const PATIENT: Duration = Duration::from_secs(60);

async fn closed_server(authenticate_within: Duration) -> Server {
    Server::with(|config| {
        token::accept(config);
        config.auth.anonymous = false;
        config.auth.authenticate_within = authenticate_within;
        config.auth.unauthenticated_max = 2;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unauthenticated_connection_gets_nothing_and_is_not_counted() {
    let server = closed_server(PATIENT).await;
    let mut unauthenticated = server.connect().await;
    assert_eq!(unauthenticated.connected["user"], Value::Null);
    assert_eq!(unauthenticated.connected["limits"]["unauthenticated_message_bytes_max"], 16_384);
    assert_eq!(unauthenticated.ask("echo", json!({"message": [1]})).await["echo"], json!([1]));
    for action in
        ["fly", "unsubscribe", "broadcast", "get_connections", "subscribe", "publish", "get_history", "get_presence"]
    {
        let payload = json!({"message": 1, "channel": "a", "data": 1});
        assert_eq!(unauthenticated.refusal(action, payload).await, "unauthenticated", "{action}");
    }
    let mut ann = connect(&server, "ann", &json!({})).await;
    assert_eq!(ann.count().await, 1);
    assert_eq!(ann.ask("broadcast", json!({"message": "to ann"})).await["recipients"], 1);
    let metrics = server.metrics().await;
    assert_eq!((metrics.get("ws_connections"), metrics.get("ws_connections_unauthenticated")), (1.0, 1.0));
    assert_eq!(authenticate(&mut unauthenticated, &token::of("bob", &json!({}))).await["data"], json!({"user": "bob"}));
    assert_eq!(ann.ask("broadcast", json!({"message": "to both"})).await["recipients"], 2);
    assert_eq!(unauthenticated.event("broadcast").await["message"], "to both");
    assert_eq!(ann.count().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_authenticate_in_time_is_closed() {
    let server = closed_server(Duration::from_secs(3)).await;
    let mut silent = server.connect().await;
    let mut wrong = server.connect().await;
    assert_eq!(code(&authenticate(&mut wrong, "nonsense").await), "invalid_token");
    for client in [&mut silent, &mut wrong] {
        assert_eq!(client.closed().await.0, 4500);
    }
    let metrics = server.metrics().await;
    assert_eq!(metrics.get(r#"ws_connections_closed_total{code="4500"}"#), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_number_is_limited() {
    let server = closed_server(PATIENT).await;
    let _unauthenticated = [server.connect().await, server.connect().await];
    let response = http::ask(server.addr(), "GET", "/ws", &raw::handshake_headers()).await;
    assert_eq!((response.status, response.error_code().as_str()), (503, "overloaded"));
    assert!(response.header("retry-after").is_some());
    connect(&server, "ann", &json!({})).await;
    let metrics = server.metrics().await;
    assert_eq!(metrics.get(r#"ws_handshakes_refused_total{reason="unauthenticated"}"#), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_messages_are_small() {
    let server = closed_server(PATIENT).await;
    let message = |bytes: usize| json!({"message": "x".repeat(bytes)});
    let mut unauthenticated = server.connect().await;
    assert_eq!(unauthenticated.ask("echo", message(15_000)).await["echo"].as_str().map(str::len), Some(15_000));
    authenticate(&mut unauthenticated, &token::of("ann", &json!({}))).await;
    assert_eq!(unauthenticated.ask("echo", message(60_000)).await["echo"].as_str().map(str::len), Some(60_000));
    let mut unauthenticated = server.connect().await;
    unauthenticated
        .text(json!({"id": "1", "type": "request", "action": "echo", "payload": message(17_000)}).to_string())
        .await;
    assert_eq!(unauthenticated.closed().await.0, 1009);
    let mut pipelined = server.connect().await;
    let request = |action: &str, payload: Value| {
        json!({"id": action, "type": "request", "action": action, "payload": payload}).to_string()
    };
    let token = token::of("bob", &json!({}));
    pipelined.texts([request("authenticate", json!({"token": token})), request("echo", message(60_000))]).await;
    assert_eq!(pipelined.answer("authenticate").await["data"]["user"], "bob");
    assert_eq!(pipelined.answer("echo").await["type"], "response", "the limit follows at once");
}
