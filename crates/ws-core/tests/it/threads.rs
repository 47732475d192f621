//! The same invariants with real threads: publishers, readers whose sockets fill up, and connections that come and go,
//! all at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use uuid::Uuid;
use ws_core::{Flow, Hub, Limits};

use crate::client::{Client, hub, limits};

const PUBLISHERS: usize = 3;
const EACH: usize = 2000;
const LISTERS: usize = 2;

/// Publishes numbers that encode the publisher and a sequence number.
async fn publish(hub: Hub, who: usize, done: Arc<AtomicUsize>) {
    let mut client = Client::connect(&hub, 1 << 30);
    for n in 0..EACH {
        while client.broadcast(who * EACH + n) == Flow::Hold {
            tokio::task::yield_now().await;
        }
        client.read();
    }
    done.fetch_add(1, Ordering::SeqCst);
}

/// Reads until everything is there; `room` at a time.
async fn read(hub: Hub, room: usize, ready: Arc<AtomicUsize>) -> Vec<i64> {
    let mut client = Client::connect(&hub, room);
    ready.fetch_add(1, Ordering::SeqCst);
    let (mut seen, mut count) = (Vec::new(), 0);
    while count < (PUBLISHERS * EACH) as i64 {
        client.make_room(room);
        tokio::task::yield_now().await;
        for n in client.read_broadcasts() {
            count += if n < 0 { -n } else { 1 };
            seen.push(n);
        }
    }
    seen
}

/// Connects, and leaves in the middle of a frame; not faster than the fan-out follows, as with real sockets.
async fn come_and_go(hub: Hub, done: Arc<AtomicUsize>) {
    while done.load(Ordering::SeqCst) < PUBLISHERS {
        let mut client = Client::connect(&hub, 300);
        while client.read_broadcasts().is_empty() && done.load(Ordering::SeqCst) < PUBLISHERS {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_readers_see_one_order() {
    let hub = hub(Limits { broadcast_log_bytes_max: 65_536, ..limits() });
    let (ready, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let rooms = [1 << 30, 1 << 30, 20_000, 300];
    let readers: Vec<_> = rooms.iter().map(|room| tokio::spawn(read(hub.clone(), *room, ready.clone()))).collect();
    while ready.load(Ordering::SeqCst) < rooms.len() {
        tokio::task::yield_now().await;
    }
    let goers: Vec<_> = (0..2).map(|_| tokio::spawn(come_and_go(hub.clone(), done.clone()))).collect();
    let publishers: Vec<_> = (0..PUBLISHERS).map(|who| tokio::spawn(publish(hub.clone(), who, done.clone()))).collect();
    for task in publishers.into_iter().chain(goers) {
        task.await.expect("no panic");
    }
    let mut streams = Vec::new();
    for reader in readers {
        streams.push(reader.await.expect("no panic"));
    }
    let whole = &streams[0];
    assert_eq!(whole.len(), PUBLISHERS * EACH, "a reader that keeps up has no gap");
    for who in 0..PUBLISHERS {
        let own: Vec<_> = whole.iter().filter(|n| **n as usize / EACH == who).collect();
        assert!(own.is_sorted() && own.len() == EACH, "a publisher's order is kept");
    }
    for stream in &streams[1..] {
        let mut at = 0;
        for n in stream {
            if *n < 0 {
                at += -*n as usize;
            } else {
                assert_eq!(whole[at], *n);
                at += 1;
            }
        }
        assert_eq!(at, whole.len());
    }
}

/// Connects and leaves again, a few at a time, until the listings are done.
async fn take_turns(hub: Hub, done: Arc<AtomicUsize>) {
    while done.load(Ordering::SeqCst) < LISTERS {
        let clients: Vec<_> = (0..10).map(|_| Client::connect(&hub, 1 << 20)).collect();
        tokio::task::yield_now().await;
        drop(clients);
        tokio::task::yield_now().await;
    }
}

/// The ids of all pages, one page after the other.
async fn list(hub: Hub, done: Arc<AtomicUsize>) -> Vec<Uuid> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = hub.list_connections(None, Some(100), after.as_deref()).await.expect("a page");
        seen.extend(page.connections.iter().map(|connection| connection.connection_id));
        after = page.next;
        if after.is_none() {
            done.fetch_add(1, Ordering::SeqCst);
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn listings_are_whole_while_others_come_and_go() {
    let hub = hub(Limits { connections_max: 0, ..limits() });
    let staying: Vec<_> = (0..20_000).map(|_| Client::connect(&hub, 1 << 20)).collect();
    let done = Arc::new(AtomicUsize::new(0));
    let goers: Vec<_> = (0..2).map(|_| tokio::spawn(take_turns(hub.clone(), done.clone()))).collect();
    let listers: Vec<_> = (0..LISTERS).map(|_| tokio::spawn(list(hub.clone(), done.clone()))).collect();
    for lister in listers {
        let seen = lister.await.expect("no panic");
        let once: HashSet<_> = seen.iter().copied().collect();
        assert_eq!(once.len(), seen.len(), "nobody twice");
        assert!(staying.iter().all(|client| once.contains(&client.connection.id())), "nobody is missing");
    }
    for goer in goers {
        goer.await.expect("no panic");
    }
}
