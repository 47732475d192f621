//! Publishers that do not wait: readers that keep up get everything, in one order.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use ws_tests::prelude::*;

const PUBLISHERS: usize = 3;
const EACH: usize = 10_000;
const READERS: usize = 4;

/// Publisher and number of each broadcast, in the order in which a connection got them.
type Order = Vec<(usize, usize)>;

/// Everything that a connection sends (up to a gap, if there is one), read first and parsed afterwards: this is the fastest
/// way to read.
async fn tape(mut socket: OwnedReadHalf, frames: usize) -> Vec<Vec<u8>> {
    let (mut bytes, mut seen, mut at) = (Vec::with_capacity(1 << 20), Vec::with_capacity(frames), 0);
    while seen.len() < frames {
        let read = within("bytes", socket.read_buf(&mut bytes)).await.expect("no error");
        assert!(read > 0, "the socket ended after {} of {frames} frames", seen.len());
        while let Some(end) = end_of_frame(&bytes[at..]) {
            seen.push(bytes[at..at + end].to_vec());
            at += end;
            if is_gap(&bytes[at - end..at]) {
                return seen; // No more frames will come after a gap.
            }
        }
    }
    seen
}

fn is_gap(frame: &[u8]) -> bool {
    frame.len() < 120 && frame.windows(5).any(|five| five == br#""gap""#)
}

/// Frames of a server are not masked, and these are short.
fn end_of_frame(bytes: &[u8]) -> Option<usize> {
    let end = match bytes {
        [_, 126, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        [_, short @ 0..126, ..] => 2 + usize::from(*short),
        _ => return None,
    };
    (bytes.len() >= end).then_some(end)
}

/// The broadcasts among the frames. Checks that there are `answers` answers, in order.
fn order(frames: &[Vec<u8>], answers: usize) -> Order {
    let (mut order, mut answered) = (Order::new(), 0);
    for frame in frames {
        let body = if frame[1] == 126 { &frame[4..] } else { &frame[2..] };
        let frame: Value = serde_json::from_slice(body).expect("JSON");
        if frame["type"] == "response" {
            assert_eq!(frame["id"], answered.to_string(), "answers in order");
            answered += 1;
            continue;
        }
        assert_eq!(frame["data"]["event"], "broadcast", "{frame}");
        let number = |at: usize| frame["data"]["message"][at].as_u64().expect("a number") as usize;
        order.push((number(0), number(1)));
    }
    assert_eq!(answered, answers);
    order
}

fn requests(publisher: usize) -> Vec<u8> {
    let request = |n: usize| {
        let payload = json!({"message": [publisher, n]});
        raw::text(
            &json!({"id": n.to_string(), "type": "request", "action": "broadcast", "payload": payload}).to_string(),
        )
    };
    (0..EACH).flat_map(request).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_read_get_everything_in_one_order() {
    // A twentieth of what is published: without back-pressure most broadcasts would be lost.
    let server = Server::with(|config| config.limits.broadcast_log_bytes_max = 256 * 1024).await;
    let (mut reading, mut writing) = (JoinSet::new(), JoinSet::new());
    let all_there = Arc::new(Barrier::new(PUBLISHERS + 1));
    let mut idle_halves = Vec::new();
    for client in 0..PUBLISHERS + READERS {
        let (read, mut write) = Raw::websocket(server.addr()).await.into_inner().into_split();
        let answers = if client < PUBLISHERS { EACH } else { 0 };
        reading.spawn(async move { (tape(read, PUBLISHERS * EACH + answers).await, answers) });
        if client >= PUBLISHERS {
            idle_halves.push(write);
            continue;
        }
        let (all_there, requests) = (all_there.clone(), requests(client));
        writing.spawn(async move {
            all_there.wait().await;
            write.write_all(&requests).await.expect("the server takes it");
            write
        });
    }
    within("the publishers", all_there.wait()).await;
    let tapes = within("all readers", reading.join_all()).await;
    let orders: Vec<Order> = tapes.iter().map(|(frames, answers)| order(frames, *answers)).collect();
    for publisher in 0..PUBLISHERS {
        let of_one = orders[0].iter().filter(|(by, _)| *by == publisher).map(|(_, n)| *n);
        assert!(of_one.eq(0..EACH), "one sender's stay in order");
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "all see the same order");
    let metrics = server.metrics().await;
    assert_eq!((metrics.get("ws_gaps_total"), metrics.get("ws_missed_total")), (0.0, 0.0));
    assert!(metrics.get("ws_publishers_held_total") > 0.0, "the publishers had to wait");
    drop((within("the writers", writing.join_all()).await, idle_halves));
}
