//! Redis, for the cluster engine: reachable, of a version that will do, forgetting nothing by itself, and near.

use std::time::Duration;

use ws_engine_redis::{Examined, RedisOptions, StartError, examine};

use super::report::{Check, Verdict};
use crate::config::{Config, EngineType};
use crate::engine::redis_options;

const WHAT: &str = "Redis";

const MIB: u64 = 1 << 20;

/// Within a data centre it takes less than 1 ms. Every publication waits for one.
const ROUND_TRIP_ENOUGH: Duration = Duration::from_millis(5);

pub(super) async fn check(config: &Config) -> Check {
    if config.engine.r#type != EngineType::Redis {
        return Check::skipped(WHAT, "the engine does not use it");
    }
    let options = redis_options(config);
    let mut checks = Vec::new();
    for shard in 0..options.locations.len() {
        checks.push(check_one(&options, shard).await);
    }
    worst(checks)
}

/// Checks a shard, or the only server.
async fn check_one(all: &RedisOptions, shard: usize) -> Check {
    let options = RedisOptions { locations: vec![all.locations[shard].clone()], ..all.clone() };
    match examine(all, shard).await {
        Ok(redis) => judge(&options, &redis),
        Err(error) => {
            let advice = match error {
                StartError::Unreachable(_) => "start it, or correct engine.redis.url; the server needs it to start",
                StartError::Unusable(_) => "correct [engine.redis], or this Redis; the server needs it to start",
            };
            Check::problem(WHAT, format!("{}: {error}", options.places()), advice)
        }
    }
}

/// One line for all of them: the worst one, or everything that was found.
fn worst(mut checks: Vec<Check>) -> Check {
    for verdict in [Verdict::Problem, Verdict::Warning] {
        if let Some(at) = checks.iter().position(|check| check.verdict == verdict) {
            return checks.swap_remove(at);
        }
    }
    let found: Vec<_> = checks.into_iter().map(|check| check.found).collect();
    Check::fine(WHAT, found.join("; "))
}

fn judge(options: &RedisOptions, redis: &Examined) -> Check {
    let memory = match redis.bytes_max {
        0 => format!("{} MiB without a limit", redis.used_bytes / MIB),
        max => format!("{} of {} MiB", redis.used_bytes / MIB, max / MIB),
    };
    let found = format!(
        "{}: {}, {}, {memory}, {} replicas, {}, a round trip takes {:.1} ms",
        options.places(),
        redis.version,
        if redis.eviction.is_empty() { "eviction unknown" } else { &redis.eviction },
        redis.replicas,
        if redis.is_persistent { "appendonly" } else { "no appendonly" },
        redis.round_trip.as_secs_f64() * 1e3
    );
    if redis.bytes_max > 0 && redis.used_bytes >= redis.bytes_max {
        Check::problem(WHAT, found, "it is full and takes no publications: raise maxmemory")
    } else if redis.replicas < options.replicas_min as u64 {
        let advice = "it has fewer replicas than engine.redis.replicas_min: no publication would be acknowledged";
        Check::problem(WHAT, found, advice)
    } else if !matches!(redis.eviction.as_str(), "noeviction" | "") {
        Check::warning(WHAT, found, "it forgets channels when its memory is full: maxmemory-policy noeviction")
    } else if redis.round_trip > ROUND_TRIP_ENOUGH {
        Check::warning(WHAT, found, "every publication waits for a round trip: put the servers near Redis")
    } else if redis.bytes_max == 0 {
        Check::warning(WHAT, found, "set maxmemory below the memory of the machine, or the system may kill it")
    } else {
        Check::fine(WHAT, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Examined {
        Examined {
            version: "Redis 7.0.15".to_owned(),
            eviction: "noeviction".to_owned(),
            used_bytes: 3 * MIB,
            bytes_max: 1024 * MIB,
            is_persistent: true,
            replicas: 1,
            round_trip: Duration::from_micros(240),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Examined), verdict: Verdict, says: &str) {
        let mut redis = found();
        change(&mut redis);
        let check = judge(&redis_options(&Config::default()), &redis);
        assert_eq!(check.verdict, verdict, "{check:?}");
        let told = format!("{} {}", check.found, check.advice.unwrap_or_default());
        assert!(told.contains(says), "{says} is in {told}");
    }

    #[test]
    fn what_is_found_is_judged() {
        let all = "Redis 7.0.15, noeviction, 3 of 1024 MiB, 1 replicas, appendonly, a round trip takes 0.2 ms";
        check(|_| {}, Verdict::Fine, all);
        check(|redis| redis.eviction = "allkeys-lru".to_owned(), Verdict::Warning, "forgets channels");
        check(|redis| redis.round_trip = Duration::from_millis(20), Verdict::Warning, "20.0 ms");
        check(|redis| redis.bytes_max = 0, Verdict::Warning, "3 MiB without a limit");
        check(|redis| redis.is_persistent = false, Verdict::Fine, "no appendonly");
        check(|redis| redis.used_bytes = redis.bytes_max, Verdict::Problem, "it is full");
        let options = RedisOptions { replicas_min: 2, ..redis_options(&Config::default()) };
        assert_eq!(judge(&options, &found()).verdict, Verdict::Problem, "one replica is too few");
    }

    #[test]
    fn shards_are_one_line_and_the_worst_one_is_told() {
        let fine = |found: &str| Check::fine(WHAT, found);
        assert_eq!(worst(vec![fine("a"), fine("b")]), fine("a; b"));
        let (slow, away) = (|| Check::warning(WHAT, "slow", None), || Check::problem(WHAT, "away", None));
        assert_eq!(worst(vec![fine("a"), slow()]), slow());
        assert_eq!(worst(vec![slow(), away(), fine("a")]), away());
    }
}
