//! Where clients of any kind publish and read behind a network that breaks every connection, and are judged.
//!
//! `WS_TEST_RECONNECTS` says how often they have to reconnect; `WS_TEST_SEED` repeats what the network does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use ws_server::config::Channels;
use ws_tests::fault_proxy::{Chaos, Fault, FaultProxy, Script, seed};
use ws_tests::oracle::{Published, Seen, Truth};
use ws_tests::prelude::*;

/// The last one forgets publications soon: in it there are gaps, and outcomes that nobody knows.
pub(super) const CHANNELS: [&str; 3] = ["a", "b", "short:c"];

pub(super) const PUBLISHERS: usize = 4;
pub(super) const SUBSCRIBERS: usize = 4;

/// Reconnects of all clients together, unless `WS_TEST_RECONNECTS` says otherwise.
const RECONNECTS: u64 = 300;

/// The epoch of each channel.
pub(super) type Epochs = Arc<BTreeMap<&'static str, String>>;

/// The newest offset of each channel, once nobody publishes any more.
pub(super) type Tops = BTreeMap<&'static str, u64>;

pub(super) struct Stage {
    server: Server,
    proxy: FaultProxy,
    begun: Instant,
    stop: watch::Sender<bool>,
    tops: watch::Sender<Option<Tops>>,
    epochs: Epochs,
    witness: JoinHandle<Truth>,
}

impl Stage {
    pub(super) async fn begin() -> Self {
        let server = Server::with(|config| {
            config.channels.history_size = 1_000_000;
            config.namespaces.insert("short".to_owned(), Channels { history_size: 20, ..Channels::default() });
            (config.heartbeat.interval, config.heartbeat.timeout) = (Duration::from_secs(1), Duration::from_secs(3));
        })
        .await;
        let proxy = FaultProxy::chaotic(server.addr(), Chaos::new(seed())).await;
        let (stop, tops) = (watch::Sender::new(false), watch::Sender::new(None));
        let (epochs, witness) = witness(&server, tops.subscribe()).await;
        Stage { server, proxy, begun: Instant::now(), stop, tops, epochs: Arc::new(epochs), witness }
    }

    pub(super) fn proxy(&self) -> &FaultProxy {
        &self.proxy
    }

    /// True when publishers are to stop.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub(super) fn epochs(&self) -> Epochs {
        self.epochs.clone()
    }

    /// There when subscribers are to stop: as soon as they have seen all of it.
    pub(super) fn tops(&self) -> watch::Receiver<Option<Tops>> {
        self.tops.subscribe()
    }

    /// Lets them live with it until they have reconnected often enough, mends the network, and judges them.
    pub(super) async fn end(self, publishing: JoinSet<Vec<Published>>, reading: JoinSet<Vec<Seen>>) {
        let clients = (PUBLISHERS + SUBSCRIBERS) as u64;
        let wanted = std::env::var("WS_TEST_RECONNECTS").map_or(RECONNECTS, |wanted| wanted.parse().expect("a number"));
        let (proxy, mut next) = (&self.proxy, 0);
        while next < clients + wanted {
            // The deadline is for a few of them: how many there are in all is up to whoever runs the test.
            next = (proxy.accepted() + 20).min(clients + wanted);
            proxy.until_accepted(next).await;
        }
        proxy.set_script(Script::new());
        proxy.now(Fault::Reset);
        self.stop.send_replace(true);
        let published = within(&format!("the ends of all publications\n{proxy}"), publishing.join_all()).await;
        let (reconnects, took) = (proxy.accepted() - clients, self.begun.elapsed());
        self.tops.send_replace(Some(tops(&self.server).await));
        let seen = within(&format!("the subscribers to have everything\n{proxy}"), reading.join_all()).await;
        let truth = within("the witness to have everything", self.witness).await.expect("the witness");
        let tally = truth.judge(&published, &seen);
        println!("{reconnects} reconnects in {took:?}: {tally:?}, {:?}", proxy.faults());
        assert!(tally.acked > wanted && tally.delivered > SUBSCRIBERS as u64 * wanted, "{tally:?}");
    }
}

/// Reads all channels over a connection without faults, to these offsets. Also returns their epochs.
async fn witness(
    server: &Server,
    mut tops: watch::Receiver<Option<Tops>>,
) -> (BTreeMap<&'static str, String>, JoinHandle<Truth>) {
    let mut client = server.connect().await;
    let mut epochs = BTreeMap::new();
    for channel in CHANNELS {
        let answer = client.ask("subscribe", json!({"channel": channel})).await;
        epochs.insert(channel, answer["epoch"].as_str().expect("an epoch").to_owned());
    }
    let reading = tokio::spawn(async move {
        let mut truth = Truth::default();
        loop {
            let has_all = |tops: &Tops| tops.iter().all(|(channel, top)| truth.top(channel) >= *top);
            if tops.borrow().as_ref().is_some_and(has_all) {
                return truth;
            }
            tokio::select! {
                changed = tops.changed() => changed.expect("the test goes on"),
                mut event = client.notification() => {
                    assert_eq!(event["event"], "publication", "the witness reads fast enough: {event}");
                    let channel = event["channel"].as_str().expect("a channel").to_owned();
                    let offset = event["offset"].as_u64().expect("an offset");
                    truth.witness(&channel, offset, event["data"].take());
                }
            }
        }
    });
    (epochs, reading)
}

/// Offsets of the newest publications, asked for without faults.
async fn tops(server: &Server) -> Tops {
    let mut client = server.connect().await;
    let mut tops = Tops::new();
    for channel in CHANNELS {
        let answer = client.ask("subscribe", json!({"channel": channel})).await;
        tops.insert(channel, answer["offset"].as_u64().expect("an offset"));
    }
    tops
}
