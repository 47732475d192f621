//! Unix sockets.

use std::path::{Path, PathBuf};

use futures_util::{SinkExt, StreamExt};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use ws_tests::prelude::*;
use ws_tests::process::Signal;
use ws_transport::ListenAddr;

use super::{logged_address, trusted};
use crate::SERVER;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ws.sock");
    (dir, path)
}

/// A process that listens there, and on a port.
async fn start(path: &Path, variables: &[(&str, &str)]) -> Process {
    let unix = format!("unix:{}", path.display());
    let variables = [&[("WS_SERVER__LOG_CONNECTIONS", "all")], variables].concat();
    let mut server = Process::with_args(SERVER, &["--addr", "127.0.0.1:0", "--addr", &unix], &variables).await;
    assert!(server.logged("listening on a Unix socket").await.contains(&unix));
    server
}

/// The answer to a GET.
async fn get(path: &Path, resource: &str) -> String {
    let mut stream = UnixStream::connect(path).await.expect("it listens");
    stream.write_all(raw::request("GET", resource, &[("Connection", "close")]).as_bytes()).await.expect("room");
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.expect("an end in order");
    answer
}

async fn websocket(path: &Path) -> WebSocketStream<UnixStream> {
    let stream = UnixStream::connect(path).await.expect("it listens");
    let (mut socket, _) = within("the handshake", client_async("ws://localhost/ws", stream)).await.expect("accepted");
    let connected = next(&mut socket).await;
    assert_eq!(connected["data"]["event"], "connected");
    socket
}

async fn next(socket: &mut WebSocketStream<UnixStream>) -> Value {
    match within("a frame", socket.next()).await {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("waited for a text frame, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_and_websockets_work_as_on_a_port() {
    let (_dir, path) = place();
    let mut server = start(&path, &[]).await;
    assert!(get(&path, "/health").await.starts_with("HTTP/1.1 200 OK"));
    let mut socket = websocket(&path).await;
    assert_eq!(logged_address(&mut server, "connection opened").await, "127.0.0.1");
    let mut other = Client::connect(server.addr(), "/ws").await;
    // Larger than what a socket takes at once.
    let large = "x".repeat(60_000);
    let request = json!({"id": "1", "type": "request", "action": "broadcast", "payload": {"message": large}});
    for _ in 0..20 {
        socket.send(Message::text(request.to_string())).await.expect("room");
        assert_eq!(other.event("broadcast").await["message"], large.as_str());
    }
    let (mut answers, mut broadcasts) = (0, 0);
    while answers + broadcasts < 40 {
        match next(&mut socket).await["type"].as_str() {
            Some("response") => answers += 1,
            _ => broadcasts += 1,
        }
    }
    assert_eq!((answers, broadcasts), (20, 20));
    socket.close(None).await.expect("it is open");
    assert_eq!(logged_address(&mut server, "connection closed").await, "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_goes_with_the_process_and_a_stale_one_is_replaced() {
    let (_dir, path) = place();
    let server = start(&path, &[]).await;
    server.kill().await;
    assert!(path.exists(), "it outlives a kill");
    let server = start(&path, &[]).await;
    assert!(get(&path, "/health").await.starts_with("HTTP/1.1 200 OK"));
    server.signal(Signal::Term).await;
    assert_eq!(server.exit_code().await, Some(0));
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_use_or_no_socket_stays() {
    let (dir, path) = place();
    let _server = start(&path, &[]).await;
    let file = dir.path().join("file");
    std::fs::write(&file, "mine").expect("room");
    for (path, why) in
        [(&path, "another process listens on this socket"), (&file, "the file exists and is not a socket")]
    {
        let addr = format!("unix:{}", path.display());
        let output = tokio::process::Command::new(SERVER).args(["--addr", &addr]).output();
        let output = within("the server to end", output).await.expect("it starts");
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(&format!("cannot listen on {addr}: {why}")), "{log}");
    }
    assert!(get(&path, "/health").await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "mine");
}

/// The peers of a Unix socket are on this machine, and trusted where loopback is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_on_it_is_trusted_as_loopback() {
    let (_dir, path) = place();
    let mut server = start(&path, &[("WS_SERVER__PROXY__TRUSTED", "loopback")]).await;
    let mut stream = UnixStream::connect(&path).await.expect("it listens");
    let headers = [&raw::handshake_headers()[..], &[("X-Forwarded-For", "203.0.113.7")]].concat();
    stream.write_all(raw::request("GET", "/ws", &headers).as_bytes()).await.expect("room");
    assert_eq!(logged_address(&mut server, "connection opened").await, "203.0.113.7");
}

/// With TLS on the ports, a Unix socket is still plain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_never_encrypted() {
    let (_dir, path) = place();
    let certificate = ws_tests::tls::Certificate::new();
    let _server = Server::with(|config| {
        config.tls.cert_file = Some(certificate.cert_file());
        config.tls.key_file = Some(certificate.key_file());
        config.addr.push(ListenAddr::Unix(path.clone()));
        config.proxy.trusted = trusted(&["loopback"]);
    })
    .await;
    assert!(get(&path, "/health").await.starts_with("HTTP/1.1 200 OK"));
}
