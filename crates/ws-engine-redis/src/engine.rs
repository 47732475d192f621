//! The engine: takes calls, and hands them to the lanes, the pages and the feed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use ws_core::Supervisor;
use ws_core::engine::cluster::Cluster;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery,
};
use ws_proto::action::Ack;

use crate::check::{StartError, check};
use crate::cluster::RedisCluster;
use crate::connect::{keep_pair, keep_reader, keep_time};
use crate::dial::Backoff;
use crate::job::{Appending, Job, Removing};
use crate::limits::{APPEND_WAIT, BACKOFF, TICK};
use crate::message::record;
use crate::options::RedisOptions;
use crate::primary::Finder;
use crate::shared::Shared;

/// Keeps publications in Redis, together with other servers.
#[derive(Debug)]
pub struct RedisEngine {
    shared: Arc<Shared>,
    cluster: RedisCluster,
    finder: Arc<Finder>,
}

impl RedisEngine {
    /// Checks that Redis can be used. Waits for it, up to the `start_timeout`, and nothing is dialled afterwards before
    /// the engine is started.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(options: RedisOptions) -> Result<Self, StartError> {
        let [location] = options.locations.as_slice() else {
            return Err(StartError::Unusable("several servers of Redis are not supported yet".to_owned()));
        };
        let finder = Arc::new(Finder::new(location.clone()));
        let (since, mut backoff) = (Instant::now(), Backoff::new(BACKOFF));
        let hashes = loop {
            match check(&options, &finder).await {
                Ok(hashes) => break hashes,
                Err(StartError::Unreachable(_)) if since.elapsed() < options.start_timeout => {}
                Err(error) => return Err(error),
            }
            sleep(backoff.pause()).await;
        };
        let shared = Arc::new(Shared::new(options, hashes));
        Ok(RedisEngine { cluster: RedisCluster(shared.clone()), shared, finder })
    }
}

impl Engine for RedisEngine {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn ack(&self) -> Ack {
        Ack::Replicated
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(&self.cluster)
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        if self.shared.sink.set(sink).is_err() {
            return;
        }
        let (place, at) = watch::channel(None);
        let pair = keep_pair(self.shared.clone(), self.finder.clone(), place);
        let reader = keep_reader(self.shared.clone(), at);
        let supervisor = || self.shared.supervisor.clone();
        self.shared.runtime.spawn(supervisor().watch("the task that writes to Redis", pair));
        self.shared.runtime.spawn(supervisor().watch("the task that reads from Redis", reader));
        self.shared.runtime.spawn(supervisor().watch("the timer of the Redis engine", keep_time(self.shared.clone())));
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        let Append { channel, retention, body, data, msg_id, age_ms, read_us } = append;
        let is_kept = retention.size > 0;
        if !is_kept && age_ms > 0 {
            return done(Err(EngineError::UnknownOutcome));
        }
        let bytes = if is_kept { record(&body, &data) } else { body.to_vec() };
        if is_kept {
            self.shared.queue.take(bytes.len());
        }
        let job = Appending {
            channel: channel.into(),
            retention,
            bytes,
            id: msg_id.filter(|_| is_kept).map(Into::into),
            age_ms,
            came: Instant::now(),
            tag: read_us.map_or(0, |read_us| read_us.saturating_add(1)),
            is_repeated: false,
            done,
        };
        self.shared.submit(channel, Job::Append(job));
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        if query.retention.size == 0 {
            return done(Err(EngineError::NoHistory));
        }
        self.shared.page(&query, done);
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        if query.retention.size == 0 {
            return done(Ok(None));
        }
        self.shared.find(&query, done);
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        let came = Instant::now();
        self.shared.submit(channel, Job::Remove(Removing { channel: channel.into(), came, done }));
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.shared.interest(channel, interested);
    }

    fn following(&self, channel: &str, done: Done<()>) {
        self.shared.following(channel, done);
    }

    fn has_room(&self) -> bool {
        self.shared.queue.has_room()
    }

    fn stats(&self) -> EngineStats {
        let cluster = Some(self.shared.cluster_stats());
        EngineStats { channels: self.shared.feed.count() as u64, cluster, ..EngineStats::default() }
    }

    fn health(&self) -> Result<(), String> {
        self.shared.trouble().map_or(Ok(()), Err)
    }

    fn supervisor(&self) -> Option<&Supervisor> {
        Some(&self.shared.supervisor)
    }

    /// What was accepted is written first, if that takes no longer than a publication may wait.
    fn close(&self, done: Done<()>) {
        let shared = self.shared.clone();
        self.shared.runtime.spawn(async move {
            let since = Instant::now();
            let is_idle = || shared.are_lanes_idle() && !shared.is_waited() && shared.is_desk_idle();
            while !is_idle() && shared.trouble().is_none() && since.elapsed() < APPEND_WAIT {
                sleep(Duration::from_millis(1).min(TICK)).await;
            }
            shared.give_up_lease().await;
            shared.end();
            done(Ok(()));
        });
    }
}

impl Drop for RedisEngine {
    fn drop(&mut self) {
        if !self.shared.closed.load(Ordering::Acquire) {
            self.shared.end();
        }
    }
}
