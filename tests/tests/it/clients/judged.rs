//! The Rust client, judged by a witness without faults.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, select_all};
use tokio::sync::watch;
use tokio::task::JoinSet;
use ws_client::{Event, Gap, Outbox, Position, PublishError, Timers};
use ws_tests::oracle::{Outcome, Published, Seen};
use ws_tests::prelude::*;

use super::stage::{CHANNELS, Epochs, PUBLISHERS, SUBSCRIBERS, Stage, Tops};

/// Publications of one publisher that have no end yet.
const PENDING_MAX: usize = 6;

/// A client that waits for milliseconds where others wait for seconds.
pub(super) fn client(url: &str, outbox: Outbox) -> ws_client::Client {
    let ms = Duration::from_millis;
    let mut timers = Timers::default();
    (timers.connect, timers.request, timers.probe) = (ms(2_000), ms(1_000), ms(500));
    (timers.backoff_min, timers.backoff_max, timers.refused) = (ms(10), ms(50), ms(50));
    timers.store = DEADLINE; // a slow disk is no fault here
    ws_client::Client::builder(url).timers(timers).outbox(outbox).start().expect("a URL")
}

/// Publishes until it is told to stop, and waits for the ends of all publications.
pub(super) async fn publish(client: ws_client::Client, nth: usize, mut stop: watch::Receiver<bool>) -> Vec<Published> {
    let channels = CHANNELS.map(|channel| (channel, client.channel::<Value>(channel)));
    let (mut pending, mut told, mut n) = (FuturesUnordered::new(), BTreeMap::new(), 0);
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    while !*stop.borrow() || !pending.is_empty() {
        let may_publish = !*stop.borrow() && pending.len() < PENDING_MAX;
        tokio::select! {
            _ = pace.tick(), if may_publish => {
                let ((name, channel), data) = (&channels[n % channels.len()], json!([nth, n]));
                let publish = channel.publish(&data);
                pending.push(async move { (n, *name, data, publish.await) });
                n += 1;
            }
            Some((n, channel, data, end)) = pending.next() => {
                let outcome = match end {
                    Ok(ack) => Outcome::Acked(ack.position.expect("a channel with history").offset),
                    Err(PublishError::Unknown) => Outcome::Unknown,
                    Err(error) => panic!("publisher {nth}: {error}"),
                };
                told.insert(n, Published { channel: channel.to_owned(), data, outcome });
            }
            changed = stop.changed() => changed.expect("the test goes on"),
        }
    }
    told.into_values().collect()
}

/// Reads all channels from their beginning to these offsets.
pub(super) async fn subscribe(
    client: ws_client::Client,
    epochs: Epochs,
    mut tops: watch::Receiver<Option<Tops>>,
) -> Vec<Seen> {
    let streams = epochs.iter().map(|(channel, epoch)| {
        let since = Position { epoch: epoch.clone(), offset: 0 };
        client.channel::<Value>(*channel).subscribe().since(since).start().map(move |event| (*channel, event))
    });
    let mut events = select_all(streams);
    let (mut seen, mut at) = (Vec::new(), Tops::new());
    loop {
        let has_all = |tops: &Tops| tops.iter().all(|(channel, top)| at.get(channel).is_some_and(|at| at >= top));
        if tops.borrow().as_ref().is_some_and(has_all) {
            return seen;
        }
        tokio::select! {
            changed = tops.changed() => changed.expect("the test goes on"),
            Some((channel, event)) = events.next() => {
                let (name, last) = (channel.to_owned(), at.entry(channel).or_default());
                match event {
                    Event::Publication(publication) => {
                        let offset = publication.position.expect("a channel with history").offset;
                        *last = offset;
                        seen.push(Seen::Publication { channel: name, offset, data: publication.data });
                    }
                    Event::Gap(Gap::Offsets { from, to }) => {
                        *last = to;
                        seen.push(Seen::Gap { channel: name, from, to });
                    }
                    Event::Live { .. } => {}
                    other => panic!("{channel}: {other:?}"),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_users_are_told_is_true() {
    let (stage, dir) = (Stage::begin().await, tempfile::tempdir().expect("a directory"));
    let url = stage.proxy().url();
    let (mut publishing, mut reading) = (JoinSet::new(), JoinSet::new());
    for nth in 0..PUBLISHERS {
        let in_file = || Outbox::file(dir.path().join(nth.to_string()));
        let outbox = if nth % 2 == 0 { in_file() } else { Outbox::memory() };
        publishing.spawn(publish(client(&url, outbox), nth, stage.stop()));
    }
    for _ in 0..SUBSCRIBERS {
        reading.spawn(subscribe(client(&url, Outbox::memory()), stage.epochs(), stage.tops()));
    }
    stage.end(publishing, reading).await;
}
