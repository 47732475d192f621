//! Readers that do not read: the others do not notice, memory stays bounded, nothing is lost unannounced.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::Barrier;
use tokio_tungstenite::tungstenite::Message;
use ws_tests::prelude::*;

use crate::SERVER;

/// Receive buffer of the slow reader's socket, in bytes.
const RECEIVE_BUFFER: u32 = 64 * 1024;
const BURST: usize = 32;
const MIB: f64 = 1024.0 * 1024.0;

fn broadcast(n: usize) -> String {
    let message = json!([n, "x".repeat(4096)]);
    json!({"id": "b", "type": "request", "action": "broadcast", "payload": {"message": message}}).to_string()
}

/// Publishes bursts, each after everybody at the barrier has received the previous one.
async fn publish(mut client: Client, bursts: usize, everybody: Arc<Barrier>) -> Client {
    for burst in 0..bursts {
        client.texts((0..BURST).map(|n| broadcast(burst * BURST + n))).await;
        for _ in 0..BURST {
            assert_eq!(client.answer("b").await["type"], "response");
        }
        for n in 0..BURST {
            assert_eq!(client.event("broadcast").await["message"][0], burst * BURST + n);
        }
        within("everybody to get the burst", everybody.wait()).await;
    }
    client
}

async fn read(mut client: Client, bursts: usize, everybody: Arc<Barrier>) -> Client {
    for burst in 0..bursts {
        for n in 0..BURST {
            assert_eq!(client.event("broadcast").await["message"][0], burst * BURST + n, "in order, without a gap");
        }
        within("everybody to get the burst", everybody.wait()).await;
    }
    client
}

