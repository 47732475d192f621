//! What one address may have, so that it cannot lock out the others.

use ws_tests::prelude::*;

use crate::SERVER;

const HOST: [u8; 4] = [127, 0, 0, 9];
const SHARE: usize = 20;
const OTHERS: u8 = 10;

async fn sharing() -> Server {
    Server::with(|config| config.limits.sockets_per_ip_max = SHARE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_host_leaves_room_for_the_others() {
    let server = sharing().await;
    let mut held = Vec::new();
    for _ in 0..5 * SHARE {
        held.push(Raw::connect_from(HOST, server.addr()).await);
    }
    let refused = r#"ws_handshakes_refused_total{reason="address_sockets"}"#;
    server.wait_for_metric(refused, 4.0 * SHARE as f64).await;
    for last in 1..=OTHERS {
        let other = Raw::connect_from([127, 0, 1, last], server.addr()).await;
        drop(other.shaken().await);
        let mut other = Raw::connect_from([127, 0, 1, last], server.addr()).await;
        assert_eq!(other.ask("GET", "/health", &[]).await.status, 200);
    }
    drop(held);
    until("its share to be free", async || {
        let mut again = Raw::connect_from(HOST, server.addr()).await;
        again.try_write(raw::request("GET", "/health", &[]).as_bytes()).await;
        again.rest_until(b"HTTP/1.1 200 OK").await.then_some(())
    })
    .await;
}

/// An open WebSocket is no share of its address: only the way there is, and the way out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_websockets_do_not_count() {
    let server = sharing().await;
    let mut open = Vec::new();
    for _ in 0..3 * SHARE {
        open.push(Raw::connect_from(HOST, server.addr()).await.shaken().await);
    }
    server.wait_for_metric("ws_connections", 3.0 * SHARE as f64).await;
    // The one that asks.
    server.wait_for_metric("ws_sockets", 1.0).await;
    drop(open);
    server.wait_for_metric("ws_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_socket_is_logged() {
    let variables =
        [("WS_SERVER__LIMITS__SOCKETS_PER_IP_MAX", "1"), ("WS_SERVER__LIMITS__HANDSHAKES_PER_IP_PER_SECOND", "1")];
    let mut server = Process::start(SERVER, &variables).await;
    let _holds = Raw::connect_from(HOST, server.addr()).await;
    let mut refused = Raw::connect_from(HOST, server.addr()).await;
    assert!(refused.rest().await.is_empty());
    let line = server.logged("this address has too many sockets").await;
    assert!(line.contains("127.0.0.9"), "{line}");
    let other = [127, 0, 0, 10];
    let mut open = vec![Raw::connect_from(other, server.addr()).await.shaken().await];
    let answer = until("a refusal", async || {
        let mut next = Raw::connect_from(other, server.addr()).await;
        next.write(raw::handshake("/ws").as_bytes()).await;
        let answer = next.response(true).await;
        if answer.status != 101 {
            return Some(answer);
        }
        // It came late enough. As an open WebSocket it does not count.
        next.frame().await;
        open.push(next);
        None
    })
    .await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "overloaded"));
    assert!(answer.header("retry-after").is_some());
    server.logged("this address opens connections faster").await;
    drop(open);
}

/// 88 KB of a schema would stay with each connection that has asked for it, if hyper had to copy it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_request_leaves_little_behind() {
    const CONNECTIONS: usize = 500;
    let server = Process::start(SERVER, &[]).await;
    let addr = server.addr();
    let schema = http::get(addr, "/schema/asyncapi.json").await.body.len();
    let before = http::metrics(addr).await.get("process_resident_memory_bytes");
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut raw = Raw::connect(addr).await;
        assert_eq!(raw.ask("GET", "/schema/asyncapi.json", &[]).await.body.len(), schema);
        held.push(raw);
    }
    let after = http::metrics(addr).await;
    assert!(after.get("ws_sockets") > CONNECTIONS as f64, "they are all open");
    let each = (after.get("process_resident_memory_bytes") - before) / CONNECTIONS as f64;
    assert!(each < 30_000.0, "{each} bytes for each connection, after {schema} bytes of a schema");
    println!("{each} bytes for each idle HTTP connection");
}
