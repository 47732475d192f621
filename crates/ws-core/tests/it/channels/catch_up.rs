//! Many readers that catch up from an engine that answers late: no reader holds an answer that it cannot use, all get
//! their turn, and none waits for the sweep. No time passes in these tests.

use std::sync::Arc;

use serde_json::{Value, json};
use ws_core::engine::Engine;
use ws_core::{ChannelOptions, Flow, Hub};

use super::record::Record;
use crate::client::{Client, hub_with, limits, options, settle};

const PLENTY: usize = 1 << 30;

/// More channels in one connection than a shard may query at a time.
const CHANNELS: usize = 40;

/// Publications in each of them.
const STORED: u64 = 3;

struct World {
    record: Arc<Record>,
    hub: Hub,
}

impl World {
    /// All calls to the engine are delayed.
    async fn new() -> Self {
        let record = Arc::new(Record::new(4));
        let passing = ChannelOptions { history_size: 0, ..options() };
        let hub = hub_with(limits(), &[("", options()), ("pass", passing)], record.clone());
        let world = World { record, hub };
        let mut publisher = Client::connect(&world.hub, PLENTY);
        for _ in 0..STORED {
            for nth in 0..CHANNELS {
                world.publish(&mut publisher, &name(nth), 1000).await;
            }
        }
        world.answer_all().await;
        world
    }

    /// Sends a request, and waits while it is held, for the engine or for the fan-out.
    async fn request(&self, client: &mut Client, action: &str, payload: Value) {
        let request = json!({"id": "1", "type": "request", "action": action, "payload": payload}).to_string();
        while client.say(&request) == Flow::Hold {
            if !self.record.let_go() {
                settle().await;
            }
        }
    }

    async fn subscribe(&self, client: &mut Client, channel: &str) {
        let history = json!({"channel": channel, "rewind": STORED});
        let passing = json!({"channel": channel});
        let payload = if channel.starts_with("pass:") { passing } else { history };
        self.request(client, "subscribe", payload).await;
    }

    async fn publish(&self, client: &mut Client, channel: &str, bytes: usize) {
        self.request(client, "publish", json!({"channel": channel, "data": "x".repeat(bytes)})).await;
    }

    /// A client that takes so many bytes, subscribed to all channels from their start.
    async fn subscribed(&self, room: usize) -> Client {
        let mut client = Client::connect(&self.hub, room);
        for nth in 0..CHANNELS {
            self.subscribe(&mut client, &name(nth)).await;
        }
        client
    }

    /// Lets the engine answer everything.
    async fn answer_all(&self) {
        for _ in 0..1000 {
            settle().await;
            if !self.record.let_go() {
                return;
            }
        }
        panic!("it is asked again and again");
    }
}

fn name(nth: usize) -> String {
    format!("c{nth}")
}

/// The channels of the publications that have arrived.
fn publications(client: &mut Client) -> Vec<String> {
    let events = client.read().into_iter().map(|frame| frame["data"].clone());
    let publications = events.filter(|data| data["event"] == "publication");
    publications.map(|data| data["channel"].as_str().unwrap_or_default().to_owned()).collect()
}

/// One for each shard, and one more.
async fn check_that_others_catch_up(world: &World) {
    for nth in 0..3 {
        let mut reader = world.subscribed(PLENTY).await;
        world.answer_all().await;
        assert_eq!(publications(&mut reader).len(), CHANNELS * STORED as usize, "reader {nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_do_not_read_keep_nobody_from_catching_up() {
    let world = World::new().await;
    let mut slow = Vec::new();
    for _ in 0..6 {
        slow.push(world.subscribed(0).await);
    }
    world.answer_all().await;
    check_that_others_catch_up(&world).await;
    // They ask again when they can use the answers.
    for mut client in slow {
        client.make_room(PLENTY);
        world.answer_all().await;
        assert_eq!(publications(&mut client).len(), CHANNELS * STORED as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_leave_close_their_open_queries() {
    let world = World::new().await;
    for room in [0, PLENTY] {
        for _ in 0..50 {
            drop(world.subscribed(room).await);
        }
        // Answered for readers that are blocked and then leave.
        let mut blocked = Vec::new();
        for _ in 0..6 {
            blocked.push(world.subscribed(room).await);
        }
        world.answer_all().await;
        drop(blocked);
    }
    check_that_others_catch_up(&world).await;
}

#[tokio::test(start_paused = true)]
async fn one_client_asks_for_little_at_a_time() {
    let world = World::new().await;
    let mut greedy = world.subscribed(PLENTY).await;
    let mut modest = Client::connect(&world.hub, PLENTY);
    // The same shard.
    drop(std::mem::replace(&mut modest, Client::connect(&world.hub, PLENTY)));
    world.subscribe(&mut modest, &name(0)).await;
    settle().await;
    let mut answered = 0;
    while publications(&mut modest).is_empty() {
        assert!(world.record.let_go(), "it has asked");
        answered += 1;
        settle().await;
    }
    assert!(answered <= 8, "{answered} questions of another one came first");
    world.answer_all().await;
    assert_eq!(publications(&mut greedy).len(), CHANNELS * STORED as usize);
}

#[tokio::test(start_paused = true)]
async fn busy_channels_do_not_starve_another_of_the_same_client() {
    let world = World::new().await;
    let (mut publisher, mut client) = (Client::connect(&world.hub, PLENTY), Client::connect(&world.hub, 0));
    let channels = ["pass:a", "pass:b", "pass:c", "pass:d"];
    for channel in channels {
        world.subscribe(&mut client, channel).await;
    }
    settle().await;
    for (channel, times) in channels.into_iter().zip([15, 1, 1, 15]) {
        for _ in 0..times {
            world.publish(&mut publisher, channel, 60_000).await;
        }
        world.answer_all().await;
    }
    let mut seen = Vec::new();
    for _ in 0..16 {
        client.make_room(128 << 10);
        settle().await;
        seen.extend(publications(&mut client));
        if seen.iter().any(|channel| channel == "pass:b") && seen.iter().any(|channel| channel == "pass:c") {
            break;
        }
    }
    assert!(seen.len() <= 12, "{} came before: {seen:?}", seen.len());
}

#[tokio::test(start_paused = true)]
async fn the_backlog_of_a_blocked_reader_is_dropped_when_it_leaves() {
    let world = World::new().await;
    let mut clients: Vec<_> = (0..4).map(|nth| Client::connect(&world.hub, if nth < 2 { 0 } else { PLENTY })).collect();
    for client in &mut clients {
        world.subscribe(client, "pass:a").await;
    }
    settle().await;
    let mut publisher = Client::connect(&world.hub, PLENTY);
    for _ in 0..3 {
        world.publish(&mut publisher, "pass:a", 10_000).await;
    }
    world.answer_all().await;
    assert!(world.hub.log_bytes() > 20_000, "kept for those that do not read");
    for client in &mut clients[..2] {
        world.request(client, "unsubscribe", json!({"channel": "pass:a"})).await;
    }
    settle().await;
    assert_eq!(world.hub.log_bytes(), 0, "others are still subscribed, and have read everything");
    assert_eq!(world.record.stats().publications, CHANNELS as u64 * STORED);
}
