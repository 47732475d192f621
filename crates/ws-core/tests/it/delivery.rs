//! What every reader gets, and that slow readers do not affect the others.

use std::time::Duration;

use ws_core::{Flow, Refusal};
use ws_proto::CloseCode;

use crate::client::{Client, LOCAL, hub, limits, settle};

const PLENTY: usize = 1 << 30;

#[tokio::test(start_paused = true)]
async fn everybody_gets_everything_in_one_order() {
    let hub = hub(limits());
    let mut clients: Vec<_> = (0..5).map(|_| Client::connect(&hub, PLENTY)).collect();
    for n in 0..100 {
        assert_eq!(clients[n % 5].broadcast(n), Flow::Continue);
        if n % 7 == 0 {
            settle().await;
        }
    }
    settle().await;
    for client in &mut clients {
        assert_eq!(client.read_broadcasts(), (0..100).collect::<Vec<_>>());
    }
    assert_eq!(hub.counters().deliveries.get(), 500);
    assert_eq!(hub.counters().gaps.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_gets_broadcasts_from_then_on() {
    let hub = hub(limits());
    let mut first = Client::connect(&hub, PLENTY);
    first.broadcast(1);
    let mut second = Client::connect(&hub, PLENTY);
    first.broadcast(2);
    drop(first);
    settle().await;
    assert_eq!(second.read_broadcasts(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_reader_affects_nobody_and_gets_a_gap() {
    let hub = hub(ws_core::Limits { broadcast_log_bytes_max: 10_000, ..limits() });
    let mut publisher = Client::connect(&hub, PLENTY);
    let mut slow = Client::connect(&hub, 500);
    let mut other = Client::connect(&hub, PLENTY);
    for n in 0..2000 {
        assert_eq!(publisher.broadcast(n), Flow::Continue);
        settle().await;
    }
    assert_eq!(other.read_broadcasts(), (0..2000).collect::<Vec<_>>());
    assert!(slow.attention().outbox_bytes < 300, "the rest of one frame at most");

    slow.make_room(PLENTY);
    settle().await;
    let seen = slow.read_broadcasts();
    let gap = seen.iter().position(|n| *n < 0).expect("a gap");
    let missed = -seen[gap];
    let expect: Vec<i64> = (0..gap as i64).chain([-missed]).chain(gap as i64 + missed..2000).collect();
    assert_eq!(seen, expect);
    assert_eq!((hub.counters().gaps.get(), hub.counters().missed.get()), (1, missed as u64));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_lags_within_the_log_loses_nothing() {
    let hub = hub(limits());
    let mut publisher = Client::connect(&hub, PLENTY);
    let mut slow = Client::connect(&hub, 0);
    for n in 0..1000 {
        publisher.broadcast(n);
    }
    let mut seen = Vec::new();
    while seen.len() < 1000 {
        slow.make_room(777);
        settle().await;
        seen.extend(slow.read_broadcasts());
    }
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn publishers_wait_for_the_fan_out_so_that_live_readers_lose_nothing() {
    let hub = hub(ws_core::Limits { broadcast_log_bytes_max: 4096, ..limits() });
    let mut publisher = Client::connect(&hub, PLENTY);
    let mut reader = Client::connect(&hub, PLENTY);
    let (mut n, mut held) = (0, 0);
    while n < 500 {
        match publisher.broadcast(n) {
            Flow::Continue => n += 1,
            Flow::Hold => {
                held += 1;
                settle().await;
            }
            Flow::Close(code) => panic!("closed with {code:?}"),
        }
    }
    settle().await;
    assert!(held > 0, "nobody was held back: the test shows nothing");
    assert_eq!(reader.read_broadcasts(), (0..500).collect::<Vec<_>>());
    assert_eq!(hub.counters().broadcasts.get(), 500, "a held broadcast is not taken");
}

#[tokio::test(start_paused = true)]
async fn a_full_socket_is_given_up_after_the_write_timeout() {
    let hub = hub(limits());
    let mut publisher = Client::connect(&hub, PLENTY);
    let slow = Client::connect(&hub, 0);
    publisher.broadcast(1);
    settle().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    slow.make_room(1); // progress: the time begins anew
    publisher.say(r#"{"type":"ping"}"#);
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(slow.attention().close, None);
    slow.connection.heard(hub.clock().now_ms(), 1);
    tokio::time::sleep(Duration::from_secs(18)).await;
    assert_eq!(slow.attention().close, Some(CloseCode::TooSlow));
}

#[tokio::test(start_paused = true)]
async fn connections_are_limited_and_released() {
    let hub = hub(ws_core::Limits { connections_max: 2, ..limits() });
    let first = Client::connect(&hub, 0);
    let _second = Client::connect(&hub, 0);
    assert_eq!(hub.admit(LOCAL, false).err(), Some(Refusal::Full));
    assert_eq!(hub.connections(), 2);
    drop(first);
    assert_eq!(hub.connections(), 1);
    assert!(hub.admit(LOCAL, false).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_drain_tells_everybody_a_slot_and_then_closes() {
    let hub = hub(limits());
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(&hub, PLENTY)).collect();
    settle().await;
    hub.drain(Duration::from_millis(500), Duration::from_secs(10));
    settle().await;
    assert_eq!(hub.admit(LOCAL, false).err(), Some(Refusal::Draining));
    let mut slots: Vec<_> = clients.iter_mut().flat_map(Client::read).map(|frame| frame["data"].clone()).collect();
    assert!(slots.iter().all(|data| data["event"] == "draining"));
    slots.sort_by_key(|data| data["reconnect_after_ms"][0].as_u64());
    // Ten clients are back within a second of the close.
    let expect: Vec<_> = (5..15).map(|n| serde_json::json!([n * 100, (n + 1) * 100])).collect();
    assert_eq!(slots.iter().map(|data| data["reconnect_after_ms"].clone()).collect::<Vec<_>>(), expect);
    assert!(clients.iter().all(|client| client.attention().close.is_none()));

    hub.close_all(CloseCode::GoingAway);
    settle().await;
    assert!(clients.iter().all(|client| client.attention().close == Some(CloseCode::GoingAway)));
}

/// A client is back when its slot begins, or when it is closed, if that is later: nobody's slot begins before.
#[tokio::test(start_paused = true)]
async fn a_thousand_clients_come_back_one_after_another() {
    const CLIENTS: usize = 1_000;
    let notice = Duration::from_millis(500);
    let hub = hub(limits());
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(&hub, PLENTY)).collect();
    settle().await;
    let began = tokio::time::Instant::now();
    hub.drain(notice, Duration::from_secs(10));
    tokio::time::sleep(notice).await;
    hub.close_all(CloseCode::GoingAway);
    settle().await;
    let closed = u64::try_from(began.elapsed().as_millis()).expect("small");
    let mut per_100_ms = [0_usize; 20];
    for client in &mut clients {
        assert_eq!(client.attention().close, Some(CloseCode::GoingAway));
        let slot = client.read()[0]["data"]["reconnect_after_ms"][0].as_u64().expect("a slot");
        per_100_ms[usize::try_from(slot.max(closed) / 100).expect("small")] += 1;
    }
    assert_eq!(per_100_ms[..5], [0; 5]);
    assert_eq!(per_100_ms[5..15], [100; 10], "as many in each tenth of the second after the close");
}

#[tokio::test(start_paused = true)]
async fn queued_frames_go_out_before_anything_else() {
    let hub = hub(limits());
    let mut publisher = Client::connect(&hub, PLENTY);
    let mut joining = Client::connect_greeted(&hub, PLENTY);
    publisher.broadcast(1);
    settle().await;
    let frames = joining.read();
    assert_eq!(frames[0]["data"]["event"], "connected");
    assert_eq!(frames[1..].iter().map(|frame| &frame["data"]["message"]).collect::<Vec<_>>(), [1]);
}

/// What is kept for a slow reader stays until it has read it, even if another reader leaves meanwhile.
#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_takes_nothing_from_others() {
    for room_of_the_other in [PLENTY, 0] {
        let hub = hub(limits());
        let mut publisher = Client::connect(&hub, PLENTY);
        let mut slow = Client::connect(&hub, 0);
        let _third = Client::connect(&hub, PLENTY);
        // In the shard of the slow reader.
        let other = Client::connect(&hub, room_of_the_other);
        (0..100).for_each(|n| _ = publisher.broadcast(n));
        settle().await;
        slow.make_room(PLENTY);
        drop(other);
        settle().await;
        assert_eq!(slow.read_broadcasts(), (0..100).collect::<Vec<_>>());
    }
}
