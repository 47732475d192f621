//! Publishers that are faster than the engine or the fan-out: what is ahead never exceeds what a log holds, and waiters
//! are woken in their turn.

use std::sync::Arc;

use serde_json::json;
use ws_core::{ChannelOptions, Flow, Hub, Limits};

use super::record::Record;
use crate::client::{Client, hub_with, limits, options, settle};

const PLENTY: usize = 1 << 30;

/// Bytes of each publication.
const BYTES: usize = 60_000;

/// An engine whose calls are all delayed, and channels that keep little or nothing.
fn late(limits: Limits) -> (Arc<Record>, Hub) {
    let record = Arc::new(Record::new(4));
    let short = ChannelOptions { history_size: 2, ..options() };
    let passing = ChannelOptions { history_size: 0, ..options() };
    let hub = hub_with(limits, &[("short", short), ("pass", passing)], record.clone());
    (record, hub)
}

fn publish(client: &mut Client, channel: &str) -> Flow {
    let payload = json!({"channel": channel, "data": "x".repeat(BYTES)});
    client.say(&json!({"id": "p", "type": "request", "action": "publish", "payload": payload}).to_string())
}

fn subscribe(client: &mut Client, record: &Record, channel: &str) {
    let payload = json!({"channel": channel});
    let subscribe = json!({"id": "s", "type": "request", "action": "subscribe", "payload": payload}).to_string();
    while client.say(&subscribe) == Flow::Hold {
        record.let_go();
    }
    client.read();
}

/// Publishes as much as is accepted, has the engine deliver all of it at once, and repeats that. Returns how much was
/// held.
async fn flood(record: &Record, hub: &Hub, channels: &[&str]) -> usize {
    const EACH: usize = 80;
    let mut readers: Vec<_> = channels.iter().map(|_| Client::connect(hub, PLENTY)).collect();
    readers.iter_mut().zip(channels).for_each(|(reader, channel)| subscribe(reader, record, channel));
    let connect = |channel: &&'static str| (*channel, EACH, Client::connect(hub, PLENTY));
    let channels: Vec<&'static str> = channels.iter().map(|name| &*name.to_string().leak()).collect();
    let mut publishers: Vec<_> = channels.iter().chain(&channels).map(connect).collect();
    let (mut held, mut seen) = (0, vec![0; channels.len()]);
    while publishers.iter().any(|(_, left, publisher)| *left > 0 || publisher.session.is_waiting()) {
        for (channel, left, publisher) in &mut publishers {
            while *left > 0 && publish(publisher, channel) == Flow::Continue {
                *left -= 1;
            }
            held += usize::from(*left > 0);
            publisher.go_on();
        }
        // At once, before the fan-out runs.
        while record.let_go() {}
        assert!(hub.log_bytes() <= hub.limits().channel_logs_bytes_max as u64);
        settle().await;
        for (seen, reader) in seen.iter_mut().zip(&mut readers) {
            for frame in reader.read() {
                let data = &frame["data"];
                assert_eq!(data["event"], "publication", "{} to {}", data["from"], data["to"]);
                *seen += 1;
            }
        }
    }
    assert_eq!(seen, vec![2 * EACH; channels.len()]);
    assert_eq!(hub.counters().gaps.get(), 0);
    assert_eq!(hub.log_bytes(), 0);
    held
}

