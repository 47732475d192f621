//! A server that is killed under a thousand clients: to the others they are gone with its lease, and each goes on at
//! another server after what it has read.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Barrier, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval};

use super::*;
use crate::SERVER;

const CLIENTS: usize = 1_000;
const ROOMS: usize = 10;
const LEASE: Duration = Duration::from_secs(3);

/// How soon presence is right, after the lease.
const PRESENT_WITHIN: Duration = Duration::from_secs(1);

/// What is published last.
const END: &str = "end";

async fn process(redis: &Redis) -> Process {
    let url = redis.url();
    let variables = [
        ("WS_SERVER__ENGINE__TYPE", "redis"),
        ("WS_SERVER__ENGINE__REDIS__URL", url.as_str()),
        ("WS_SERVER__ENGINE__REDIS__LEASE", "3s"),
        ("WS_SERVER__CHANNELS__HISTORY_SIZE", "10000"),
        ("WS_SERVER__CHANNELS__READ_PRESENCE", "anyone"),
    ];
    Process::start(SERVER, &variables).await
}

fn room(n: usize) -> String {
    format!("room-{}", n % ROOMS)
}

/// Publishes 1, 2, 3 and so on in every room, and the end when it is told to.
fn publish(server: SocketAddr, mut is_over: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut client = Client::connect(server, "/ws").await;
        let mut pace = interval(Duration::from_millis(100));
        for n in 1_u64.. {
            let is_over = *is_over.borrow_and_update();
            for room in (0..ROOMS).map(room) {
                let data = if is_over { json!(END) } else { json!(n) };
                client.ask("publish", json!({"channel": room, "data": data})).await;
            }
            if is_over {
                return;
            }
            pace.tick().await;
        }
    })
}

/// Reads publications, each of which has to be the next one, until the socket or the publications end. The last number.
async fn read(client: &mut Client, mut last: u64) -> (u64, bool) {
    loop {
        let mut frame = match client.next().await {
            Frame::Json(frame) => frame,
            Frame::Ping | Frame::Pong(_) => continue,
            Frame::End => return (last, false),
            Frame::Close(close) => panic!("closed with {close:?}"),
        };
        let data = frame["data"].take();
        assert_eq!(data["event"], "publication", "{data}");
        assert_eq!(data["offset"], last + 1, "nothing is lost, and nothing comes twice");
        last += 1;
        match data["data"].as_u64() {
            Some(n) => assert_eq!(n, last),
            None => return (last, true),
        }
    }
}

/// A client of the first server, which comes back to the second one, at once or when it is told to. `meets` when it has
/// subscribed, and when it has come back.
async fn live(
    n: usize,
    servers: [SocketAddr; 2],
    meets: Arc<[Barrier; 2]>,
    mut may_return: watch::Receiver<bool>,
) -> String {
    let mut client = Client::connect(servers[0], "/ws").await;
    let position = client.ask("subscribe", json!({"channel": room(n)})).await;
    let first = client.id().to_owned();
    meets[0].wait().await;
    let (read_first, is_over) = read(&mut client, position["offset"].as_u64().expect("an offset")).await;
    assert!(!is_over, "its server dies before");
    if n >= CLIENTS / 2 {
        may_return.wait_for(|may| *may).await.expect("the test goes on");
    }
    let mut client = Client::connect(servers[1], "/ws").await;
    let since = json!({"epoch": position["epoch"], "offset": read_first});
    let answer = client.ask("subscribe", json!({"channel": room(n), "since": since})).await;
    assert_eq!(answer["recovered"], true, "client {n}: {answer}");
    meets[1].wait().await;
    let (_, is_over) = read(&mut client, read_first).await;
    assert!(is_over, "its server lives");
    assert_ne!(client.id(), first);
    first
}

/// The connections in a room, as the second server lists them.
async fn present(observer: &mut Client, room: &str) -> BTreeSet<String> {
    let (mut all, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let mut page = json!({"channel": room, "limit": 100});
        if !after.is_null() {
            page["after"] = after;
        }
        let page = observer.ask("get_presence", page).await;
        let ids = page["clients"].as_array().expect("a list").iter();
        all.extend(ids.map(|client| client["connection_id"].as_str().expect("an id").to_owned()));
        after = page["next"].clone();
        if after.is_null() {
            return all;
        }
    }
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_of_a_killed_server_go_on_at_another_one() {
    let redis = Redis::start().await;
    let (a, b) = (process(&redis).await, process(&redis).await);
    let (is_over, told_over) = watch::channel(false);
    let (may_return, told_return) = watch::channel(false);
    let publisher = publish(b.addr(), told_over);
    let meets = Arc::new([Barrier::new(CLIENTS + 1), Barrier::new(CLIENTS + 1)]);
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        clients.spawn(live(n, [a.addr(), b.addr()], meets.clone(), told_return.clone()));
    }
    let mut observer = Client::connect(b.addr(), "/ws").await;
    within("all to subscribe", meets[0].wait()).await;
    let mut before = BTreeSet::new();
    until("all to be present", async || {
        before.clear();
        for room in (0..ROOMS).map(room) {
            before.extend(present(&mut observer, &room).await);
        }
        (before.len() == CLIENTS).then_some(())
    })
    .await;

    let killed = Instant::now();
    a.kill().await;
    until("the dead to be gone from presence", async || {
        for room in (0..ROOMS).map(room) {
            if !present(&mut observer, &room).await.is_disjoint(&before) {
                return None;
            }
        }
        Some(())
    })
    .await;
    let gone = killed.elapsed();
    println!("gone from presence after {gone:?}");
    // All of it takes many questions, beside what the clients do.
    assert!(gone <= LEASE + 4 * PRESENT_WITHIN, "{gone:?}");

    may_return.send_replace(true);
    within("all to come back", meets[1].wait()).await;
    println!("all are back after {:?}", killed.elapsed());
    until("all to be present again", async || {
        let mut all = 0;
        for room in (0..ROOMS).map(room) {
            all += present(&mut observer, &room).await.len();
        }
        (all == CLIENTS).then_some(())
    })
    .await;
    is_over.send_replace(true);
    let all = within("everybody to have read the end", clients.join_all()).await;
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), before, "each was at the first server");
    publisher.await.expect("it has published the end");
}

/// One client, and questions that cost little: a machine may be too busy for that now and then, but not each time.
#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_on_a_killed_server_is_gone_a_second_after_its_lease() {
    const TIMES: usize = 3;
    let redis = Redis::start().await;
    let b = process(&redis).await;
    let mut observer = Client::connect(b.addr(), "/ws").await;
    let mut late = Vec::new();
    while late.len() < TIMES {
        let a = process(&redis).await;
        let mut client = Client::connect(a.addr(), "/ws").await;
        client.ask("subscribe", json!({"channel": room(0)})).await;
        until("it to be present", async || (present(&mut observer, &room(0)).await.len() == 1).then_some(())).await;
        let killed = Instant::now();
        a.kill().await;
        until("it to be gone", async || present(&mut observer, &room(0)).await.is_empty().then_some(())).await;
        let gone = killed.elapsed();
        if gone <= LEASE + PRESENT_WITHIN {
            return;
        }
        late.push(gone);
    }
    panic!("gone after {late:?}");
}
