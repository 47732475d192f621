//! What must be true of a Redis before it is used: its version, its role, that it forgets nothing by itself, the rights of
//! the user, and that its data was set up in the same way.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::dial::{DialError, dial};
use crate::generations;
use crate::keys::Keys;
use crate::link::{Link, OnPush, Patience};
use crate::location::Location;
use crate::options::RedisOptions;
use crate::owned::Owned;
use crate::prepare::{PrepareError, compare_setup, load_scripts, setup};
use crate::primary::Finder;
use crate::rehearsal::rehearse;
use crate::resp::Value;
use crate::scripts::{Hashes, Script};
use crate::shared::Shared;
use crate::slots::{Lead, Slots};

/// Why a start is in vain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It could not be reached, or refused for the moment, for as long as `start_timeout`.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// It is there, and cannot be used as it is.
    #[error("this Redis cannot be used: {0}")]
    Unusable(String),
}

impl StartError {
    /// Says first where it is.
    pub(crate) fn of(self, title: &str) -> Self {
        match self {
            StartError::Unreachable(words) => StartError::Unreachable(format!("{title}{words}")),
            StartError::Unusable(words) => StartError::Unusable(format!("{title}{words}")),
        }
    }
}

/// The rights that the engine needs, as Redis writes them.
const RIGHTS: &str = "~PREFIX:* &PREFIX:* +@all -@dangerous +info";

/// Checks everything, and loads the scripts.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn check(options: &RedisOptions, keys: &Keys, finder: &Finder) -> Result<Hashes, StartError> {
    let (heard, mut hears) = mpsc::channel(1);
    let on_push = Box::new(move |parts: &[Value]| {
        let is_message = parts.first().and_then(Value::as_bytes) == Some(b"smessage");
        // One is enough.
        let _ = if is_message { heard.try_send(()) } else { Ok(()) };
    });
    let link = reach(options, finder, on_push).await?;
    let checked = async {
        let info = info(&link).await?;
        judge(&info, options).map_err(StartError::Unusable)?;
        let failed = |error: PrepareError| in_vain(options, &error);
        let hashes = Hashes(load_scripts(&link).await.map_err(failed)?);
        let shared = Arc::new(Shared::alone(options.clone(), keys.clone(), hashes.clone()));
        match finder.slots() {
            None => compare_setup(&link, &shared).await.map_err(failed)?,
            // Once is enough.
            Some(slots) if keys.share().unit == 0 => {
                let link = dial_setup(&shared, slots).await?;
                compare_setup(&link, &shared).await.map_err(failed)?;
            }
            Some(_) => {}
        }
        test_rights(&link, &shared, &mut hears).await.map_err(failed)?;
        rehearse(&link, options, keys, hashes.clone()).await.map_err(failed)?;
        Ok(hashes)
    };
    let checked = timeout(options.command_timeout, checked).await;
    let checked = checked.unwrap_or_else(|_| Err(StartError::Unreachable("it has not answered in time".to_owned())));
    if checked.is_err() {
        finder.doubt().await;
    }
    checked
}

/// Sets the data up, once all servers of Redis have been [checked](check).
///
/// # Errors
/// [`StartError`].
pub(crate) async fn set_up(options: &RedisOptions, keys: &Keys, finder: &Finder) -> Result<(), StartError> {
    let shared = Shared::alone(options.clone(), keys.clone(), Hashes::default());
    let link = match finder.slots() {
        None => reach(options, finder, Box::new(|_| {})).await?,
        Some(slots) if keys.share().unit == 0 => dial_setup(&shared, slots).await?,
        Some(_) => return Ok(()),
    };
    setup(&link, &shared).await.map_err(|error| in_vain(options, &error))
}

/// Connects to the node of a Redis Cluster that has what the data was set up with.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn dial_setup(shared: &Shared, slots: &Slots) -> Result<Owned, StartError> {
    let options = &shared.options;
    let dialled = async {
        let Lead { primary, by } = slots.primary(shared.keys.setup_slot(), options).await?;
        let dialled = dial(options, &primary, Patience::Command(options.command_timeout), Box::new(|_| {})).await;
        if dialled.is_err() {
            slots.doubt(&by).await;
        }
        dialled
    };
    dialled.await.map_err(|error| match error {
        DialError::Refused(error) => StartError::Unusable(error),
        error => StartError::Unreachable(error.to_string()),
    })
}

