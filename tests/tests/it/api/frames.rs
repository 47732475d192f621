//! One connection's frames, live.

use ws_server::config::ApiRights;
use ws_tests::api::{KEY, key};
use ws_tests::raw::{Raw, request};

use super::*;

/// A stream of frames that is being read.
struct Watch(Raw);

impl Watch {
    async fn start(server: &Server, id: &str) -> Self {
        let mut watch = Watch(Raw::connect(server.addr()).await);
        let authorization = format!("Bearer {KEY}");
        let headers = [("Authorization", &*authorization)];
        watch.0.write(request("GET", &format!("/api/v1/connections/{id}/frames"), &headers).as_bytes()).await;
        let response = watch.0.response(false).await;
        assert_eq!((response.status, response.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(watch.next().await["connection_id"], id);
        watch
    }

    async fn next(&mut self) -> Value {
        loop {
            let line = self.0.line().await;
            if let Some(event) = line.strip_prefix("data: ") {
                return serde_json::from_str(event).expect("JSON");
            }
        }
    }

    /// The next frame: direction and text.
    async fn frame(&mut self) -> (String, String) {
        let event = self.next().await;
        assert_eq!(event["event"], "frame", "{event}");
        let text = |name: &str| event[name].as_str().expect("text").to_owned();
        (text("direction"), text("text"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_are_seen_and_tokens_are_not() {
    let server = Server::with(|config| {
        with_key(config);
        token::accept(config);
    })
    .await;
    let mut client = server.connect().await;
    let mut watch = Watch::start(&server, client.id()).await;
    let secret = token::of("ann", &json!({}));
    client.ask("authenticate", json!({"token": secret})).await;
    let (direction, text) = watch.frame().await;
    assert!(direction == "in" && text.contains("\"YOUR_TOKEN\"") && !text.contains(&secret), "{text}");
    let (direction, text) = watch.frame().await;
    assert!(direction == "out" && text.contains("\"user\":\"ann\""), "{text}");
    client.ask("subscribe", json!({"channel": "news"})).await;
    assert!(watch.frame().await.1.contains("subscribe"));
    assert_eq!(watch.frame().await.0, "out");
    let mut api = Api::connect(server.addr()).await;
    let data = format!("see {secret}, {}", "x".repeat(5000));
    api.ok("POST", "/channels/news/publications", json!({"data": data})).await;
    let event = watch.next().await;
    let text = event["text"].as_str().expect("text");
    assert!(text.contains("see YOUR_TOKEN, xxx") && text.len() < 4096, "{text}");
    assert!(event["cut"] == true && event["bytes"].as_u64() > Some(5000), "{event}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_with_the_connection_and_says_the_code() {
    let (server, mut api) = api_server().await;
    let (mut closed, lost) = (server.connect().await, server.connect().await);
    let mut first = Watch::start(&server, closed.id()).await;
    let mut second = Watch::start(&server, lost.id()).await;
    let path = format!("/connections/{}", closed.id());
    api.ok("DELETE", &path, json!({"code": 4711, "reason": "enough"})).await;
    assert_eq!(closed.closed().await.0, 4711);
    assert_eq!(first.frame().await, ("out".to_owned(), "4711 enough".to_owned()));
    let end = first.next().await;
    assert_eq!((&end["event"], &end["code"]), (&json!("closed"), &json!(4711)));
    drop(lost);
    let end = second.next().await;
    assert_eq!((&end["event"], &end["code"]), (&json!("closed"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_too_fast_is_counted() {
    const REQUESTS: usize = 20_000;
    let (server, _) = api_server().await;
    let mut client = server.connect().await;
    let mut watch = Watch::start(&server, client.id()).await;
    let echo = |n| format!(r#"{{"type":"request","id":"{n}","action":"echo","payload":{{"message":{n}}}}}"#);
    for batch in 0..REQUESTS / 100 {
        client.texts((0..100).map(|n| echo(batch * 100 + n))).await;
        for _ in 0..100 {
            client.json().await;
        }
    }
    let (mut seen, mut dropped) = (0, 0);
    while seen + dropped < 2 * REQUESTS as u64 {
        let event = watch.next().await;
        match event["event"].as_str() {
            Some("frame") => seen += 1,
            _ => dropped += event["frames"].as_u64().expect("a count"),
        }
    }
    assert!(seen > 0 && dropped > 0 && seen + dropped == 2 * REQUESTS as u64, "{seen} {dropped}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_needs_admin_and_a_free_place() {
    let server = Server::with(|config| {
        with_key(config);
        config.api.keys = vec![key("reader", ApiRights::Read)];
    })
    .await;
    let client = server.connect().await;
    let path = format!("/connections/{}/frames", client.id());
    let mut reader = Api::with(server.addr(), "reader").await;
    assert_eq!(reader.refusal("GET", &path, Value::Null).await, (403, "permission_denied".to_owned()));
    let mut api = Api::connect(server.addr()).await;
    let nobody = "/connections/00000000-0000-4000-8000-000000000000/frames";
    assert_eq!(api.refusal("GET", nobody, Value::Null).await, (404, "not_found".to_owned()));
    let batch = api.ok("POST", "/batch", json!({"requests": [{"method": "GET", "path": path}]})).await;
    assert_eq!(batch["responses"][0]["status"], 403, "{batch}");
    let mut watches = Vec::new();
    for _ in 0..4 {
        watches.push(Watch::start(&server, client.id()).await);
    }
    assert_eq!(api.refusal("GET", &path, Value::Null).await, (503, "overloaded".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statistics_of_the_server_grow() {
    let (server, mut api) = api_server().await;
    let before = api.ok("GET", "/node/stats", Value::Null).await;
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": "news"})).await;
    client.ask("publish", json!({"channel": "news", "data": 1})).await;
    let after = api.ok("GET", "/node/stats", Value::Null).await;
    let count = |stats: &Value, name: &str| stats["counts"][name].as_u64().expect("a count");
    assert_eq!(count(&after, "messages_received") - count(&before, "messages_received"), 2);
    assert_eq!(count(&after, "publications") - count(&before, "publications"), 1);
    assert_eq!((&after["connections"], &after["subscriptions"], &after["channels"]), (&json!(1), &json!(1), &json!(1)));
}
