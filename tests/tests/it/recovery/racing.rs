//! Subscribing while somebody publishes without a pause: between recovered and live publications there is no hole and no
//! duplicate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::stream::{Begin, Stream, Terms};
use super::*;

const CHANNEL: &str = "ticker";
const CLIENTS: usize = 8;
const ROUNDS: u64 = 40;
/// Live publications that each round reads.
const LIVE: u64 = 20;
const IN_FLIGHT: u64 = 16;

/// Publishes its numbers until it is told to stop, only as fast as it sees its own publications. Returns how many.
async fn keep_publishing(mut client: Client, sent: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> u64 {
    client.ask("subscribe", json!({"channel": CHANNEL})).await;
    let mut seen = 0;
    while !stop.load(Ordering::Relaxed) || seen < sent.load(Ordering::Relaxed) {
        while !stop.load(Ordering::Relaxed) && sent.load(Ordering::Relaxed) < seen + IN_FLIGHT {
            let n = sent.fetch_add(1, Ordering::Relaxed) + 1;
            client.text(request("p", "publish", json!({"channel": CHANNEL, "data": n}))).await;
        }
        let frame = client.json().await;
        if frame["data"]["event"] == "publication" {
            seen += 1;
            assert_eq!(frame["data"]["data"], seen);
        }
    }
    seen
}

/// Reads one publication.
async fn read(client: &mut Client, stream: &mut Stream) {
    let event = client.event("publication").await;
    assert_eq!(event["offset"], event["data"]);
    stream.publication(event["offset"].as_u64().expect("an offset"));
}

/// Subscribes and unsubscribes: each time it asks for what it missed, or rewinds.
async fn come_and_go(mut client: Client, mut stream: Stream, nth: u64, sent: Arc<AtomicU64>) {
    for round in 0..ROUNDS {
        let begin = if (round + nth).is_multiple_of(4) { Begin::Rewind(round * 3) } else { Begin::Since };
        let data = subscribe(&mut client, stream.payload(begin)).await;
        let data = serde_json::from_value(data).expect("the answer's shape");
        stream.subscribed(begin, &data, sent.load(Ordering::Relaxed));
        let until = data.offset.expect("an offset") + LIVE;
        while stream.last() < until {
            read(&mut client, &mut stream).await;
        }
        client.text(request("u", "unsubscribe", json!({"channel": CHANNEL}))).await;
        loop {
            let frame = client.json().await;
            if frame["id"] == "u" {
                break;
            }
            stream.publication(frame["data"]["offset"].as_u64().unwrap_or_else(|| panic!("an offset: {frame}")));
        }
        // The next subscription shows that nothing follows: its answer is the next frame.
    }
    client.count().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_where_recovered_meets_live() {
    let server = Server::with(|config| {
        config.channels.history_size = 1_000_000;
        config.engine.memory.history_bytes_max = 1 << 30;
    })
    .await;
    let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut publisher = server.connect().await;
    let data = publisher.ask("subscribe", json!({"channel": CHANNEL})).await;
    publisher.ask("unsubscribe", json!({"channel": CHANNEL})).await;
    let epoch = data["epoch"].as_str().expect("an epoch");
    let publishing = tokio::spawn(keep_publishing(publisher, sent.clone(), stop.clone()));
    let mut tasks = tokio::task::JoinSet::new();
    for nth in 0..CLIENTS as u64 {
        let stream = Stream::new(CHANNEL, epoch, Terms { retained: 1_000_000, gaps: false });
        tasks.spawn(come_and_go(server.connect().await, stream, nth, sent.clone()));
    }
    tasks.join_all().await;
    stop.store(true, Ordering::Relaxed);
    let published = within("the publisher to stop", publishing).await.expect("the publisher ends well");
    assert!(published > LIVE * ROUNDS, "{published} publications");
}
