//! `[metrics] addr`.

use std::net::{SocketAddr, TcpListener};

use ws_tests::prelude::*;
use ws_tests::process::Signal;

use crate::SERVER;

/// A server whose metrics are at an address of their own, and that address.
async fn apart() -> (Process, SocketAddr) {
    let mut server = Process::start(SERVER, &[("WS_SERVER__METRICS__ADDR", "127.0.0.1:0")]).await;
    let line: Value = serde_json::from_str(&server.logged("only http").await).expect("a JSON log");
    let metrics = line["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("an address");
    (server, metrics)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_there_and_nothing_else() {
    let (server, metrics) = apart().await;
    assert_eq!(http::get(server.addr(), "/metrics").await.status, 404);
    assert_eq!(http::get(server.addr(), "/health").await.status, 200);
    let _client = Client::connect(server.addr(), "/ws").await;
    assert_eq!(http::metrics(metrics).await.get("ws_connections"), 1.0);
    assert_eq!(http::ask(metrics, "HEAD", "/metrics", &[]).await.status, 200);
    assert_eq!(http::ask(metrics, "POST", "/metrics", &[]).await.status, 405);
    for path in ["/", "/health", "/ready", "/ws", "/metrics/", "/schema/openapi.json"] {
        let response = http::ask(metrics, "GET", path, &raw::handshake_headers()).await;
        assert_eq!((response.status, response.error_code().as_str()), (404, "not_found"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_there_until_the_end_of_a_drain() {
    let (server, metrics) = apart().await;
    let mut client = Client::connect(server.addr(), "/ws").await;
    server.signal(Signal::Term).await;
    client.event("draining").await;
    assert_eq!(http::metrics(metrics).await.get("ws_draining"), 1.0);
    assert_eq!(client.closed().await.0, 1001);
    assert_eq!(server.exit_code().await, Some(0));
}

/// The metrics of a server that is behind a proxy are read without one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proxy_is_expected_there() {
    let variables = [
        ("WS_SERVER__METRICS__ADDR", "127.0.0.1:0"),
        ("WS_SERVER__PROXY__TRUSTED", "loopback"),
        ("WS_SERVER__PROXY__PROTOCOL", "true"),
    ];
    let mut server = Process::start(SERVER, &variables).await;
    let line: Value = serde_json::from_str(&server.logged("only http").await).expect("a JSON log");
    let metrics = line["addr"].as_str().and_then(|addr| addr.parse().ok()).expect("an address");
    assert_eq!(http::metrics(metrics).await.get("ws_proxy_failures_total"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("port 0");
    let addr = taken.local_addr().expect("an address").to_string();
    for args in [["--addr", "127.0.0.1:0", "--addr", &addr], ["--addr", "127.0.0.1:0", "--log-format", "text"]] {
        let mut command = tokio::process::Command::new(SERVER);
        command.args(args).env_remove("WEBSOCKET_ADDR");
        if !args.contains(&addr.as_str()) {
            command.env("WS_SERVER__METRICS__ADDR", &addr);
        }
        let output = within("the server to end", command.output()).await.expect("it starts");
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(&format!("cannot listen on {addr}: Address already in use")), "{log}");
    }
}