/// A connection to the primary.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn reach(options: &RedisOptions, finder: &Finder, on_push: OnPush) -> Result<Owned, StartError> {
    let dialled = async {
        let address = finder.find(options, None).await?;
        let dialled = dial(options, &address, Patience::Command(options.command_timeout), on_push).await;
        if dialled.is_err() {
            finder.doubt().await;
        }
        dialled
    };
    dialled.await.map_err(|error| match error {
        DialError::Replica(_) if finder.fixed().is_some() => {
            StartError::Unusable(format!("{error}; engine.redis.url must name the primary"))
        }
        DialError::Unreachable(_) | DialError::Replica(_) => StartError::Unreachable(error.to_string()),
        DialError::Refused(error) => StartError::Unusable(error),
    })
}

pub(crate) fn in_vain(options: &RedisOptions, error: &PrepareError) -> StartError {
    match error {
        error if error.is_passing() => StartError::Unreachable(error.to_string()),
        PrepareError::Failed { .. } => {
            let needed = RIGHTS.replace("PREFIX", &options.prefix);
            StartError::Unusable(format!("{error}; the user needs these rights: {needed}"))
        }
        error => StartError::Unusable(error.to_string()),
    }
}

/// What `INFO` says.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn info(link: &Link) -> Result<HashMap<String, String>, StartError> {
    let info = match link.call(["INFO"]).await {
        Ok(info) => info,
        Err(failure) if failure.is_passing() => return Err(StartError::Unreachable(failure.to_string())),
        Err(failure) => {
            return Err(StartError::Unusable(format!("it refuses INFO: {failure}; the user needs the right +info")));
        }
    };
    let text = String::from_utf8_lossy(info.as_bytes().unwrap_or_default()).into_owned();
    Ok(text.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.into(), value.into())).collect())
}

/// Whether a server can be used of which `INFO` says this.
///
/// # Errors
/// In words.
pub(crate) fn judge(info: &HashMap<String, String>, options: &RedisOptions) -> Result<(), String> {
    let get = |key: &str| info.get(key).map_or("", String::as_str);
    let (name, version, least) = match get("valkey_version") {
        "" => ("Redis", get("redis_version"), 7),
        version => ("Valkey", version, 8),
    };
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
    if major < least {
        return Err(format!("it is {name} {version}, and {name} {least}.0 or later is needed"));
    }
    let is_cluster = options.locations.iter().any(Location::is_cluster);
    if (get("cluster_enabled") == "1") != is_cluster {
        let words = if is_cluster { "no part" } else { "part" };
        return Err(format!(
            "it is {words} of a Redis Cluster; engine.redis.url says otherwise (redis+cluster://host)"
        ));
    }
    let policy = get("maxmemory_policy");
    if !options.allow_eviction && !matches!(policy, "noeviction" | "") {
        return Err(format!(
            "its maxmemory-policy is {policy}, which forgets channels when the memory is full; set it to noeviction, or \
             set engine.redis.allow_eviction = true"
        ));
    }
    Ok(())
}

