//! The log of a real process: it never blocks the server, whatever happens to standard error; and its lines about connections.

use ws_tests::prelude::*;
use ws_tests::process::Signal;
use ws_tests::raw::handshake_headers;

use crate::SERVER;

/// Every refusal is a line.
const MUCH: (&str, &str) = ("WS_SERVER__LOG_CONNECTIONS", "all");

/// Makes the server log until lines are lost.
async fn until_lines_are_lost(server: &Process) {
    let many = 500;
    let refused = raw::request("GET", "/ws", &[]).repeat(many);
    until("lines of the log to be lost", async || {
        let mut raw = Raw::connect(server.addr()).await;
        raw.write(refused.as_bytes()).await;
        for _ in 0..many {
            assert_eq!(raw.response(true).await.status, 426);
        }
        let metrics = http::metrics(server.addr()).await;
        (metrics.get("ws_log_lines_dropped_total") > 0.0).then_some(())
    })
    .await;
}

/// Checks that an open connection is answered, and a drain ends normally.
async fn serves_and_drains(mut client: Client, server: Process) {
    assert_eq!(client.ask("echo", json!({"message": 1})).await["echo"], 1);
    assert_eq!(http::get(server.addr(), "/health").await.status, 200);
    server.signal(Signal::Term).await;
    assert_eq!(client.closed().await.0, 1001);
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_costs_lines_only() {
    let mut server = Process::start(SERVER, &[MUCH]).await;
    let _unread = server.take_log();
    let client = Client::connect(server.addr(), "/ws").await;
    until_lines_are_lost(&server).await;
    serves_and_drains(client, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_reader_is_gone_costs_lines_only() {
    let mut server = Process::start(SERVER, &[MUCH]).await;
    drop(server.take_log());
    let client = Client::connect(server.addr(), "/ws").await;
    until_lines_are_lost(&server).await;
    serves_and_drains(client, server).await;
}

/// Everything logged before the end is there, including the last line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_log_is_written() {
    let mut server = Process::start(SERVER, &[]).await;
    let log = server.follow_log();
    server.signal(Signal::Int).await;
    assert_eq!(server.exit_code().await, Some(0));
    let log = within("the end of the log", log).await.expect("no panic");
    assert!(log.last().is_some_and(|line| line.contains("\"message\":\"drained\"")), "{log:?}");
}

/// A handshake from another origin, a connection closed by the server for what it sends, and one closed by the client.
async fn three_connections(server: &Process) {
    let mut headers = handshake_headers();
    headers.push(("Origin", "https://elsewhere.example"));
    assert_eq!(http::ask(server.addr(), "GET", "/ws", &headers).await.status, 403);
    let mut refused = Client::unread(server.addr(), "/ws", Some("no token")).await;
    assert_eq!(refused.closed().await.0, 4501);
    let ann = Client::with_token(server.addr(), &token::of("ann", &json!({}))).await;
    ann.close().await;
}

/// The lines about connections with this setting, without what differs from run to run.
async fn logged(setting: Option<&str>) -> Vec<Value> {
    let setting = setting.map(|value| ("WS_SERVER__LOG_CONNECTIONS", value));
    let secret = ("WS_SERVER__AUTH__KEYS__0__SECRET", token::SECRET);
    let variables: Vec<_> = setting.into_iter().chain([secret]).collect();
    let mut server = Process::start(SERVER, &variables).await;
    let log = server.follow_log();
    three_connections(&server).await;
    server.signal(Signal::Term).await;
    assert_eq!(server.exit_code().await, Some(0));
    let log = within("the end of the log", log).await.expect("no panic");
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let about = lines.filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("connection ")));
    about.map(shortened).collect()
}

/// The contents of a line, after checking the fields that every line of its kind has.
fn shortened(line: Value) -> Value {
    assert_eq!((&line["level"], &line["address"]), (&json!("INFO"), &json!("127.0.0.1")), "{line}");
    let message = line["message"].as_str().expect("a message");
    assert_eq!(line["connection"].is_string(), message != "connection refused", "{line}");
    assert_eq!(line["duration_ms"].is_u64(), message == "connection closed", "{line}");
    json!([message, line["user"], line["by"], line["code"], line["status"]])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_name_their_connection_and_request() {
    let variables = [
        ("RUST_LOG", "debug"),
        ("WS_SERVER__LOG_CONNECTIONS", "all"),
        ("WS_SERVER__AUTH__KEYS__0__SECRET", token::SECRET),
        ("WS_SERVER__CHANNELS__PUBLISH", "granted"),
    ];
    let mut server = Process::start(SERVER, &variables).await;
    let log = server.follow_log();
    let mut client = Client::connect(server.addr(), "/ws").await;
    let id = client.connected["connection_id"].clone();
    let (publish, token) = (json!({"channel": "a", "data": 1}), json!({"token": "nonsense"}));
    assert_eq!(client.request("the \"first\"\n", "publish", publish).await["error"]["code"], "permission_denied");
    assert_eq!(client.request("2", "authenticate", token).await["error"]["code"], "invalid_token");
    client.close().await;
    let mut refused = Client::unread(server.addr(), "/ws", Some("nonsense")).await;
    assert_eq!(refused.closed().await.0, 4501);
    server.signal(Signal::Term).await;
    assert_eq!(server.exit_code().await, Some(0));
    let log = within("the end of the log", log).await.expect("no panic");
    let mut about = Vec::new();
    for line in log.iter().map(|line| serde_json::from_str::<Value>(line).expect("one object a line")) {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key} of {line}");
        }
        if line["connection"] == id {
            about.push(json!([line["message"], line["request"]]));
        }
        let is_refusal = line["message"] == "a token was refused" && line["request"].is_null();
        assert!(!is_refusal || (line["connection"].is_string() && line["connection"] != id), "{line}");
    }
    let expect = json!([
        ["connection opened", null],
        ["denied", "the \"first\"\n"],
        ["a token was refused", "2"],
        ["connection closed", null]
    ]);
    assert_eq!(Value::from(about), expect);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_logged_as_far_as_they_are_to_be() {
    let refused = json!(["connection refused", null, null, null, 403]);
    let closed = json!(["connection closed", null, "server", 4501, null]);
    assert_eq!(logged(Some("off")).await, [Value::Null; 0]);
    assert_eq!(logged(None).await, [refused.clone(), closed.clone()]);
    assert_eq!(logged(Some("failures")).await, [refused.clone(), closed.clone()]);
    let all = [
        refused,
        json!(["connection opened", null, null, null, null]),
        closed,
        json!(["connection opened", "ann", null, null, null]),
        json!(["connection closed", "ann", "peer", 1005, null]),
    ];
    assert_eq!(logged(Some("all")).await, all);
}
