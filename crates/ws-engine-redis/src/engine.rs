//! The engine: takes calls, and hands them to the lanes, the pages and the feed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use ws_core::Supervisor;
use ws_core::engine::cluster::Cluster;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery,
};
use ws_proto::action::Ack;

use crate::check::{StartError, check, set_up};
use crate::cluster::RedisCluster;
use crate::connect::{keep_pair, keep_reader, keep_time};
use crate::dial::Backoff;
use crate::gauges::cluster_stats;
use crate::job::{Appending, Job, Removing};
use crate::keys::Keys;
use crate::limits::{APPEND_WAIT, BACKOFF, TICK};
use crate::location::Location;
use crate::message::record;
use crate::options::RedisOptions;
use crate::primary::Finder;
use crate::scripts::Hashes;
use crate::shared::{Shared, title, unit_of};
use crate::slots::Slots;
use crate::trouble::Troubles;
use crate::units::Units;

/// Keeps publications in Redis, together with other servers.
#[derive(Debug)]
pub struct RedisEngine {
    /// At least one.
    units: Arc<[Arc<Shared>]>,
    /// Of each unit.
    finders: Vec<Arc<Finder>>,
    cluster: RedisCluster,
}

impl RedisEngine {
    /// Checks that Redis can be used, each shard. Waits for it, up to the `start_timeout`, and nothing is dialled afterwards
    /// before the engine is started.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(options: RedisOptions) -> Result<Self, StartError> {
        let slots = match options.locations.as_slice() {
            [Location::Cluster(nodes)] => Some(Arc::new(Slots::new(nodes.clone()))),
            _ => None,
        };
        let n = if slots.is_some() { options.partitions } else { options.locations.len() };
        if n == 0 || n > options.partitions {
            let few = format!("{n} shards, and engine.redis.partitions = {}; each needs one", options.partitions);
            return Err(StartError::Unusable(few));
        }
        let since = Instant::now();
        let (mut checks, mut all, mut hashes) = (JoinSet::new(), Vec::new(), Hashes::default());
        for keys in Keys::of_units(&options.prefix, options.partitions, n) {
            let (options, finder) = match &slots {
                Some(slots) => (options.clone(), Finder::of_slot(slots.clone(), keys.slot())),
                None => {
                    let location = options.locations[keys.share().unit].clone();
                    (RedisOptions { locations: vec![location.clone()], ..options.clone() }, Finder::new(location))
                }
            };
            let finder = Arc::new(finder);
            all.push((options.clone(), keys.clone(), finder.clone()));
            checks.spawn(async move {
                let (options, keys, finder) = (&options, &keys, &finder);
                let checked = in_time(options, since, || check(options, keys, finder)).await;
                checked.map_err(|error| error.of(&title(options, keys)))
            });
        }
        while let Some(checked) = checks.join_next().await {
            hashes = checked.map_err(|error| StartError::Unusable(error.to_string()))??;
        }
        for (options, keys, finder) in &all {
            let set_up = in_time(options, since, || set_up(options, keys, finder)).await;
            set_up.map_err(|error| error.of(&title(options, keys)))?;
        }
        // One outage is one line, and not one for each partition.
        let troubles = slots.is_some().then(|| Troubles::of_all(n));
        let common = Units::new(n, options.queue_bytes_max, troubles);
        let finders = all.iter().map(|(.., finder)| finder.clone()).collect();
        let new = |(options, keys, _)| Arc::new(Shared::new(options, keys, hashes.clone(), common.clone()));
        let units: Arc<[_]> = all.into_iter().map(new).collect();
        Ok(RedisEngine { cluster: RedisCluster(units.clone()), finders, units })
    }

    fn of(&self, channel: &str) -> &Arc<Shared> {
        unit_of(&self.units, channel)
    }

    fn common(&self) -> &Units {
        &self.units[0].units
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
        for (unit, finder) in self.units.iter().zip(&self.finders) {
            if unit.sink.set(sink.clone()).is_err() {
                return;
            }
            let (place, at) = watch::channel(None);
            let pair = keep_pair(unit.clone(), finder.clone(), place);
            let reader = keep_reader(unit.clone(), at);
            let supervisor = || unit.units.supervisor.clone();
            unit.runtime.spawn(supervisor().watch("the task that writes to Redis", pair));
            unit.runtime.spawn(supervisor().watch("the task that reads from Redis", reader));
            unit.runtime.spawn(supervisor().watch("the timer of the Redis engine", keep_time(unit.clone())));
        }
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        let Append { channel, retention, body, data, msg_id, age_ms, read_us } = append;
        let is_kept = retention.size > 0;
        if !is_kept && age_ms > 0 {
            return done(Err(EngineError::UnknownOutcome));
        }
        let bytes = if is_kept { record(&body, &data) } else { body.to_vec() };
        if is_kept {
            self.common().queue.take(bytes.len());
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
        self.of(channel).submit(channel, Job::Append(job));
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        if query.retention.size == 0 {
            return done(Err(EngineError::NoHistory));
        }
        self.of(query.channel).page(&query, done);
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        if query.retention.size == 0 {
            return done(Ok(None));
        }
        self.of(query.channel).find(&query, done);
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        let came = Instant::now();
        self.of(channel).submit(channel, Job::Remove(Removing { channel: channel.into(), came, done }));
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.of(channel).interest(channel, interested);
    }

    fn following(&self, channel: &str, done: Done<()>) {
        self.of(channel).following(channel, done);
    }

    fn has_room(&self) -> bool {
        self.common().queue.has_room()
    }

    fn stats(&self) -> EngineStats {
        let channels = self.units.iter().map(|unit| unit.feed.count() as u64).sum();
        EngineStats { channels, cluster: Some(cluster_stats(&self.units)), ..EngineStats::default() }
    }

    fn health(&self) -> Result<(), String> {
        let mut troubles = self.units.iter().filter_map(|unit| unit.trouble());
        let Some(first) = troubles.next() else { return Ok(()) };
        Err(match troubles.count() {
            0 => first,
            others => format!("{first} (and {others} more)"),
        })
    }

    fn health_of(&self, channel: &str) -> Result<(), String> {
        self.of(channel).trouble().map_or(Ok(()), Err)
    }

    fn takes(&self, channel: &str) -> Result<(), String> {
        let unit = self.of(channel);
        unit.trouble().or_else(|| unit.refusing.lasting()).map_or(Ok(()), Err)
    }

    fn supervisor(&self) -> Option<&Supervisor> {
        Some(&self.common().supervisor)
    }

    /// What was accepted is written first, if that takes no longer than a publication may wait. The leases are given up after
    /// that, all together: without one of them, nothing more is written.
    fn close(&self, done: Done<()>) {
        let units = self.units.clone();
        self.units[0].runtime.spawn(async move {
            let since = Instant::now();
            while units.iter().any(is_busy) && since.elapsed() < APPEND_WAIT {
                sleep(Duration::from_millis(1).min(TICK)).await;
            }
            units.iter().for_each(|unit| unit.nodes.is_leaving.store(true, Ordering::Release));
            let mut closing: JoinSet<()> = units.iter().map(|unit| end(unit.clone())).collect();
            while closing.join_next().await.is_some() {}
            done(Ok(()));
        });
    }
}

impl Drop for RedisEngine {
    fn drop(&mut self) {
        for unit in self.units.iter().filter(|unit| !unit.closed.load(Ordering::Acquire)) {
            unit.end();
        }
    }
}

/// Does something with Redis, and waits for it: up to the `start_timeout` after the start.
async fn in_time<T, F: Future<Output = Result<T, StartError>>>(
    options: &RedisOptions,
    since: Instant,
    attempt: impl Fn() -> F,
) -> Result<T, StartError> {
    let mut backoff = Backoff::new(BACKOFF);
    loop {
        match attempt().await {
            Err(StartError::Unreachable(_)) if since.elapsed() < options.start_timeout => {}
            done => return done,
        }
        sleep(backoff.pause()).await;
    }
}

async fn end(unit: Arc<Shared>) {
    unit.give_up_lease().await;
    unit.end();
}

/// Whether something waits that may still be written.
fn is_busy(unit: &Arc<Shared>) -> bool {
    let is_idle = unit.are_lanes_idle() && !unit.is_waited() && unit.is_desk_idle();
    !is_idle && unit.trouble().is_none()
}
