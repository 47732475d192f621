//! Subscribers that do not read: memory stays bounded, the others do not notice, and `on_lag` decides what they miss.

use std::sync::Arc;

use tokio::sync::Barrier;
use ws_server::config::OnLag;

use super::*;
use crate::SERVER;

const CHANNEL: &str = "flood";
/// Receive buffer of the slow subscriber's socket, in bytes.
const RECEIVE_BUFFER: u32 = 64 * 1024;
/// Together more than sockets hold: 8 MiB.
const BURSTS: u64 = 64;
const BURST: u64 = 32;
const SENT: u64 = BURSTS * BURST;
const RETAINED: u64 = 50;
const MIB: f64 = 1024.0 * 1024.0;

/// Publishes everything, each burst after everybody at the barrier has received the previous one.
async fn flood(mut client: Client, everybody: Arc<Barrier>) -> Client {
    let padding = "x".repeat(4096);
    for burst in 0..BURSTS {
        let data = |n: u64| json!({"channel": CHANNEL, "data": [burst * BURST + n, padding]});
        client.texts((1..=BURST).map(|n| request("p", "publish", data(n)))).await;
        for _ in 0..BURST {
            assert_eq!(client.answer("p").await["type"], "response");
        }
        within("everybody to get the burst", everybody.wait()).await;
    }
    client
}

async fn read(mut client: Client, everybody: Arc<Barrier>) -> Client {
    for burst in 0..BURSTS {
        for n in 1..=BURST {
            let event = client.event("publication").await;
            assert_eq!(event["data"][0], burst * BURST + n, "in order, without a gap");
        }
        within("everybody to get the burst", everybody.wait()).await;
    }
    client
}

/// What a subscriber saw: numbers of publications, and how many each gap says are missing.
#[derive(Debug, Default)]
struct Seen {
    numbers: Vec<u64>,
    gaps: Vec<u64>,
}

/// Reads up to the last publication. Gaps must name exactly what is missing between the publications around them.
async fn catch_up(client: &mut Client) -> Seen {
    let (mut seen, mut last) = (Seen::default(), 0);
    while last < SENT {
        let data = client.notification().await;
        assert_eq!(data["channel"], CHANNEL, "{data}");
        if data["event"] == "publication" {
            let n = data["data"][0].as_u64().expect("a number");
            assert!(data.get("offset").is_none_or(|offset| *offset == n), "{n} at {}", data["offset"]);
            assert!(n > last, "{n} after {last}");
            seen.numbers.push(n);
            last = n;
            continue;
        }
        assert_eq!(data["event"], "gap", "{data}");
        let to = match data["missed"].as_u64() {
            Some(missed) => last + missed,
            None => {
                assert_eq!(data["from"], last + 1, "{data}");
                data["to"].as_u64().expect("the last one that is gone")
            }
        };
        assert!(to > last && to < SENT, "{data}");
        seen.gaps.push(to - last);
        last = to;
    }
    seen
}

/// A subscriber that has read nothing while everything was published, and the publisher.
async fn slow(server: &Server) -> (Client, Client) {
    let mut slow = Client::with_receive_buffer(server.addr(), RECEIVE_BUFFER).await;
    subscribe(&mut slow, json!({"channel": CHANNEL})).await;
    let publisher = flood(server.connect().await, Arc::new(Barrier::new(1))).await;
    (slow, publisher)
}

async fn lagging(history_size: u64, on_lag: OnLag) -> Server {
    Server::with(|config| {
        config.channels.history_size = history_size as usize;
        config.channels.on_lag = on_lag;
        config.limits.channel_log_bytes_max = 1024 * 1024;
    })
    .await
}

/// The subscription goes on with what is published now.
async fn is_live(client: &mut Client, publisher: &mut Client) {
    publisher.ask("publish", json!({"channel": CHANNEL, "data": "live"})).await;
    assert_eq!(client.event("publication").await["data"], "live");
}

