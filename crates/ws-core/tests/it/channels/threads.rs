//! The same with real threads: publishers, and clients that connect, fall behind, leave and return, all at once, with a
//! drain in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ws_core::Hub;

use super::reader::{Asked, Reader};
use super::record::Record;
use super::{Back, CHANNELS, hub, subscribe};

const PUBLISHERS: usize = 3;
const EACH: usize = 2000;
const CLIENTS: usize = 8;

/// A small generator, so that a run can be repeated (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

async fn publish(hub: Hub, record: Arc<Record>, who: usize, done: Arc<AtomicUsize>) {
    let (mut reader, mut dice) = (Reader::connect(&hub, 1 << 30, false), Dice(who as u64));
    for n in 0..EACH {
        let channel = CHANNELS[dice.roll(CHANNELS.len() as u64) as usize];
        reader.say(Asked::Publish(channel.to_owned()), &format!(r#","data":[{who},{n}]"#));
        while !reader.is_idle() {
            tokio::task::yield_now().await;
            reader.go_on();
            reader.check(&record);
        }
    }
    done.fetch_add(1, Ordering::SeqCst);
}

/// Reconnects again and again, each time from its last position.
async fn follow(hub: Hub, record: Arc<Record>, who: usize, done: Arc<AtomicUsize>) -> usize {
    let mut dice = Dice(1000 + who as u64);
    let room = |dice: &mut Dice| if who.is_multiple_of(2) { 1 << 30 } else { dice.roll(4000) as usize };
    let (mut visits, mut known) = (0, Default::default());
    while done.load(Ordering::SeqCst) < PUBLISHERS && !hub.is_draining() {
        visits += 1;
        let mut reader = Reader::connect(&hub, room(&mut dice), false);
        reader.known = known;
        for _ in 0..dice.roll(200) {
            let channel = CHANNELS[dice.roll(CHANNELS.len() as u64) as usize];
            let back = [Back::Now, Back::Known(0), Back::Known(dice.roll(12)), Back::Rewind(dice.roll(12))];
            match dice.roll(12) {
                0..2 => subscribe(&mut reader, channel, &back[dice.roll(4) as usize]),
                2 if reader.wants(channel) => reader.say(Asked::Unsubscribe(channel.to_owned()), ""),
                _ => reader.client.make_room(room(&mut dice)),
            }
            tokio::task::yield_now().await;
            reader.go_on();
            reader.check(&record);
        }
        known = std::mem::take(&mut reader.known);
    }
    visits
}

/// Stays until the end, and must have everything then.
async fn stay(hub: Hub, record: Arc<Record>, ready: Arc<AtomicUsize>, done: Arc<AtomicUsize>) {
    let mut reader = Reader::connect(&hub, 1 << 30, false);
    CHANNELS.iter().for_each(|channel| subscribe(&mut reader, channel, &Back::Now));
    ready.fetch_add(1, Ordering::SeqCst);
    while done.load(Ordering::SeqCst) < PUBLISHERS || !reader.has_all(&record) {
        tokio::task::yield_now().await;
        reader.check(&record);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_change_nothing() {
    let record = Arc::new(Record::new(0));
    let hub = hub(&record);
    let (ready, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stayers = (0..2).map(|_| tokio::spawn(stay(hub.clone(), record.clone(), ready.clone(), done.clone())));
    let stayers: Vec<_> = stayers.collect();
    while ready.load(Ordering::SeqCst) < stayers.len() {
        tokio::task::yield_now().await;
    }
    let publishers = (0..PUBLISHERS).map(|who| tokio::spawn(publish(hub.clone(), record.clone(), who, done.clone())));
    let publishers: Vec<_> = publishers.collect();
    let clients = (0..CLIENTS).map(|who| tokio::spawn(follow(hub.clone(), record.clone(), who, done.clone())));
    let clients: Vec<_> = clients.collect();
    while hub.counters().publications.get() < (PUBLISHERS * EACH * 3 / 4) as u64 {
        tokio::task::yield_now().await;
    }
    hub.drain(Duration::ZERO, Duration::from_secs(1));
    for task in publishers.into_iter().chain(stayers) {
        task.await.expect("no panic");
    }
    let mut visits = 0;
    for client in clients {
        visits += client.await.expect("no panic");
    }
    assert!(visits > CLIENTS, "nobody came back: the test shows nothing");
    assert_eq!(hub.counters().publications.get(), (PUBLISHERS * EACH) as u64);
}
