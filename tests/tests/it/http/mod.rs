//! PROTOCOL, "HTTP": pages, health, metrics, schemas, and invalid handshakes.

mod bodies;

use ws_tests::http::Response;
use ws_tests::prelude::*;
use ws_tests::raw::{KEY, handshake_headers};

const PAGES: [(&str, &str); 6] = [
    ("/client/ws-client.js", "text/javascript; charset=utf-8"),
    ("/client/ws-client.d.ts", "application/typescript; charset=utf-8"),
    ("/", "text/html; charset=utf-8"),
    ("/index.css", "text/css; charset=utf-8"),
    ("/index.js", "text/javascript; charset=utf-8"),
    ("/favicon.svg", "image/svg+xml"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_come_with_a_strict_policy() {
    let server = Server::start().await;
    for (path, content_type) in PAGES {
        let page = http::get(server.addr(), path).await;
        assert_eq!((page.status, page.header("content-type")), (200, Some(content_type)), "{path}");
        assert!(!page.body.is_empty());
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let any = path.starts_with("/client/").then_some("*");
        assert_eq!(page.header("access-control-allow-origin"), any, "{path}");
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
    }
    let page = http::get(server.addr(), "/?x=1").await;
    assert!(page.text().contains("<!doctype html>"), "a query changes nothing");
    let html = page.text();
    assert!(
        !html.contains("https://") && !html.contains("http://") && !html.contains("style=\""),
        "nothing from elsewhere"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_elsewhere_for_the_websocket_is_told_where_it_is() {
    let server = Server::start().await;
    let message = |response: Response| {
        assert_eq!((response.status, response.error_code().as_str()), (404, "not_found"));
        response.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    };
    for path in ["/ws/", "/WS", "/socket.io/?EIO=4&transport=polling", "/connection/websocket"] {
        let said = message(http::get(server.addr(), path).await);
        assert!(said.ends_with(": the WebSocket is at /ws"), "{path}: {said}");
    }
    assert!(message(http::get(server.addr(), "/health/").await).ends_with("did you mean /health?"));
    for path in ["/", "/ws/", "/chat", "/health"] {
        let mut socket = Raw::connect(server.addr()).await;
        socket.write(raw::handshake(path).as_bytes()).await;
        let said = message(socket.response(true).await);
        assert_eq!(said, format!("no WebSocket at {path}: the WebSocket is at /ws"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_readiness() {
    let server = Server::start().await;
    let _client = server.connect().await;
    let health = http::get(server.addr(), "/health").await;
    assert_eq!(health.status, 200);
    let body = health.json();
    assert_eq!((&body["status"], &body["connections"]), (&json!("ok"), &json!(1)), "{body}");
    assert_eq!(body["version"], ws_server::app::VERSION);
    assert!(body["uptime_s"].is_u64(), "{body}");
    let ready = http::get(server.addr(), "/ready").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json().is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_move() {
    let server = Server::start().await;
    let before = server.metrics().await;
    assert_eq!(before.get("ws_connections"), 0.0);
    assert!(before.get("process_resident_memory_bytes") > 1e6);

    let mut client = server.connect().await;
    let mut other = server.connect().await;
    client.request("1", "echo", json!({"message": "x"})).await;
    client.request("2", "broadcast", json!({"message": "x"})).await;
    client.event("broadcast").await;
    other.event("broadcast").await;
    client.request("3", "fly", json!({})).await;
    client.text("x").await;
    client.error().await;
    other.close().await;

    // A delivery is counted after it is made.
    server.wait_for_metric("ws_deliveries_total", 2.0).await;
    let after = server.metrics().await;
    for (name, value) in [
        ("ws_connections", 1.0),
        ("ws_connections_opened_total", 2.0),
        ("ws_connections_lost_total", 0.0),
        (r#"ws_connections_closed_total{code="1000"}"#, 1.0),
        (r#"ws_requests_total{action="echo"}"#, 1.0),
        (r#"ws_requests_total{action="broadcast"}"#, 1.0),
        (r#"ws_requests_total{action="get_connections"}"#, 0.0),
        (r#"ws_errors_total{code="unknown_action"}"#, 1.0),
        (r#"ws_errors_total{code="malformed"}"#, 1.0),
        ("ws_messages_received_total", 4.0),
        ("ws_broadcasts_total", 1.0),
        ("ws_panics_total", 0.0),
        ("ws_gaps_total", 0.0),
        ("ws_draining", 0.0),
    ] {
        assert_eq!(after.get(name), value, "{name}");
    }
    assert!(after.get("ws_received_bytes_total") > 100.0 && after.get("ws_sent_bytes_total") > 500.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_are_json_and_say_what_they_are() {
    let server = Server::start().await;
    for (path, mark) in [("asyncapi", "asyncapi"), ("openapi", "openapi"), ("protocol", "$schema")] {
        let schema = http::get(server.addr(), &format!("/schema/{path}.json")).await;
        assert_eq!(schema.status, 200, "{path}");
        assert!(schema.json()[mark].is_string(), "{path} has {mark}");
    }
    let asyncapi = http::get(server.addr(), "/schema/asyncapi.json").await;
    for action in ws_proto::action::NAMES {
        assert!(asyncapi.text().contains(&format!("\"{action}\"")), "{action}");
    }
    assert_eq!(http::get(server.addr(), "/schema/").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_paths_and_wrong_methods() {
    let server = Server::start().await;
    for path in
        ["/nothing", "/ws/", "/WS", "//", "/health/", "/../ws", "/api/v1x", "/index.html/x", "/%2e%2e/etc/passwd"]
    {
        for method in ["GET", "POST"] {
            let response = http::ask(server.addr(), method, path, &[]).await;
            assert_eq!((response.status, response.error_code().as_str()), (404, "not_found"), "{method} {path}");
        }
    }
    for path in ["/", "/health", "/ready", "/metrics", "/schema/openapi.json"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            let response = http::ask(server.addr(), method, path, &[("Content-Length", "0")]).await;
            let facts = (response.status, response.header("allow"), response.error_code());
            assert_eq!(facts, (405, Some("GET, HEAD"), "method_not_allowed".to_owned()), "{method} {path}");
        }
    }
    let response = http::ask(server.addr(), "POST", "/ws", &handshake_headers()).await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    let mut raw = Raw::connect(server.addr()).await;
    for path in ["/", "/health", "/ready", "/index.js", "/schema/protocol.json"] {
        let get = raw.ask("GET", path, &[]).await;
        let head = raw.ask("HEAD", path, &[]).await;
        let facts = |response: &Response| {
            ["content-type", "content-length"].map(|name| response.header(name).map(str::to_owned))
        };
        assert_eq!((head.status, facts(&head)), (get.status, facts(&get)), "{path}");
        assert!(head.body.is_empty());
    }
    // The connection is still in step: no body was sent.
    assert_eq!(raw.ask("GET", "/health", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_takes_many_requests() {
    let server = Server::start().await;
    let mut raw = Raw::connect(server.addr()).await;
    for (path, status) in [("/health", 200), ("/nothing", 404), ("/ws", 426), ("/metrics", 200), ("/", 200)] {
        assert_eq!(raw.ask("GET", path, &[]).await.status, status, "{path}");
    }
    // All in one segment, the last of them the handshake, followed by a frame.
    let requests =
        [raw::request("GET", "/health", &[]), raw::request("GET", "/ready", &[]), raw::handshake("/ws")].concat();
    let frame = raw::text(r#"{"id":"1","type":"request","action":"get_connections"}"#);
    raw.write(&[requests.as_bytes(), &frame].concat()).await;
    assert_eq!(raw.response(true).await.json()["status"], "ok");
    assert_eq!(raw.response(true).await.json()["status"], "ready");
    assert_eq!(raw.response(false).await.status, 101);
    assert_eq!(raw.json().await["data"]["event"], "connected");
    assert_eq!(raw.json().await["data"]["count"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_in_the_segment_of_the_handshake() {
    let server = Server::start().await;
    for frames in [1, 2, 1500] {
        let mut raw = Raw::connect(server.addr()).await;
        let request =
            |n| raw::text(&format!(r#"{{"id":"{n}","type":"request","action":"echo","payload":{{"message":{n}}}}}"#));
        let frames_of_it: Vec<u8> = (0..frames).flat_map(request).collect();
        // The last frame arrives in two parts.
        let (early, late) = frames_of_it.split_at(frames_of_it.len() - 5);
        raw.write(&[raw::handshake("/ws").as_bytes(), early].concat()).await;
        assert_eq!(raw.response(false).await.status, 101);
        assert_eq!(raw.json().await["data"]["event"], "connected", "the server speaks first");
        raw.write(late).await;
        for n in 0..frames {
            assert_eq!(raw.json().await["id"], n.to_string());
        }
    }
}

/// The response to `GET /ws` with these changes to a valid handshake. An empty value removes a header.
async fn handshake_with(server: &Server, path: &str, changes: &[(&'static str, &'static str)]) -> Response {
    let mut headers = handshake_headers();
    for change in changes {
        headers.retain(|(name, _)| *name != change.0);
        if !change.1.is_empty() {
            headers.push(*change);
        }
    }
    let mut raw = Raw::connect(server.addr()).await;
    raw.write(raw::request("GET", path, &headers).as_bytes()).await;
    let response = raw.response(true).await;
    if response.status == 101 {
        assert_eq!(response.header("upgrade"), Some("websocket"));
        assert_eq!(
            response.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "RFC 6455, section 1.3"
        );
        assert_eq!(raw.json().await["data"]["event"], "connected");
    } else {
        assert!(!response.error_code().is_empty());
        assert_eq!(raw.ask("GET", "/health", &[]).await.status, 200, "HTTP goes on");
    }
    response
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes() {
    let server = Server::start().await;
    let check = async |path: &str, changes: &[(&'static str, &'static str)], status: u16| {
        let response = handshake_with(&server, path, changes).await;
        assert_eq!(response.status, status, "{path} {changes:?}");
        response
    };
    check("/ws", &[], 101).await;
    check("/ws?unknown=1&heartbeat=app", &[], 101).await;
    check("/ws", &[("Connection", "keep-alive, uPgRaDe"), ("Upgrade", "WebSocket")], 101).await;
    for changes in [[("Connection", "")], [("Upgrade", "")], [("Upgrade", "h2c")], [("Connection", "close")]] {
        if changes == [("Connection", "close")] {
            continue; // HTTP ends there.
        }
        let response = check("/ws", &changes, 426).await;
        assert_eq!(response.header("upgrade"), Some("websocket"));
    }
    for version in ["", "8", "14", "13, 8"] {
        let response = check("/ws", &[("Sec-WebSocket-Version", version)], 400).await;
        assert_eq!(response.header("sec-websocket-version"), Some("13"), "{version}");
    }
    for key in ["", "short", "dGhlIHNhbXBsZSBub25jZQ=", "!GhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE="] {
        let response = check("/ws", &[("Sec-WebSocket-Key", key)], 400).await;
        assert_eq!(response.error_code(), "invalid_request", "{key}");
    }
    assert_eq!(KEY.len(), 24);
    for query in ["heartbeat=nonsense", "heartbeat=", "heartbeat=App", "x=1&heartbeat=off"] {
        let response = check(&format!("/ws?{query}"), &[], 400).await;
        assert_eq!(response.error_code(), "invalid_request");
    }
    server.wait_for_metric("ws_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subprotocols() {
    let server = Server::start().await;
    for (offered, selected) in [
        ("ws.json.v1", Some("ws.json.v1")),
        ("chat, ws.json.v1", Some("ws.json.v1")),
        ("WS.JSON.V1", None),
        ("chat", None),
        ("ws.json.v2", None),
    ] {
        let response = handshake_with(&server, "/ws", &[("Sec-WebSocket-Protocol", offered)]).await;
        assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, selected), "{offered}");
        assert_eq!(response.header("sec-websocket-extensions"), None);
    }
    assert_eq!(handshake_with(&server, "/ws", &[]).await.header("sec-websocket-protocol"), None);
    let deflate = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")];
    assert_eq!(handshake_with(&server, "/ws", &deflate).await.status, 101, "an offer may be declined");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_too_large_or_wrong() {
    let server = Server::start().await;
    let long = "x".repeat(20_000);
    let many: Vec<(String, String)> = (0..100).map(|n| (format!("X-{n}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (head, status) in [
        (raw::request("GET", "/health", &[("X-Long", &long)]), 431),
        (raw::request("GET", "/health", &many), 431),
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nA B: c\r\n\r\n".to_owned(), 400),
    ] {
        let mut raw = Raw::connect(server.addr()).await;
        raw.try_write(head.as_bytes()).await;
        let answer = raw.response(true).await;
        let code = if status == 431 { "too_large" } else { "malformed" };
        assert_eq!((answer.status, &*answer.error_code()), (status, code), "{}", &head[..head.len().min(60)]);
        assert!(raw.rest().await.is_empty());
    }
    assert_eq!(http::get(server.addr(), "/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_http_connection_is_closed() {
    let server = Server::with(|config| config.limits.keep_alive = Duration::from_millis(200)).await;
    let mut raw = Raw::connect(server.addr()).await;
    assert_eq!(raw.ask("GET", "/health", &[]).await.status, 200);
    assert!(raw.rest().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incomplete_head_is_closed() {
    let server = Server::with(|config| config.limits.handshake_timeout = Duration::from_secs(3)).await;
    let silent = Raw::connect(server.addr()).await;
    let mut half = Raw::connect(server.addr()).await;
    half.write(&raw::handshake("/ws").as_bytes()[..30]).await;
    for mut raw in [silent, half] {
        let rest = raw.rest().await;
        assert!(!rest.starts_with(b"HTTP/1.1 101"), "{rest:?}");
    }
    // A connection that has completed its handshake is not affected.
    let mut client = server.connect().await;
    assert_eq!(client.count().await, 1);
}

/// A client that sends many requests and reads nothing is closed in time, like one that sends half a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_no_responses_is_closed() {
    let server = Server::with(|config| config.limits.handshake_timeout = Duration::from_secs(2)).await;
    let mut raw = Raw::connect(server.addr()).await;
    let many = raw::request("GET", "/schema/asyncapi.json", &[]).repeat(300);
    raw.write(many.as_bytes()).await;
    // It reads what is in the kernel's buffers, and then nothing more: it was cut off in the middle.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut stream = raw.into_inner();
    let (mut taken, mut buffer) = (0, vec![0; 1 << 20]);
    while let Ok(read @ 1..) = within("the end", tokio::io::AsyncReadExt::read(&mut stream, &mut buffer)).await {
        taken += read;
    }
    let whole = 300 * http::get(server.addr(), "/schema/asyncapi.json").await.body.len();
    assert!(taken < whole / 2, "{taken} of {whole} bytes");
}

/// `printf … | nc -N`: the end of the stream arrives together with the request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_shuts_down_its_side_gets_the_response() {
    let server = Server::start().await;
    for _ in 0..50 {
        let mut raw = Raw::connect(server.addr()).await;
        raw.write(raw::request("GET", "/health", &[]).as_bytes()).await;
        raw.finish().await;
        assert!(raw.rest().await.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}

/// RFC 9112, section 3.2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_one_host_and_a_valid_one() {
    let server = Server::start().await;
    let check = async |head: &str, expect: u16| {
        let mut raw = Raw::connect(server.addr()).await;
        raw.write(format!("GET {head}\r\n\r\n").as_bytes()).await;
        let answer = raw.response(true).await;
        assert_eq!(answer.status, expect, "{head:?}: {answer:?}");
        if expect == 400 {
            assert_eq!(answer.error_code(), "invalid_request", "{head:?}");
        }
    };
    check("/health HTTP/1.1\r\nHost: a.example:3000", 200).await;
    check("/health HTTP/1.1\r\nHost: [::1]:3000", 200).await;
    for path in ["/health", "/ws", "/nothing"] {
        check(&format!("{path} HTTP/1.1"), 400).await;
        check(&format!("{path} HTTP/1.1\r\nHost: a\r\nHost: a"), 400).await;
        check(&format!("{path} HTTP/1.1\r\nHost: a b"), 400).await;
        check(&format!("{path} HTTP/1.1\r\nHost: ann@a.example"), 400).await;
        check(&format!("{path} HTTP/1.1\r\nHost:"), 400).await;
    }
}
