//! Sends the canary, and reads it in every shard. What is known about it: [`crate::state::Canary`].

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{MissedTickBehavior, interval, timeout};
use ws_proto::ErrorBody;

use super::handle::Hub;
use crate::connection::{Connection, Outlet};
use crate::engine::pending::Pending;
use crate::engine::{EngineError, History, HistoryQuery};
use crate::frame;
use crate::registry::Named;
use crate::state::{Canary, CanaryStats, Draft, Notice, Shared, Stage, Start, Subscription};
use crate::waiter::Waiter;

impl Hub {
    /// Watches itself with a canary from now on: the returned future, which the caller spawns, publishes one at this
    /// interval, until the hub drains. A hub has one canary: for another one, the future ends at once.
    ///
    /// # Panics
    /// If the interval is zero.
    pub fn canary(&self, interval: Duration) -> impl Future<Output = ()> + Send + use<> {
        assert!(!interval.is_zero(), "an interval of the canary");
        let shared = self.shared.clone();
        let is_first = shared
            .canary
            .set(Canary::new(interval, shared.clock, &shared.gate, shared.engine.is_shared()).into())
            .is_ok();
        async move {
            if let Some(canary) = shared.canary.get().filter(|_| is_first).cloned() {
                Flight { shared, canary }.run().await;
            }
        }
    }

    /// Whether what is published arrives, as far as the [`canary`](Self::canary) knows.
    ///
    /// # Errors
    /// `engine_unavailable`, `overloaded`: no, and where it is stuck, in words for an operator.
    pub fn canary_verdict(&self) -> Result<(), ErrorBody> {
        self.shared.canary.get().map_or(Ok(()), |canary| canary.verdict())
    }

    /// What the canary has found; `None` without one.
    pub fn canary_stats(&self) -> Option<CanaryStats> {
        self.shared.canary.get().map(|canary| canary.stats())
    }
}

/// The task of the canary.
struct Flight {
    shared: Arc<Shared>,
    canary: Arc<Canary>,
}