/// Reads to the last of `sent` broadcasts: how many were received, how many announced as missed, and in how many gaps.
async fn catch_up(client: &mut Client, sent: usize) -> (usize, usize, usize) {
    let (mut next, mut received, mut missed, mut gaps) = (0, 0, 0, 0);
    while next < sent {
        let frame = client.json().await;
        match frame["data"]["event"].as_str() {
            Some("broadcast") => {
                assert_eq!(frame["data"]["message"][0], next, "in order, without a hole");
                received += 1;
                next += 1;
            }
            Some("gap") => {
                assert_eq!(frame["data"]["broadcast"], true, "{frame}");
                let hole = frame["data"]["missed"].as_u64().unwrap_or_else(|| panic!("a count: {frame}"));
                assert!(hole > 0, "{frame}");
                missed += hole as usize;
                next += hole as usize;
                gaps += 1;
            }
            _ => panic!("{frame}"),
        }
    }
    (received, missed, gaps)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_fifty_never_reads_and_nobody_notices() {
    const READERS: usize = 48;
    const BURSTS: usize = 64;
    let server = Process::start(SERVER, &[("WS_SERVER__LIMITS__BROADCAST_LOG_BYTES_MAX", "1MiB")]).await;
    let addr = server.addr();
    let mut slow = Client::with_receive_buffer(addr, RECEIVE_BUFFER).await;
    let everybody = Arc::new(Barrier::new(READERS + 1));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..READERS {
        tasks.spawn(read(Client::connect(addr, "/ws").await, BURSTS, everybody.clone()));
    }
    let before = http::metrics(addr).await.get("process_resident_memory_bytes");
    tasks.spawn(publish(Client::connect(addr, "/ws").await, BURSTS, everybody));
    let clients = tasks.join_all().await;
    let after = http::metrics(addr).await;
    let grown = after.get("process_resident_memory_bytes") - before;
    assert!(grown < 24.0 * MIB, "memory is bounded: {grown} bytes more");

    let sent = BURSTS * BURST;
    let (received, missed, gaps) = catch_up(&mut slow, sent).await;
    assert_eq!(received + missed, sent);
    assert!(missed > 0, "8 MiB fit neither in the sockets nor in the log");
    let metrics = http::metrics(addr).await;
    let counted = [metrics.get("ws_missed_total"), metrics.get("ws_gaps_total")];
    assert_eq!(counted, [missed as f64, gaps as f64], "the only one that missed something");
    // It is live again.
    let answer = slow.request("1", "broadcast", json!({"message": "live"})).await;
    assert_eq!(answer["data"]["recipients"], READERS + 2);
    assert_eq!(slow.event("broadcast").await["message"], "live");
    drop(clients);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_still_holds_is_not_missed() {
    const BURSTS: usize = 40;
    let server = Server::start().await;
    let mut slow = Client::with_receive_buffer(server.addr(), RECEIVE_BUFFER).await;
    publish(server.connect().await, BURSTS, Arc::new(Barrier::new(1))).await;
    assert_eq!(catch_up(&mut slow, BURSTS * BURST).await, (BURSTS * BURST, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_broadcasts_share_a_slow_socket() {
    const BURSTS: usize = 40;
    let server = Server::with(|config| config.limits.broadcast_log_bytes_max = 1024 * 1024).await;
    let mut slow = Client::with_receive_buffer(server.addr(), RECEIVE_BUFFER).await;
    let publisher = publish(server.connect().await, BURSTS / 2, Arc::new(Barrier::new(1))).await;
    // Fewer than the outbox holds, so all are read while the socket is full.
    let echo = |n: usize| json!({"id": n.to_string(), "type": "request", "action": "echo", "payload": {"message": n}});
    slow.texts((0..100).map(|n| echo(n).to_string())).await;
    server.wait_for_metric(r#"ws_requests_total{action="echo"}"#, 100.0).await;
    let mut publisher = publisher;
    for n in 0..BURST {
        publisher.request("x", "broadcast", json!({"message": [BURSTS / 2 * BURST + n, "x".repeat(4096)]})).await;
    }
    let sent = BURSTS / 2 * BURST + BURST;
    let (mut next, mut answered) = (0, 0);
    while next < sent || answered < 100 {
        let frame = slow.json().await;
        if frame["type"] == "response" {
            assert_eq!(frame["id"], answered.to_string(), "answers in order");
            answered += 1;
            continue;
        }
        match frame["data"]["missed"].as_u64() {
            Some(missed) => next += missed as usize,
            None => {
                assert_eq!(frame["data"]["message"][0], next, "broadcasts in order");
                next += 1;
            }
        }
    }
}

/// Waits until a reader that never reads has been closed, and then reads what is left for it.
async fn given_up(server: &Server, mut slow: Client, left: f64) {
    server.wait_for_metric(r#"ws_connections_closed_total{code="4001"}"#, 1.0).await;
    server.wait_for_metric("ws_connections", left).await;
    loop {
        match slow.next().await {
            Frame::Json(_) | Frame::Ping | Frame::Pong(_) => {}
            Frame::Close(close) => assert_eq!(close.map(|close| close.0), Some(4001)),
            Frame::End => break,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_progress_on_broadcasts_ends_the_connection() {
    const BURSTS: usize = 64;
    let server = Server::with(|config| config.limits.write_timeout = Duration::from_millis(300)).await;
    let slow = Client::with_receive_buffer(server.addr(), RECEIVE_BUFFER).await;
    let _publisher = publish(server.connect().await, BURSTS, Arc::new(Barrier::new(1))).await;
    given_up(&server, slow, 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_progress_on_answers_ends_the_connection() {
    // No heartbeat that could end it instead.
    let server = Server::with(|config| {
        config.limits.write_timeout = Duration::from_millis(300);
        config.heartbeat.interval = Duration::ZERO;
    })
    .await;
    let client = Client::with_receive_buffer(server.addr(), RECEIVE_BUFFER).await;
    let (mut sink, stream) = client.into_inner().split();
    let echo =
        json!({"id": "1", "type": "request", "action": "echo", "payload": {"message": "x".repeat(4096)}}).to_string();
    let flood = tokio::spawn(async move { while sink.send(Message::text(echo.clone())).await.is_ok() {} });
    server.wait_for_metric(r#"ws_connections_closed_total{code="4001"}"#, 1.0).await;
    server.wait_for_metric("ws_connections", 0.0).await;
    within("the socket to end", flood).await.expect("the flood ends");
    drop(stream);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_does_not_read_its_answers_is_slowed_down() {
    // More than all sockets' buffers together can hold.
    const REQUESTS: usize = 16_384;
    let server = Process::start(SERVER, &[]).await;
    let addr = server.addr();
    let client = Client::connect(addr, "/ws").await;
    let before = http::metrics(addr).await.get("process_resident_memory_bytes");
    let (mut sink, mut stream) = client.into_inner().split();
    let writing = tokio::spawn(async move {
        let text = "x".repeat(4096);
        for n in 0..REQUESTS {
            let request =
                json!({"id": n.to_string(), "type": "request", "action": "echo", "payload": {"message": text}});
            sink.send(Message::text(request.to_string())).await.expect("the server takes it");
        }
    });
    // Until the server has read nothing more for a number of looks.
    let mut looks = (0, -1.0);
    let stuck = until("the server to stop reading", async || {
        let metrics = http::metrics(addr).await;
        let read = metrics.get("ws_messages_received_total");
        looks = if read == looks.1 { (looks.0 + 1, read) } else { (0, read) };
        (looks.0 == 40).then_some(metrics)
    })
    .await;
    assert!(!writing.is_finished() && looks.1 < REQUESTS as f64, "{} were read", looks.1);
    let grown = stuck.get("process_resident_memory_bytes") - before;
    assert!(grown < 16.0 * MIB, "memory is bounded: {grown} bytes more");
    for n in 0..REQUESTS {
        let answer = within("an answer", stream.next()).await.expect("not the end").expect("no error");
        let text = answer.into_text().expect("text");
        assert!(text.starts_with(&format!(r#"{{"id":"{n}","type":"response""#)), "{n}: {}", &text[..60]);
    }
    within("the writer", writing).await.expect("all were written");
}
