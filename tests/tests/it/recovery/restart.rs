//! A new process in place of the old one: nothing in memory survives, and clients are told so.

use std::net::SocketAddr;

use ws_tests::process::Signal;

use super::*;
use crate::SERVER;

/// An address of loopback that no other test uses: nobody takes the port while no server listens there.
const HOST: &str = "127.0.0.2:0";

async fn start(addr: SocketAddr) -> Process {
    let variables = [("WS_SERVER__DRAIN__RECONNECT_SPREAD", "1s"), ("WS_SERVER__CHANNELS__HISTORY_SIZE", "10000")];
    Process::start_at(addr, SERVER, &variables).await
}

async fn connect(server: &Process) -> Client {
    Client::connect(server.addr(), "/ws").await
}

fn since(channel: &str, epoch: &str, offset: u64) -> Value {
    json!({"channel": channel, "since": {"epoch": epoch, "offset": offset}})
}

/// On a new server `channel` has `top` publications. A client with a position of the previous epoch is told that the epoch
/// has changed, and gets all publications.
async fn all_is_new(server: &Process, channel: &str, before: &str, offsets: &[u64], top: u64) {
    let mut publisher = connect(server).await;
    publish(&mut publisher, channel, 1..=top).await;
    let mut clients = Vec::new();
    for offset in offsets {
        let mut client = connect(server).await;
        let answer = subscribe(&mut client, since(channel, before, *offset)).await;
        assert_eq!((&answer["offset"], &answer["recovered"]), (&json!(top), &json!(false)), "{answer}");
        assert_eq!(answer["gap"], json!({"epoch": before}));
        assert_ne!(answer["epoch"], before);
        comes(&mut client, channel, 1..=top).await;
        clients.push(client);
    }
    publish(&mut publisher, channel, top + 1..=top + 1).await;
    for client in &mut clients {
        comes(client, channel, top + 1..=top + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_begins_new_epochs() {
    let mut server = start(HOST.parse().expect("an address")).await;
    let addr = server.addr();
    let mut publisher = connect(&server).await;
    let mut client = connect(&server).await;
    for channel in ["a", "b"] {
        subscribe(&mut client, json!({"channel": channel})).await;
    }
    let epoch = publish(&mut publisher, "a", 1..=10).await;
    comes(&mut client, "a", 1..=10).await;
    let other = publish(&mut publisher, "b", 1..=1).await;
    comes(&mut client, "b", 1..=1).await;
    assert_ne!(epoch, other);
    for _ in 0..2 {
        server.kill().await;
        assert_eq!(client.next().await, Frame::End, "no close frame");
        server = start(addr).await;
        // Above the new top, at it, and below it: it is another stream all the same.
        all_is_new(&server, "a", &epoch, &[0, 4, 5, 6, 10], 5).await;
        all_is_new(&server, "b", &other, &[0, 1], 0).await;
        client = connect(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_before_a_drain_arrives() {
    const SUBSCRIBERS: usize = 40;
    const PUBLICATIONS: u64 = 1000;
    let server = start(HOST.parse().expect("an address")).await;
    let addr = server.addr();
    let mut clients = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut client = connect(&server).await;
        subscribe(&mut client, json!({"channel": "last"})).await;
        clients.push(client);
    }
    let mut publisher = connect(&server).await;
    let epoch = publish(&mut publisher, "last", 1..=PUBLICATIONS).await;
    server.signal(Signal::Term).await;
    for client in &mut clients {
        let (code, before) = client.closed().await;
        assert_eq!(code, 1001);
        let is_publication = |frame: &&Value| frame["data"]["event"] == "publication";
        let offsets = before.iter().filter(is_publication).map(|frame| frame["data"]["offset"].as_u64());
        assert!(offsets.eq((1..=PUBLICATIONS).map(Some)), "all of them, in order");
        let others: Vec<_> = before.iter().filter(|frame| !is_publication(frame)).collect();
        assert!(matches!(&others[..], [one] if one["data"]["event"] == "draining"), "{others:?}");
    }
    assert_eq!(publisher.closed().await.0, 1001);
    assert_eq!(server.exit_code().await, Some(0));
    let server = start(addr).await;
    all_is_new(&server, "last", &epoch, &[PUBLICATIONS], 3).await;
}
