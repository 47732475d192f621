//! Thousands of connections, ended in every possible way: nothing of them is left.

use ws_tests::prelude::*;
use ws_tests::raw::{FIN, frame, opcode, text};

use crate::SERVER;

const CONNECTIONS: usize = 2000;
const AT_ONCE: usize = 50;
const WAYS: usize = 10;

/// One connection, ended in a way that depends on `n`. True if it became a WebSocket.
async fn visit(addr: std::net::SocketAddr, n: usize) -> bool {
    let handshake = raw::handshake("/ws");
    let echo = text(r#"{"id":"1","type":"request","action":"echo","payload":{"message":[1,2,3]}}"#);
    if n % WAYS < 3 {
        let mut raw = Raw::connect(addr).await;
        match n % WAYS {
            0 => drop(raw),
            1 => raw.write(&handshake.as_bytes()[..handshake.len() / 2]).await,
            _ => {
                raw.write(&handshake.as_bytes()[..handshake.len() / 2]).await;
                raw.reset();
            }
        }
        return false;
    }
    if n % WAYS == 3 {
        Client::connect(addr, "/ws").await.close().await;
        return true;
    }
    let mut raw = Raw::websocket(addr).await;
    match n % WAYS {
        4 => drop(raw),
        5 => raw.reset(),
        6 => raw.write(&echo[..echo.len() / 2]).await,
        7 => {
            raw.write(&[&echo.repeat(3)[..], &frame(opcode::TEXT, b"{\"id\":")].concat()).await;
            raw.reset();
        }
        8 => {
            raw.write(&frame(FIN | opcode::BINARY, b"x")).await;
            assert_eq!(raw.closed().await, 1003);
        }
        _ => {
            raw.write(&echo).await;
            raw.finish().await;
            raw.rest().await;
        }
    }
    true
}

/// All connections, some at once; how many became WebSockets.
async fn visits(addr: std::net::SocketAddr) -> usize {
    let mut opened = 0;
    for first in (0..CONNECTIONS).step_by(AT_ONCE) {
        let mut tasks = tokio::task::JoinSet::new();
        for n in first..first + AT_ONCE {
            tasks.spawn(visit(addr, n));
        }
        opened += tasks.join_all().await.into_iter().filter(|opened| *opened).count();
    }
    opened
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_ended_connections() {
    let server = Process::start(SERVER, &[]).await;
    let addr = server.addr();
    let files = server.open_files();
    let mut memory = Vec::new();
    let mut opened = 0;
    for _ in 0..2 {
        opened += visits(addr).await;
        let metrics = until("the connections to be gone", async || {
            let metrics = http::metrics(addr).await;
            // The socket that asks is open itself, and may be there for a moment longer.
            (metrics.get("ws_connections") == 0.0 && server.open_files() <= files + 1).then_some(metrics)
        })
        .await;
        memory.push(metrics.get("process_resident_memory_bytes"));
    }
    assert!(memory[1] - memory[0] < 8e6, "memory does not grow from round to round: {memory:?}");

    let metrics = http::metrics(addr).await;
    let closed: f64 = ws_proto::CloseCode::ALL
        .iter()
        .map(|code| metrics.get(&format!(r#"ws_connections_closed_total{{code="{}"}}"#, code.as_u16())))
        .sum();
    assert_eq!(metrics.get("ws_connections_opened_total"), opened as f64);
    assert_eq!(closed + metrics.get("ws_connections_lost_total"), opened as f64, "each ended in one way");
    assert_eq!(metrics.get(r#"ws_connections_closed_total{code="1003"}"#), (2 * CONNECTIONS / WAYS) as f64);
    assert_eq!(metrics.get("ws_panics_total"), 0.0);

    let mut client = Client::connect(addr, "/ws").await;
    assert_eq!(client.count().await, 1);
    assert_eq!(client.request("1", "broadcast", json!({"message": 1})).await["data"]["recipients"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_releases_the_permit() {
    // Room for as many as there are at once: if one kind of end kept its permit, they would soon run out.
    let server = Server::with(|config| config.limits.connections_max = 4).await;
    for n in 0..60 {
        visit(server.addr(), n).await;
        server.wait_for_metric("ws_connections", 0.0).await;
    }
    assert_eq!(server.connect_many(4).await[0].count().await, 4);
}