/// One of many subscribers reads nothing until all is published; then what it sees.
async fn beside_others(history_size: u64, grown_mib_max: f64) -> Seen {
    const READERS: usize = 32;
    let size = history_size.to_string();
    let server = Process::start(SERVER, &[("WS_SERVER__CHANNELS__HISTORY_SIZE", &size)]).await;
    let addr = server.addr();
    let mut slow = Client::with_receive_buffer(addr, RECEIVE_BUFFER).await;
    subscribe(&mut slow, json!({"channel": CHANNEL})).await;
    let everybody = Arc::new(Barrier::new(READERS + 1));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..READERS {
        let mut reader = Client::connect(addr, "/ws").await;
        subscribe(&mut reader, json!({"channel": CHANNEL})).await;
        tasks.spawn(read(reader, everybody.clone()));
    }
    let before = http::metrics(addr).await.get("process_resident_memory_bytes");
    let mut publisher = flood(Client::connect(addr, "/ws").await, everybody).await;
    let clients = tasks.join_all().await;
    let grown = http::metrics(addr).await.get("process_resident_memory_bytes") - before;
    assert!(grown < grown_mib_max * MIB, "memory is bounded: {grown} bytes more");
    let seen = catch_up(&mut slow).await;
    is_live(&mut slow, &mut publisher).await;
    drop(clients);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_has_all_for_one_that_did_not_read() {
    let seen = beside_others(SENT, 40.0).await;
    assert!(seen.gaps.is_empty() && seen.numbers.len() as u64 == SENT, "{:?}", seen.gaps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_history_lost_is_told_to_the_offset() {
    let seen = beside_others(RETAINED, 24.0).await;
    assert!(!seen.gaps.is_empty(), "8 MiB fit neither in the sockets nor in the history");
    assert_eq!(seen.numbers.len() as u64 + seen.gaps.iter().sum::<u64>(), SENT);
    assert!(seen.numbers.ends_with(&(SENT - RETAINED + 1..=SENT).collect::<Vec<_>>()), "what is retained comes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_history_the_number_of_what_is_gone_is_told() {
    let server = lagging(0, OnLag::Gap).await;
    let (mut slow, mut publisher) = slow(&server).await;
    let seen = catch_up(&mut slow).await;
    assert!(!seen.gaps.is_empty(), "8 MiB fit neither in the sockets nor in the log");
    assert_eq!(seen.numbers.len() as u64 + seen.gaps.iter().sum::<u64>(), SENT);
    is_live(&mut slow, &mut publisher).await;
}

/// With `latest` there are jumps and no gaps, and the newest publication arrives.
async fn jumps(history_size: u64) {
    let server = lagging(history_size, OnLag::Latest).await;
    let (mut slow, mut publisher) = slow(&server).await;
    let seen = catch_up(&mut slow).await;
    assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);
    assert!((seen.numbers.len() as u64) < SENT, "8 MiB fit nowhere");
    assert_eq!(seen.numbers.last(), Some(&SENT));
    is_live(&mut slow, &mut publisher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latest_jumps_to_the_newest() {
    jumps(RETAINED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latest_jumps_without_history_too() {
    jumps(0).await;
}

/// With `disconnect` the connection is closed with 4001. Publications come before that, in order; the last of them.
async fn cut_off(server: &Server) -> u64 {
    let (mut slow, mut publisher) = slow(server).await;
    let mut prompt = server.connect().await;
    subscribe(&mut prompt, json!({"channel": CHANNEL})).await;
    let (code, before) = slow.closed().await;
    assert_eq!(code, 4001);
    for (n, frame) in (1..).zip(&before) {
        assert_eq!(frame["data"]["data"][0], n, "{n}th");
    }
    is_live(&mut prompt, &mut publisher).await;
    before.len() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnect_ends_the_connection_and_the_client_recovers() {
    let server = lagging(RETAINED, OnLag::Disconnect).await;
    let mut client = server.connect().await;
    let epoch = subscribe(&mut client, json!({"channel": CHANNEL})).await["epoch"].take();
    client.close().await;
    let last = cut_off(&server).await;
    assert!(last < SENT - RETAINED, "8 MiB fit neither in the sockets nor in the history");
    let mut client = server.connect().await;
    let since = json!({"epoch": epoch, "offset": last});
    let answer = subscribe(&mut client, json!({"channel": CHANNEL, "since": since})).await;
    let top = SENT + 1;
    assert_eq!((&answer["offset"], &answer["recovered"]), (&json!(top), &json!(false)));
    assert_eq!(answer["gap"], json!({"from": last + 1, "to": top - RETAINED}));
    for n in top - RETAINED + 1..=top {
        assert_eq!(client.event("publication").await["offset"], n);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnect_without_history_too() {
    assert!(cut_off(&lagging(0, OnLag::Disconnect).await).await < SENT);
}