#[tokio::test(start_paused = true)]
async fn publications_in_the_engine_count_as_ahead_in_their_channel() {
    for channel in ["short:a", "pass:a"] {
        let (record, hub) = late(limits());
        assert!(flood(&record, &hub, &[channel]).await > 0, "nobody was held back: the test shows nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn and_in_all_channels_together() {
    let (record, hub) = late(Limits { channel_log_bytes_max: 1 << 30, channel_logs_bytes_max: 2 << 20, ..limits() });
    let held = flood(&record, &hub, &["short:a", "pass:a", "short:b", "pass:b"]).await;
    assert!(held > 0, "nobody was held back: the test shows nothing");
}

#[tokio::test(start_paused = true)]
async fn waiters_for_the_engine_are_woken_by_it_alone_in_turn_and_as_fit() {
    let (record, hub) = late(limits());
    let mut waiting: Vec<_> = (0..10).map(|_| Client::connect(&hub, PLENTY)).collect();
    let mut other = Client::connect(&hub, PLENTY);
    subscribe(&mut other, &record, "pass:a");
    settle().await;
    record.set_room(false);
    for client in &mut waiting {
        client.is_woken();
        assert_eq!(publish(client, "short:a"), Flow::Hold);
    }
    let woken = |waiting: &[Client]| waiting.iter().map(Client::is_woken).collect::<Vec<_>>();
    assert_eq!(publish(&mut other, "pass:a"), Flow::Continue);
    while record.let_go() {}
    settle().await;
    assert_eq!(woken(&waiting), [false; 10], "a channel that has room is not what they wait for");

    record.set_room(true);
    let (t, f) = (true, false);
    assert_eq!(woken(&waiting), [t, t, t, t, f, f, f, f, f, f], "256 KiB at a time");
    assert_eq!(waiting[1].go_on(), Flow::Continue);
    assert_eq!(woken(&waiting), [f, f, f, f, t, f, f, f, f, f], "the next one follows");
    drop(waiting.remove(0));
    assert_eq!(woken(&waiting), [f, f, f, f, t, f, f, f, f], "who goes leaves its turn to the next");
    record.set_room(false);
    assert_eq!(waiting[1].go_on(), Flow::Hold, "too late");
    record.set_room(true);
    assert_eq!(woken(&waiting), [f, t, f, f, f, f, f, f, f], "it has kept its place");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_for_room_in_a_channel_is_not_woken_by_another() {
    let (record, hub) = late(limits());
    let mut readers: Vec<_> = (0..2).map(|_| Client::connect(&hub, PLENTY)).collect();
    subscribe(&mut readers[0], &record, "pass:a");
    subscribe(&mut readers[1], &record, "pass:b");
    let mut publishers: Vec<_> = (0..2).map(|_| Client::connect(&hub, PLENTY)).collect();
    while publish(&mut publishers[0], "pass:a") == Flow::Continue {}
    publishers[0].is_woken();
    publishers[0].go_on();
    let mut taken = 0;
    while publish(&mut publishers[1], "pass:b") == Flow::Continue {
        taken += 1;
    }
    assert!(taken > 5);
    assert_eq!(publish(&mut publishers[1], "pass:b"), Flow::Hold);
    assert!(!publishers[0].is_woken());
    while record.let_go() {}
    settle().await;
    assert!(publishers[0].is_woken() && publishers[0].go_on() == Flow::Continue);
    assert!(publishers[1].go_on() == Flow::Continue);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_with_a_full_outbox_leaves_its_turn_to_the_next() {
    let (record, hub) = late(limits());
    let mut waiting: Vec<_> = [0, PLENTY].into_iter().map(|room| Client::connect(&hub, room)).collect();
    record.set_room(false);
    for client in &mut waiting {
        client.is_woken();
        assert_eq!(publish(client, "short:a"), Flow::Hold);
    }
    // As much as may be unanswered.
    waiting[0].connection.queue(&vec![0; hub.limits().outbox_bytes_max]);
    (0..3).for_each(|_| waiting.push(Client::connect(&hub, PLENTY)));
    for client in &mut waiting[2..] {
        client.is_woken();
        assert_eq!(publish(client, "short:a"), Flow::Hold);
    }
    record.set_room(true);
    let woken = |waiting: &[Client]| waiting.iter().map(Client::is_woken).collect::<Vec<_>>();
    assert_eq!(woken(&waiting), [true, true, true, true, false]);
    assert_eq!(waiting[0].go_on(), Flow::Hold, "there is no room for its answer");
    assert_eq!(woken(&waiting), [false, false, false, false, true]);
    waiting[0].make_room(PLENTY);
    assert_eq!(waiting[0].go_on(), Flow::Continue);
}
