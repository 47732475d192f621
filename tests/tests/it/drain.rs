//! The drain: every client is told when to reconnect, and the process exits cleanly.

use std::sync::Arc;

use crate::held::Held;
use ws_tests::prelude::*;
use ws_tests::process::Signal;

use crate::SERVER;

const CLIENTS: usize = 200;

/// Reads what a client gets in a drain: its slot, then close 1001 and the end. Returns the slot.
async fn goodbye(mut client: Client) -> [u64; 2] {
    let event = client.event("draining").await;
    let slot = [0, 1].map(|at| event["reconnect_after_ms"][at].as_u64().unwrap_or_else(|| panic!("a slot: {event}")));
    let (code, before) = client.closed().await;
    assert_eq!((code, before), (1001, vec![]));
    slot
}

async fn goodbyes(clients: Vec<Client>) -> Vec<[u64; 2]> {
    let mut tasks = tokio::task::JoinSet::new();
    for client in clients {
        tasks.spawn(goodbye(client));
    }
    tasks.join_all().await
}

/// From the notice to the close.
const NOTICE_MS: u64 = 500;

/// The slots cover `spread_ms` from the close on, without overlap.
fn cover(mut slots: Vec<[u64; 2]>, spread_ms: u64) {
    slots.sort_unstable();
    let mut at = NOTICE_MS;
    for [from, to] in slots {
        assert!(from == at && from <= to, "{from} to {to} after {at}");
        at = to;
    }
    assert_eq!(at, NOTICE_MS + spread_ms);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_a_slot_and_a_close() {
    let server = Server::with(|config| config.drain.reconnect_spread = Duration::from_secs(7)).await;
    let clients = server.connect_many(CLIENTS).await;
    let (slots, drained) = tokio::join!(goodbyes(clients), server.stop());
    assert_eq!(drained, (CLIENTS, 0));
    // As many as these are back within a second; thousands would get the 7 s.
    cover(slots, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spread_is_never_longer_than_configured() {
    let server = Server::with(|config| config.drain.reconnect_spread = Duration::from_millis(300)).await;
    let clients = server.connect_many(3).await;
    let (slots, _) = tokio::join!(goodbyes(clients), server.stop());
    cover(slots, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_in_while_it_drains() {
    let mut server = Server::start().await;
    // Keeps the drain going until it answers the close.
    let mut last = Raw::websocket(server.addr()).await;
    let mut early = Raw::connect(server.addr()).await;
    assert_eq!(early.ask("GET", "/ready", &[]).await.status, 200);
    server.begin_drain();
    assert_eq!(last.json().await["data"]["event"], "draining");
    let ready = early.ask("GET", "/ready", &[]).await;
    assert_eq!((ready.status, ready.error_code().as_str()), (503, "overloaded"));
    early.write(raw::handshake("/ws").as_bytes()).await;
    let refused = early.response(true).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "overloaded"));
    assert!(refused.header("retry-after").is_some());
    let health = http::get(server.addr(), "/health").await;
    assert_eq!((health.status, &health.json()["connections"]), (200, &json!(1)));
    assert_eq!(server.metrics().await.get("ws_draining"), 1.0);
    assert_eq!(last.closed().await, 1001);
    assert_eq!(server.stop().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_answers_is_cut_off() {
    let server = Server::with(|config| config.drain.grace = Duration::from_secs(3)).await;
    let silent = Raw::websocket(server.addr()).await;
    let mut half = Raw::connect(server.addr()).await;
    half.write(&raw::handshake("/ws").as_bytes()[..30]).await;
    let client = server.connect().await;
    let (_, drained) = tokio::join!(goodbye(client), server.stop());
    assert_eq!(drained, (2, 1));
    drop((silent, half));
}

/// A publisher has to know what is stored and what is not, even if the disk is slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_answered_before_the_close() {
    const PUBLISHED: usize = 40;
    let engine = Arc::new(Held::new());
    let mut server = Server::over(engine.clone(), |_| {}).await;
    let mut client = server.connect().await;
    let mut idle = server.connect().await;
    let publish = |id: usize| json!({"id": id.to_string(), "type": "request", "action": "publish", "payload": {"channel": "a", "data": id}});
    client.texts((1..=PUBLISHED).map(|id| publish(id).to_string())).await;
    until("all to be accepted", async || (engine.held() == PUBLISHED).then_some(())).await;
    server.begin_drain();
    // When others are closed, this one would have been closed too.
    assert_eq!(idle.closed().await.0, 1001);
    assert_eq!(client.event("draining").await["event"], "draining");
    client.text(publish(0).to_string()).await;
    engine.let_go();
    let (code, before) = client.closed().await;
    assert_eq!(code, 1001);
    let answered: Vec<_> = before.iter().map(|frame| frame["data"]["offset"].as_u64()).collect();
    assert_eq!(answered, (1..=PUBLISHED as u64).map(Some).collect::<Vec<_>>(), "and nothing more was taken");
    assert_eq!(server.stop().await, (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_grace_there_is_still_a_close() {
    let server = Server::with(|config| config.drain.grace = Duration::ZERO).await;
    let clients = server.connect_many(50).await;
    let (_, drained) = tokio::join!(goodbyes(clients), server.stop());
    // How many have answered in the least time that there is depends on the machine.
    assert_eq!(drained.0, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_clients_ends_at_once() {
    let server = Server::start().await;
    assert_eq!(server.stop().await, (0, 0));
}

/// A process with clients exits cleanly on this signal.
async fn ends_well(signal: Signal, name: &str) {
    let variables = [("WS_SERVER__DRAIN__RECONNECT_SPREAD", "700ms"), ("WS_SERVER__DRAIN__GRACE", "20s")];
    let mut server = Process::start(SERVER, &variables).await;
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        clients.push(Client::connect(server.addr(), "/ws").await);
    }
    server.signal(signal).await;
    let slots = goodbyes(clients).await;
    cover(slots, 700);
    assert!(server.logged("shutting down").await.contains(name));
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm() {
    ends_well(Signal::Term, "SIGTERM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigint() {
    ends_well(Signal::Int, "SIGINT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_answers_does_not_keep_the_process() {
    let server = Process::start(SERVER, &[("WS_SERVER__DRAIN__GRACE", "1s")]).await;
    let silent = Raw::websocket(server.addr()).await;
    server.signal(Signal::Term).await;
    assert_eq!(server.exit_code().await, Some(0));
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let mut server = Process::start(SERVER, &[("WS_SERVER__DRAIN__GRACE", "5m")]).await;
    let mut silent = Raw::websocket(server.addr()).await;
    server.signal(Signal::Term).await;
    server.logged("shutting down").await;
    assert_eq!(silent.json().await["data"]["event"], "draining");
    server.signal(Signal::Int).await;
    assert_eq!(server.exit_code().await, Some(1));
}
