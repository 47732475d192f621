//! Looks at a Redis, and writes nothing there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::check::{StartError, dial_setup, in_vain, info, judge, reach};
use crate::keys::Keys;
use crate::link::Link;
use crate::location::Location;
use crate::options::RedisOptions;
use crate::prepare::compare_setup;
use crate::primary::Finder;
use crate::scripts::Hashes;
use crate::shared::Shared;
use crate::slots::Slots;

/// Whose primary is looked at.
const FIRST_SLOT: u16 = 0;

/// Round trips that are measured.
const PINGS: usize = 21;

/// A Redis that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its name and version.
    pub version: String,
    /// Its `maxmemory-policy`; empty: it does not say.
    pub eviction: String,
    /// Bytes that it uses.
    pub used_bytes: u64,
    /// Bytes that it may use; 0: no limit.
    pub bytes_max: u64,
    /// Whether it appends every write to a file.
    pub is_persistent: bool,
    /// Replicas that are connected to it.
    pub replicas: u64,
    /// The median time of a round trip.
    pub round_trip: Duration,
}

/// Connects once, and looks at the shard of this place in the list, within the `command_timeout`: at its server, and at what
/// its data was set up with. Of a Redis Cluster it looks at one primary.
///
/// # Errors
/// [`StartError`], as at a start. What only shows in writing, as a right that is missing, is not found.
pub async fn examine(options: &RedisOptions, shard: usize) -> Result<Examined, StartError> {
    let nowhere = || StartError::Unusable("there is no server of Redis to look at".to_owned());
    let location = options.locations.get(shard).ok_or_else(nowhere)?.clone();
    let (finder, units) = match &location {
        Location::Cluster(nodes) => {
            (Finder::of_slot(Arc::new(Slots::new(nodes.clone())), FIRST_SLOT), options.partitions)
        }
        location => (Finder::new(location.clone()), options.locations.len()),
    };
    let keys = Keys::of_units(&options.prefix, options.partitions, units).into_iter().nth(shard).ok_or_else(nowhere)?;
    let options = &RedisOptions { locations: vec![location], ..options.clone() };
    let link = reach(options, &finder, Box::new(|_| {})).await?;
    let looked = async {
        let info = info(&link).await?;
        judge(&info, options).map_err(StartError::Unusable)?;
        let shared = Shared::alone(options.clone(), keys, Hashes::default());
        let of_setup = match finder.slots() {
            None => None,
            Some(slots) => Some(dial_setup(&shared, slots).await?),
        };
        let compared = compare_setup(of_setup.as_deref().unwrap_or(&link), &shared).await;
        compared.map_err(|error| in_vain(options, &error))?;
        found(&link, &info).await
    };
    let looked = timeout(options.command_timeout, looked).await;
    looked.unwrap_or_else(|_| Err(StartError::Unreachable("it has not answered in time".to_owned())))
}

async fn found(link: &Link, info: &HashMap<String, String>) -> Result<Examined, StartError> {
    let text = |key: &str| info.get(key).cloned().unwrap_or_default();
    let number = |key: &str| text(key).parse().unwrap_or_default();
    let version = match text("valkey_version") {
        version if version.is_empty() => format!("Redis {}", text("redis_version")),
        version => format!("Valkey {version}"),
    };
    Ok(Examined {
        version,
        eviction: text("maxmemory_policy"),
        used_bytes: number("used_memory"),
        bytes_max: number("maxmemory"),
        is_persistent: text("aof_enabled") == "1",
        replicas: number("connected_slaves"),
        round_trip: round_trip(link).await?,
    })
}

async fn round_trip(link: &Link) -> Result<Duration, StartError> {
    let mut times = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let sent = Instant::now();
        link.call(["PING"]).await.map_err(|failure| StartError::Unreachable(failure.to_string()))?;
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    Ok(times[PINGS / 2])
}
