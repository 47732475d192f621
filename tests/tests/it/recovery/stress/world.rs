//! The state shared by all participants of a run: who publishes what, what was seen at each offset, and counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ws_tests::prelude::*;

use super::super::stream::{Stream, Terms};
use super::chance::Chance;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) channels: usize,
    pub(super) publishers: usize,
    pub(super) subscribers: usize,
    /// Of each publisher.
    pub(super) publications: usize,
    pub(super) terms: Terms,
    pub(super) seed: u64,
}

/// The shared state.
#[derive(Debug)]
pub(super) struct World {
    pub(super) addr: SocketAddr,
    pub(super) scale: Scale,
    epochs: Vec<String>,
    /// The channels of each publisher's publications, in their order.
    pub(super) plan: Vec<Vec<usize>>,
    /// Publications of each channel, at the end.
    totals: Vec<u64>,
    /// Publications of each channel sent so far.
    sent: Vec<AtomicU64>,
    /// What was seen at each offset of each channel; 0: nothing yet.
    ledger: Vec<Vec<AtomicU64>>,
    deliveries: AtomicU64,
    recoveries: AtomicU64,
    gaps: AtomicU64,
    missed: AtomicU64,
}

/// What happened in a run.
#[derive(Debug)]
#[expect(dead_code, reason = "they are read in the output")]
pub(super) struct Counts {
    pub(super) publications: u64,
    pub(super) deliveries: u64,
    /// Subscriptions with `since`.
    pub(super) recoveries: u64,
    pub(super) gaps: u64,
    pub(super) missed: u64,
}

impl World {
    /// A run that has not started.
    pub(super) async fn new(addr: SocketAddr, scale: Scale) -> Self {
        let plan: Vec<_> = (0..scale.publishers).map(|nth| channels_of(scale, nth)).collect();
        let mut totals = vec![0; scale.channels];
        plan.iter().flatten().for_each(|channel| totals[*channel] += 1);
        let mut client = Client::connect(addr, "/ws").await;
        let mut epochs = Vec::new();
        for channel in 0..scale.channels {
            let data = client.ask("subscribe", json!({"channel": name(channel)})).await;
            epochs.push(data["epoch"].as_str().expect("an epoch").to_owned());
        }
        client.close().await;
        let numbers = |count: u64| (0..count).map(|_| AtomicU64::new(0)).collect();
        World {
            addr,
            scale,
            epochs,
            plan,
            sent: numbers(scale.channels as u64),
            ledger: totals.iter().map(|total| numbers(total + 1)).collect(),
            totals,
            deliveries: AtomicU64::new(0),
            recoveries: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// A channel from its beginning.
    pub(super) fn stream(&self, channel: usize) -> Stream {
        Stream::new(&name(channel), &self.epochs[channel], self.scale.terms)
    }

    /// Publications of a channel, at the end.
    pub(super) fn total(&self, channel: usize) -> u64 {
        self.totals[channel]
    }

    /// Publications of a channel sent so far.
    pub(super) fn sent(&self, channel: usize) -> u64 {
        self.sent[channel].load(Ordering::SeqCst)
    }

    /// The same over all channels.
    pub(super) fn sent_in_all(&self) -> u64 {
        (0..self.scale.channels).map(|channel| self.sent(channel)).sum()
    }

    /// A publication is about to be sent.
    pub(super) fn send(&self, channel: usize) {
        self.sent[channel].fetch_add(1, Ordering::SeqCst);
    }

    /// A client saw `data` at an offset. All clients must see the same.
    pub(super) fn agree(&self, channel: usize, offset: u64, data: u64) {
        let entry = &self.ledger[channel][offset as usize];
        if let Err(other) = entry.compare_exchange(0, data, Ordering::Relaxed, Ordering::Relaxed) {
            assert_eq!(data, other, "two publications at offset {offset} of channel {channel}");
        }
    }

    /// Adds a client's counts.
    pub(super) fn count(&self, deliveries: u64, recoveries: u64, streams: &[Stream]) {
        self.deliveries.fetch_add(deliveries, Ordering::Relaxed);
        self.recoveries.fetch_add(recoveries, Ordering::Relaxed);
        self.gaps.fetch_add(streams.iter().map(|stream| stream.gaps).sum(), Ordering::Relaxed);
        self.missed.fetch_add(streams.iter().map(|stream| stream.missed).sum(), Ordering::Relaxed);
    }

    /// What happened.
    pub(super) fn counts(&self) -> Counts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            publications: self.sent_in_all(),
            deliveries: get(&self.deliveries),
            recoveries: get(&self.recoveries),
            gaps: get(&self.gaps),
            missed: get(&self.missed),
        }
    }

    /// Checks that every offset has one publication, every publication has one offset, and each publisher's are in its order.
    pub(super) fn check(&self) {
        for (channel, ledger) in self.ledger.iter().enumerate() {
            let mut next: Vec<_> = (0..self.scale.publishers).map(|nth| self.first_of(nth, channel, 0)).collect();
            for (offset, entry) in ledger.iter().enumerate().skip(1) {
                let (publisher, nth) = parts(entry.load(Ordering::Relaxed));
                assert_eq!(Some(nth), next[publisher], "offset {offset} of channel {channel}, publisher {publisher}");
                next[publisher] = self.first_of(publisher, channel, nth + 1);
            }
            assert!(next.iter().all(Option::is_none), "all of channel {channel} are there");
        }
    }

    /// A publisher's first publication in a channel at or after `from`.
    fn first_of(&self, publisher: usize, channel: usize, from: usize) -> Option<usize> {
        self.plan[publisher].iter().skip(from).position(|at| *at == channel).map(|more| from + more)
    }
}

/// The data of a publisher's nth publication; never 0.
pub(super) fn data(publisher: usize, nth: usize) -> u64 {
    (publisher as u64 + 1) * 1_000_000 + nth as u64
}

fn parts(data: u64) -> (usize, usize) {
    assert!(data >= 1_000_000, "nobody has seen it");
    ((data / 1_000_000) as usize - 1, (data % 1_000_000) as usize)
}

/// The name of a channel.
pub(super) fn name(channel: usize) -> String {
    format!("stress{channel}")
}

/// The channels that a publisher publishes in.
pub(super) fn publishes_in(scale: Scale, nth: usize) -> [usize; 2] {
    [nth % scale.channels, (nth + 1) % scale.channels]
}

fn channels_of(scale: Scale, nth: usize) -> Vec<usize> {
    let mut chance = Chance::new(scale.seed, nth);
    (0..scale.publications).map(|_| publishes_in(scale, nth)[chance.below(2) as usize]).collect()
}