/// Does everything that the engine does, with keys of its own that expire.
async fn test_rights(link: &Link, shared: &Arc<Shared>, hears: &mut mpsc::Receiver<()>) -> Result<(), PrepareError> {
    let (partition, name) = (0, format!("*test:{}", shared.node_name));
    let keys = &shared.keys;
    let generation = keys.of_test(&shared.node_name);
    let (meta, stream, ids) = (keys.meta(0, &name), keys.stream(0, &name), keys.ids(0, &name));
    let topic = keys.topic(partition, &name);
    let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    let run = async |script: Script, keys: &[&str], args: Vec<Vec<u8>>| {
        let mut command = shared.eval(script, bytes(keys));
        command.extend(args);
        link.call(command).await.map_err(PrepareError::failed(format!("the script {} fails", script.name())))
    };
    let subscribed = link.subscribe(["SSUBSCRIBE", &topic], 1).await;
    subscribed.map_err(PrepareError::failed("SSUBSCRIBE fails"))?;
    let g = run(Script::Generation, &[&generation], vec![b"12345678".to_vec(), Vec::new(), Vec::new()]).await?;
    let (g, ..) = generations::parse(&g).unwrap_or_default();
    let g = g.to_be_bytes().to_vec();
    let e = b"12345678".to_vec();
    let mut record = crate::message::record(b"1", &(0..1));
    record.truncate(17);
    let mut append = vec![g.clone(), e.clone()];
    append.extend(bytes(&["1", "1000", "1000", &topic, "12345678"]));
    append.extend([record, b"+id".to_vec(), b"0".to_vec(), e.clone()]);
    run(Script::Append, &[&generation, &meta, &stream, &ids], append).await?;
    if hears.recv().await.is_none() {
        return Err(PrepareError::Late("the connection ended before what was published arrived".to_owned()));
    }
    run(Script::Page, &[&generation, &meta, &stream], bytes(&["1", "0", "0", "9", "0", "1", "1"])).await?;
    let position = [bytes(&["1000"]), vec![e.clone()], bytes(&["1", "0"])].concat();
    run(Script::Position, &[&generation, &meta, &stream], position).await?;
    let mut remove = vec![g, e];
    remove.extend(bytes(&["1000", &topic, "12345678"]));
    run(Script::Remove, &[&generation, &meta, &stream, &ids], remove).await?;
    run(Script::Expire, &[&generation, &meta, &stream, &ids], Vec::new()).await?;
    let published = link.call(["SPUBLISH", &topic, ""]).await;
    published.map_err(PrepareError::failed("SPUBLISH fails"))?;
    let unsubscribed = link.subscribe(["SUNSUBSCRIBE", &topic], 1).await;
    unsubscribed.map_err(PrepareError::failed("SUNSUBSCRIBE fails"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{accept, listen};

    /// A Redis that grants everything, up to a command, which it refuses. Whether it came so far.
    async fn refuse(redis: &tokio::net::TcpListener, nth: usize, error: &str) -> bool {
        let mut peer = accept(redis).await;
        peer.greet().await;
        for n in 0.. {
            let Some(command) = peer.try_next().await else { return false };
            if n == nth {
                peer.say(format!("-{error}\r\n").as_bytes()).await;
                peer.is_closed().await;
                return true;
            }
            peer.grant(&command).await;
        }
        false
    }

    /// In each of its steps.
    async fn check_refusals(error: &str, is_awaited: bool) {
        let (redis, options) = listen().await;
        let finder = Finder::new(options.locations[0].clone());
        let keys = Keys::of_units(&options.prefix, options.partitions, 1).remove(0);
        for nth in 0.. {
            let (checked, is_refused) =
                tokio::join!(super::check(&options, &keys, &finder), refuse(&redis, nth, error));
            match checked {
                Ok(_) => {
                    assert!(!is_refused && nth > 30, "{nth} steps");
                    return;
                }
                Err(StartError::Unreachable(words)) => assert!(is_awaited && words.contains(error), "{nth}: {words}"),
                Err(StartError::Unusable(words)) => assert!(!is_awaited && words.contains("right"), "{nth}: {words}"),
            }
        }
    }

    #[tokio::test]
    async fn a_start_waits_for_a_redis_that_refuses_for_the_moment() {
        check_refusals("LOADING Redis is loading the dataset in memory", true).await;
        check_refusals("OOM command not allowed when used memory > 'maxmemory'.", true).await;
    }

    #[tokio::test]
    async fn a_start_says_at_once_which_rights_are_missing() {
        check_refusals("NOPERM this user has no permissions", false).await;
    }

    #[track_caller]
    fn check(info: &str, allow_eviction: bool, expect: Result<(), &str>) {
        let pairs = info.split(' ').filter_map(|pair| pair.split_once(':'));
        let info = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let options = RedisOptions { allow_eviction, ..RedisOptions::for_tests() };
        let judged = judge(&info, &options);
        match expect {
            Ok(()) => assert_eq!(judged, Ok(())),
            Err(words) => assert!(judged.as_ref().is_err_and(|error| error.contains(words)), "{judged:?}"),
        }
    }

    #[test]
    fn only_what_forgets_nothing_is_used() {
        check("redis_version:7.0.15 maxmemory_policy:noeviction", false, Ok(()));
        check("redis_version:6.2.1", false, Err("it is Redis 6.2.1"));
        check("redis_version:7.2.4 valkey_version:8.0.1", false, Ok(()));
        check("redis_version:7.2.4 valkey_version:7.2.5", false, Err("it is Valkey 7.2.5"));
        check("redis_version:7.0.15 cluster_enabled:1", false, Err("Redis Cluster"));
        let evicts = "redis_version:7.0.15 maxmemory_policy:allkeys-lru";
        check(evicts, false, Err("its maxmemory-policy is allkeys-lru"));
        check(evicts, true, Ok(()));
    }
}
