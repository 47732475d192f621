//! An oracle over a cluster: servers under load, to which, or to whose Redis, something happens in each round. Whatever it
//! is, nothing is lost in silence.
//!
//! [`load`](round) publishes, reads, joins and leaves, and keeps what everybody was told ([`trace`]). [`faults`] break the
//! [`stage`]. The [`judge`] says what of it cannot be.
//!
//! By hand (docs/TESTING.md): `WS_TEST_ORACLE_ROUNDS`, `WS_TEST_ORACLE_SERVERS`, `WS_TEST_ORACLE_FAULTS`, `WS_TEST_SEED`.

mod faults;
mod field;
mod judge;
mod members;
mod publishers;
mod round;
mod stage;
mod subscribers;
mod trace;
mod wire;

use std::collections::BTreeMap;
use std::env;

use ws_tests::fault_proxy::seed;

use self::faults::Fault;
use self::round::Sums;
use self::stage::{Kind, Stage};

/// What is asked of a run by hand.
struct Asked {
    rounds: u64,
    servers: usize,
    faults: Vec<Fault>,
}

impl Asked {
    /// One round of each of `faults` on two servers, unless the environment says otherwise.
    fn or(faults: &[Fault]) -> Self {
        let number = |name: &str, default| env::var(name).map_or(default, |n| n.parse().expect("a number"));
        let is_named = |names: &str, fault: &Fault| names.split(',').any(|name| format!("{fault:?}") == name);
        let faults = match env::var("WS_TEST_ORACLE_FAULTS") {
            Ok(names) => Fault::ALL.into_iter().filter(|fault| is_named(&names, fault)).collect(),
            Err(_) => faults.to_vec(),
        };
        let (rounds, servers) = (number("WS_TEST_ORACLE_ROUNDS", 1), number("WS_TEST_ORACLE_SERVERS", 2));
        Asked { rounds, servers: servers as usize, faults }
    }
}

async fn run(program: &'static str, faults: &[Fault]) {
    let Asked { rounds, servers, faults } = Asked::or(faults);
    let seed = seed();
    println!("{program}, {servers} servers, WS_TEST_SEED={seed}");
    let mut all: BTreeMap<Fault, Sums> = BTreeMap::new();
    let mut wrong = Vec::new();
    for kind in [Kind::Alone, Kind::Watched, Kind::Cluster] {
        let faults: Vec<_> = faults.iter().copied().filter(|fault| fault.stage() == kind).collect();
        if faults.is_empty() {
            continue;
        }
        let mut stage = Stage::set(program, kind, servers).await;
        let before = wrong.len();
        for round in 0..rounds {
            for (nth, fault) in faults.iter().enumerate() {
                let nth = round * faults.len() as u64 + nth as u64 + 1;
                let outcome = round::run(&mut stage, *fault, seed, nth).await;
                all.entry(*fault).or_default().add(&outcome.sums);
                for what in outcome.wrong {
                    println!("round {nth}, {fault:?}: {what}");
                    wrong.push(format!("round {nth}, {fault:?}: {what}"));
                }
            }
        }
        let said = stage.strike().await;
        if wrong.len() > before {
            said.iter().for_each(|line| println!("{line}"));
        }
    }
    println!("| fault | rounds | acknowledged | unknown | received | gaps | wrong |\n|---|---|---|---|---|---|---|");
    all.iter().for_each(|(fault, sums)| println!("| {fault:?} {sums}"));
    assert!(wrong.is_empty(), "WS_TEST_SEED={seed}:\n{}", wrong.join("\n"));
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_silence_on_redis() {
    run("redis-server", &Fault::ALL).await;
}

#[cfg_attr(not(found = "valkey-server"), ignore = "valkey-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_silence_on_valkey() {
    use Fault::{FeedsCut, RedisKilled, ReplicaPromoted, SentinelFailover, ServerStopped, SlotMoved};
    run("valkey-server", &[RedisKilled, ServerStopped, FeedsCut, ReplicaPromoted, SentinelFailover, SlotMoved]).await;
}
