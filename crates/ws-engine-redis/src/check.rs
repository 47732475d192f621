//! What must be true of a Redis before it is used: its version, its role, that it forgets nothing by itself, the rights of
//! the user, and that its data was set up in the same way.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::dial::{DialError, dial};
use crate::link::{Failure, Link, Patience};
use crate::options::RedisOptions;
use crate::prepare::{load_scripts, setup};
use crate::rehearsal::rehearse;
use crate::resp::Value;
use crate::scripts::{Hashes, Script};
use crate::shared::Shared;

/// Why a start is in vain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It could not be reached for as long as `start_timeout`.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// It is there, and cannot be used as it is.
    #[error("this Redis cannot be used: {0}")]
    Unusable(String),
}

/// The rights that the engine needs, as Redis writes them.
const RIGHTS: &str = "~PREFIX:* &PREFIX:* +@all -@dangerous +info";

/// Checks everything, and loads the scripts.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn check(options: &RedisOptions) -> Result<Hashes, StartError> {
    let (heard, mut hears) = mpsc::channel(1);
    let on_push = Box::new(move |parts: &[Value]| {
        let is_message = parts.first().and_then(Value::as_bytes) == Some(b"smessage");
        // One is enough.
        let _ = if is_message { heard.try_send(()) } else { Ok(()) };
    });
    let link = match dial(options, Patience::Command(options.command_timeout), on_push).await {
        Ok(link) => link,
        Err(DialError::Unreachable(error)) => return Err(StartError::Unreachable(error)),
        Err(error) => return Err(StartError::Unusable(error.to_string())),
    };
    let checked = async {
        let info = info(&link).await?;
        judge(&info, options).map_err(StartError::Unusable)?;
        let hashes = Hashes(load_scripts(&link).await.map_err(|error| rights(options, &error))?);
        let shared = Arc::new(Shared::new(options.clone(), hashes.clone()));
        let refused = |error: String| match error.contains("NOPERM") {
            true => rights(options, &error),
            false => StartError::Unusable(error),
        };
        setup(&link, &shared).await.map_err(refused)?;
        test_rights(&link, &shared, &mut hears).await.map_err(|error| rights(options, &error))?;
        rehearse(&link, options, hashes.clone()).await.map_err(|error| rights(options, &error))?;
        Ok(hashes)
    };
    let checked = timeout(options.command_timeout, checked).await;
    link.end("the check is over");
    checked.unwrap_or_else(|_| Err(StartError::Unreachable("it has not answered in time".to_owned())))
}

fn rights(options: &RedisOptions, error: &str) -> StartError {
    let needed = RIGHTS.replace("PREFIX", &options.prefix);
    StartError::Unusable(format!("{error}; the user needs these rights: {needed}"))
}

/// What `INFO` says.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn info(link: &Link) -> Result<HashMap<String, String>, StartError> {
    let info = match link.call(["INFO"]).await {
        Ok(info) => info,
        Err(Failure::Refused(error)) if error.starts_with("LOADING") => return Err(StartError::Unreachable(error)),
        Err(Failure::Refused(error)) => {
            return Err(StartError::Unusable(format!("it refuses INFO: {error}; the user needs the right +info")));
        }
        Err(failure) => return Err(StartError::Unreachable(failure.to_string())),
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
    if get("cluster_enabled") == "1" {
        return Err("it is part of a Redis Cluster, which this version of the engine does not support".to_owned());
    }
    match get("role") {
        "master" => {}
        role => return Err(format!("its role is {role:?}; engine.redis.url must name the primary")),
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
async fn test_rights(link: &Link, shared: &Arc<Shared>, hears: &mut mpsc::Receiver<()>) -> Result<(), String> {
    let (partition, name) = (0, format!("*test:{}", shared.node_name));
    let keys = &shared.keys;
    let generation = keys.of_test(&shared.node_name);
    let (meta, stream, ids) = (keys.meta(0, &name), keys.stream(0, &name), keys.ids(0, &name));
    let topic = keys.topic(partition, &name);
    let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    let run = async |script: Script, keys: &[&str], args: Vec<Vec<u8>>| {
        let mut command = shared.eval(script, bytes(keys));
        command.extend(args);
        let answer = link.call(command).await;
        answer.map_err(|failure| format!("the script {} fails: {failure}", script.name()))
    };
    let (done, confirmed) = tokio::sync::oneshot::channel();
    link.send(|batch| batch.subscription(["SSUBSCRIBE", &topic], 1, move |result| drop(done.send(result))))?;
    let confirmed = confirmed.await.unwrap_or_else(|_| Err(Failure::Refused("it was dropped".to_owned())));
    confirmed.map_err(|failure| format!("SSUBSCRIBE fails: {failure}"))?;
    let g = run(Script::Generation, &[&generation], vec![b"12345678".to_vec(), Vec::new()]).await?;
    let g = g.as_bytes().unwrap_or_default().to_vec();
    let e = b"12345678".to_vec();
    let mut record = crate::message::record(b"1", &(0..1));
    record.truncate(17);
    let mut append = vec![g.clone(), e.clone()];
    append.extend(bytes(&["1", "1000", "1000", &topic, "12345678"]));
    append.extend([record, b"+id".to_vec(), b"0".to_vec(), e.clone()]);
    run(Script::Append, &[&generation, &meta, &stream, &ids], append).await?;
    if hears.recv().await.is_none() {
        return Err("what is published does not arrive".to_owned());
    }
    run(Script::Page, &[&generation, &meta, &stream], bytes(&["1", "0", "0", "9", "0", "1", "1"])).await?;
    let position = [bytes(&["1000"]), vec![e.clone()], bytes(&["1", "0"])].concat();
    run(Script::Position, &[&generation, &meta, &stream], position).await?;
    let mut remove = vec![g, e];
    remove.extend(bytes(&["1000", &topic, "12345678"]));
    run(Script::Remove, &[&generation, &meta, &stream, &ids], remove).await?;
    run(Script::Expire, &[&generation, &meta, &stream, &ids], Vec::new()).await?;
    for command in [vec!["SPUBLISH", &topic, ""], vec!["SUNSUBSCRIBE", &topic]] {
        let pushes = usize::from(command[0] == "SUNSUBSCRIBE");
        let (done, answered) = tokio::sync::oneshot::channel();
        link.send(|batch| batch.subscription(command, pushes, move |result| drop(done.send(result))))?;
        let answered = answered.await.unwrap_or_else(|_| Err(Failure::Refused("it was dropped".to_owned())));
        answered.map_err(|failure| failure.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn only_a_primary_that_forgets_nothing_is_used() {
        check("redis_version:7.0.15 role:master maxmemory_policy:noeviction", false, Ok(()));
        check("redis_version:6.2.1 role:master", false, Err("it is Redis 6.2.1"));
        check("redis_version:7.2.4 valkey_version:8.0.1 role:master", false, Ok(()));
        check("redis_version:7.2.4 valkey_version:7.2.5 role:master", false, Err("it is Valkey 7.2.5"));
        check("redis_version:7.0.15 role:slave", false, Err("its role is \"slave\""));
        check("redis_version:7.0.15 role:master cluster_enabled:1", false, Err("Redis Cluster"));
        let evicts = "redis_version:7.0.15 role:master maxmemory_policy:allkeys-lru";
        check(evicts, false, Err("its maxmemory-policy is allkeys-lru"));
        check(evicts, true, Ok(()));
    }
}
