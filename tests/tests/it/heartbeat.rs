//! PROTOCOL, "Heartbeat", with short intervals.

use std::sync::Arc;

use ws_tests::prelude::*;
use ws_tests::raw::{FIN, frame, opcode};

use crate::held::Held;

/// Long enough for a busy machine to answer in time, short enough for a test.
const INTERVAL: Duration = Duration::from_millis(100);
const PATIENT: Duration = Duration::from_secs(20);
const IMPATIENT: Duration = Duration::from_secs(3);

async fn beating(timeout: Duration) -> Server {
    Server::with(|config| {
        config.heartbeat.interval = INTERVAL;
        config.heartbeat.timeout = timeout;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_and_clients_that_answer() {
    let server = beating(PATIENT).await;
    let mut client = server.connect().await;
    let mut app = Client::connect(server.addr(), "/ws?x=1&heartbeat=app").await;
    assert_eq!(client.connected["heartbeat"], json!({"interval_ms": 100, "timeout_ms": 20_000}));
    for _ in 0..4 {
        assert_eq!(client.next().await, Frame::Ping);
        assert_eq!(app.next().await, Frame::Json(json!({"type": "ping"})));
        app.text(r#"{"type":"pong"}"#).await;
    }
    assert_eq!(client.count().await, 2);
    let metrics = server.metrics().await;
    assert!(metrics.get("ws_pings_total") >= 8.0);
    assert_eq!(metrics.get(r#"ws_connections_closed_total{code="4000"}"#), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_client_is_closed() {
    let server = beating(IMPATIENT).await;
    for (path, ping) in [("/ws", FIN | opcode::PING), ("/ws?heartbeat=app", FIN | opcode::TEXT)] {
        let mut silent = Raw::connect(server.addr()).await;
        silent.write(raw::handshake(path).as_bytes()).await;
        assert_eq!(silent.response(false).await.status, 101);
        assert_eq!(silent.json().await["data"]["event"], "connected");
        assert_eq!(silent.frame().await.first, ping, "{path}: it is asked first");
        assert_eq!(silent.closed().await, 4000, "{path}");
    }
    server.wait_for_metric("ws_connections", 0.0).await;
    assert_eq!(server.metrics().await.get(r#"ws_connections_closed_total{code="4000"}"#), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_disappears_is_closed() {
    // Answers nothing, not even the close frame: the server ends the socket by itself.
    let server = beating(IMPATIENT).await;
    let gone = Raw::websocket(server.addr()).await;
    server.wait_for_metric("ws_connections", 0.0).await;
    drop(gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_frame_counts_as_a_sign_of_life() {
    let server = beating(IMPATIENT).await;
    // Never answers a ping, but sends something else in time, for longer than the timeout.
    let live = async |life: Vec<u8>| {
        let mut client = Raw::websocket(server.addr()).await;
        let mut pings = 0;
        while pings < 35 {
            if client.frame().await.first == FIN | opcode::PING {
                pings += 1;
                client.write(&life).await;
            }
        }
    };
    tokio::join!(
        live(frame(FIN | opcode::PONG, b"unasked")),
        live(raw::text(r#"{"type":"pong"}"#)),
        live(raw::text(r#"{"type":"ping"}"#)),
        live(frame(FIN | opcode::PING, b"")),
    );
    assert_eq!(server.metrics().await.get(r#"ws_connections_closed_total{code="4000"}"#), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_ask_too() {
    let server = Server::start().await;
    for path in ["/ws", "/ws?heartbeat=app"] {
        let mut client = Client::connect(server.addr(), path).await;
        client.text(r#"{"type":"ping"}"#).await;
        assert_eq!(client.next().await, Frame::Json(json!({"type": "pong"})));
        client.text(r#"{"type":"pong"}"#).await;
        client.send(tokio_tungstenite::tungstenite::Message::Ping(b"payload".to_vec().into())).await;
        assert_eq!(client.next().await, Frame::Pong(b"payload".to_vec()), "a pong of ours is not answered");
    }
    let mut raw = Raw::websocket(server.addr()).await;
    raw.write(&frame(FIN | opcode::PING, &[7; 125])).await;
    let pong = raw.frame().await;
    assert_eq!((pong.first, pong.payload), (FIN | opcode::PONG, vec![7; 125]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_receiver_that_never_sends_is_still_pinged() {
    let server = beating(PATIENT).await;
    let mut receiver = server.connect().await;
    let mut sender = server.connect().await;
    let mut received = 0;
    // Data is sent to it all the time, so only its own silence can be the reason.
    loop {
        sender.request("1", "broadcast", json!({"message": received})).await;
        sender.event("broadcast").await;
        match receiver.next().await {
            Frame::Json(frame) => received += u32::from(frame["data"]["event"] == "broadcast"),
            Frame::Ping if received > 0 => break,
            // It had to wait for the first one.
            Frame::Ping => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_is_off() {
    let server = Server::with(|config| config.heartbeat.interval = Duration::ZERO).await;
    let mut client = server.connect().await;
    assert_eq!(client.connected["heartbeat"], json!({"interval_ms": 0, "timeout_ms": 0}));
    assert_eq!(client.count().await, 1);
}

/// The server does not read from a waiting publisher, so it must not close it for silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_publisher_is_not_taken_for_dead() {
    let engine = Arc::new(Held::new());
    let server = Server::over(engine.clone(), |config| {
        config.heartbeat.interval = INTERVAL;
        config.heartbeat.timeout = IMPATIENT;
    })
    .await;
    let (mut held, mut silent) = (Raw::websocket(server.addr()).await, Raw::websocket(server.addr()).await);
    engine.set_room(false);
    let publish =
        |id| json!({"id": id, "type": "request", "action": "publish", "payload": {"channel": "a", "data": 1}});
    for socket in [&mut held, &mut silent] {
        socket.write(&raw::text(&publish("1").to_string())).await;
    }
    until("both to be held", async || (server.metrics().await.get("ws_publishers_held_total") >= 2.0).then_some(()))
        .await;
    // The waiting publisher has unread bytes until there is room; the silent client has none.
    held.write(&raw::text(&publish("2").to_string())).await;
    assert_eq!(silent.closed().await, 4000);
    server.wait_for_metric("ws_connections", 1.0).await;
    // Until the silence is looked at once more.
    tokio::time::sleep(IMPATIENT + 5 * INTERVAL).await;
    engine.set_room(true);
    until("both publications", async || (engine.held() == 2).then_some(())).await;
    engine.let_go();
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let frame = held.frame().await;
        if frame.first == FIN | opcode::TEXT {
            answered.push(frame);
        }
    }
}