impl Flight {
    async fn run(self) {
        // For as long as the hub lives: the channel keeps its epoch.
        self.shared.engine.interest(self.canary.channel().name(), true);
        let mut ticks = interval(self.canary.interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut log = Log::default();
        let mut has_readers = false;
        loop {
            ticks.tick().await;
            // The engine is about to be closed.
            if self.shared.is_draining() {
                return;
            }
            self.round(&mut has_readers, &mut log).await;
        }
    }

    /// Sends one, and waits until it is complete, refused, or given up because the fan-out has lost it. It is not given
    /// up while the engine has not answered: so the engine never has more than one to deal with.
    async fn round(&self, has_readers: &mut bool, log: &mut Log) {
        let number = self.canary.begin(self.shared.shards.len());
        let mut sent = pin!(async {
            if !*has_readers {
                self.start_readers().await?;
                *has_readers = true;
            }
            self.publish(number).await?;
            self.canary.completed().await;
            Ok::<_, EngineError>(())
        });
        let mut is_missed = false;
        let result = loop {
            if let Ok(result) = timeout(self.canary.patience(), sent.as_mut()).await {
                break result;
            }
            // Once for each.
            if !std::mem::replace(&mut is_missed, true) {
                self.canary.missed();
                log.lost(self.trouble());
            }
            if self.canary.stage() == Stage::Fanout {
                return;
            }
        };
        match result {
            Err(EngineError::Unavailable(_)) if self.is_full_for_all() => self.canary.put_off(),
            Err(error) => {
                let is_lasting = error != EngineError::Overloaded;
                self.canary.refused(is_lasting.then(|| error.to_string()));
                log.lost(self.trouble());
            }
            Ok(()) => log.arrived(),
        }
    }

    /// A store that several servers share is well, and takes nothing: it is full. Clients would be no better off on another
    /// server, and all would be taken out at once.
    fn is_full_for_all(&self) -> bool {
        self.shared.engine.is_shared() && self.shared.engine.health().is_ok()
    }

    /// Why the server is not ready; nothing while it drains, when that is no news.
    fn trouble(&self) -> Option<ErrorBody> {
        self.canary.verdict().err().filter(|_| !self.shared.is_draining())
    }

    /// Publishes one. Waits for room, and for the engine's answer.
    async fn publish(&self, number: u64) -> Result<(), EngineError> {
        let data: Box<RawValue> = serde_json::value::to_raw_value(&number).expect("a number is JSON");
        let draft = Draft {
            channel: self.canary.channel().name(),
            options: self.canary.channel().options(),
            data: &data,
            from: None,
            msg_id: None,
            shows_id: true,
            is_last: false,
            repeat: None,
            tags: None,
            read_us: self.shared.clock.now_us(),
        };
        self.canary.enter(Stage::Room);
        let mut waiter = Waiter::default();
        let publishing = poll_fn(|cx| {
            let publishing = self.shared.publish(&draft, &mut waiter, || cx.waker().clone());
            publishing.map_or(Poll::Pending, Poll::Ready)
        });
        let publishing = publishing.await;
        self.canary.enter(Stage::Engine);
        poll_fn(|cx| publishing.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await?;
        self.canary.enter(Stage::Fanout);
        Ok(())
    }

    /// Starts a reader in every shard, at the end of the stream. The engine is asked where that is, as for any
    /// subscriber.
    async fn start_readers(&self) -> Result<(), EngineError> {
        loop {
            let query = HistoryQuery {
                channel: self.canary.channel().name(),
                retention: self.canary.channel().options().retention(),
                after: 0,
                before: None,
                reverse: false,
                limit: 0,
                bytes_max: 0,
            };
            let pending = Pending::<_, ()>::call(|done| self.shared.engine.history(query, done));
            let position = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await?;
            if self.found(&position) {
                (0..self.shared.shards.len()).for_each(|shard| self.start_reader(shard));
                return Ok(());
            }
            // A new epoch has begun since the engine answered.
            tokio::task::yield_now().await;
        }
    }

    fn found(&self, position: &History) -> bool {
        let mut state = self.canary.channel().lock();
        let is_current = state.epoch.is_none_or(|epoch| epoch == position.epoch);
        if is_current {
            state.found(position.epoch, position.top);
        }
        is_current
    }

    fn start_reader(&self, shard: usize) {
        let channel = self.canary.channel();
        let outlet = Reader { canary: self.canary.clone(), shard };
        let connection = Connection::internal(Box::new(outlet), self.shared.clock.now_ms());
        let subscription = Arc::new(Subscription::new(channel.clone(), connection.clone()));
        let mut state = channel.lock();
        state.attach(shard);
        let (generation, live) = (channel.generation(), state.end);
        state.start_reader(shard);
        drop(state);
        subscription.set_started();
        let inbox = &self.shared.shards[shard];
        inbox.notify(Notice::Join(connection));
        inbox.notify(Notice::Subscribe(subscription, Start { generation, live, after: live.offset }));
    }
}

/// Logs when the canary is lost, and when it is back; each once.
#[derive(Default)]
struct Log {
    is_lost: bool,
}

impl Log {
    fn lost(&mut self, error: Option<ErrorBody>) {
        if let Some(error) = error.filter(|_| !self.is_lost) {
            self.is_lost = true;
            tracing::error!("the server is not ready: {}", error.message);
        }
    }

    fn arrived(&mut self) {
        if std::mem::take(&mut self.is_lost) {
            tracing::info!("the canary arrives again");
        }
    }
}

/// The socket of a reader in this process.
#[derive(Debug)]
struct Reader {
    canary: Arc<Canary>,
    shard: usize,
}

/// What it looks for in a frame. Other frames, such as gaps, have no data.
#[derive(Deserialize)]
struct Notification {
    data: Event,
}

#[derive(Deserialize)]
struct Event {
    data: u64,
}

impl Outlet for Reader {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let events =
            frame::split(bytes).filter_map(|(_, payload)| serde_json::from_slice::<Notification>(payload).ok());
        events.for_each(|event| self.canary.delivered(event.data.data, self.shard));
        Ok(bytes.len())
    }
}
