//! What happens to a cluster in a round, and what it excuses.

use tokio::time::sleep;
use ws_tests::fault_proxy::{self, FaultProxy, Rng};
use ws_tests::prelude::*;
use ws_tests::process::Signal;
use ws_tests::redis::Redis;

use super::judge::Rules;
use super::stage::{COMMAND_TIMEOUT, Kind, LEASE, PARTITIONS, QUICK_REPLICAS, Stage, Store, Watched};
use super::trace::Ms;

/// Longer than a server may stand still.
const BEYOND_LEASE: Duration = LEASE.saturating_add(Duration::from_millis(1200));

/// No answer takes longer than the timeout of a command and 5 s; the machine of the tests may be busy.
const ANSWER_WITHIN: Duration = COMMAND_TIMEOUT.saturating_add(Duration::from_millis(5000 + 4000));

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Redis is killed and comes back without data.
    RedisKilled,
    /// Redis is killed and comes back with everything.
    RedisKilledKeeping,
    /// Redis stands still, for longer than a lease.
    RedisStopped,
    ServerKilled,
    /// A server stands still, for longer than its lease.
    ServerStopped,
    /// A server alone cannot reach Redis, for longer than its lease.
    ServerCut,
    ScriptsFlushed,
    AllFlushed,
    /// `CLIENT KILL TYPE pubsub`.
    FeedsCut,
    /// `CLIENT KILL TYPE normal`.
    WritersCut,
    /// Redis has no memory left for a while.
    MemoryFull,
    /// A replica that was cut off takes the place of a Redis that dies.
    ReplicaPromoted,
    /// It takes its place for some of the servers, while the others go on with the old one for longer than a lease.
    BothWritten,
    /// Redis comes back as it was some time ago.
    OldSnapshot,
    /// A Redis dies, and its Sentinel has the replica take its place.
    SentinelFailover,
    /// A Sentinel is told to have it so, and both are primaries for a moment.
    SentinelSwitch,
    /// Slots of a Redis Cluster move, key by key.
    SlotMoved,
}

impl Fault {
    pub(super) const ALL: [Fault; 17] = [
        Fault::RedisKilled,
        Fault::RedisKilledKeeping,
        Fault::RedisStopped,
        Fault::ServerKilled,
        Fault::ServerStopped,
        Fault::ServerCut,
        Fault::ScriptsFlushed,
        Fault::AllFlushed,
        Fault::FeedsCut,
        Fault::WritersCut,
        Fault::MemoryFull,
        Fault::ReplicaPromoted,
        Fault::BothWritten,
        Fault::OldSnapshot,
        Fault::SentinelFailover,
        Fault::SentinelSwitch,
        Fault::SlotMoved,
    ];

    /// The stage on which it can happen.
    pub(super) fn stage(self) -> Kind {
        match self {
            Fault::SentinelFailover | Fault::SentinelSwitch => Kind::Watched,
            Fault::SlotMoved => Kind::Cluster,
            _ => Kind::Alone,
        }
    }

    /// What it excuses; `stopped`: the server that stood still.
    pub(super) fn rules(self, stopped: Option<usize>) -> Rules {
        let is_split = matches!(self, Fault::BothWritten | Fault::SentinelSwitch);
        let may_lose = match self {
            Fault::RedisKilled | Fault::AllFlushed | Fault::OldSnapshot => true,
            Fault::ReplicaPromoted | Fault::SentinelFailover => true,
            _ => is_split,
        };
        Rules {
            epochs_change: may_lose || matches!(self, Fault::RedisKilledKeeping | Fault::SlotMoved),
            may_lose,
            is_split,
            stopped: stopped.into_iter().collect(),
            answer_within: ANSWER_WITHIN.as_millis() as Ms,
        }
    }

    /// Does it, and makes it good again. The server that stood still.
    pub(super) async fn inflict(self, stage: &mut Stage, rng: &mut Rng) -> Option<usize> {
        let nth = rng.range(0..=stage.nodes.len() as u64 - 1) as usize;
        match self {
            Fault::RedisKilled => {
                stage.redis().kill().await;
                stage.redis().forget();
                up_to(rng, 1500).await;
                stage.redis().restart_with(&QUICK_REPLICAS).await;
            }
            Fault::RedisKilledKeeping => killed_keeping(stage, rng).await,
            Fault::RedisStopped => {
                stage.redis().signal(Signal::Stop).await;
                sleep(BEYOND_LEASE).await;
                stage.redis().signal(Signal::Cont).await;
            }
            Fault::ServerKilled => {
                stage.nodes[nth].kill().await;
                up_to(rng, BEYOND_LEASE.as_millis() as Ms).await;
                stage.nodes[nth].start().await;
            }
            Fault::ServerStopped => {
                stage.nodes[nth].process().signal(Signal::Stop).await;
                sleep(BEYOND_LEASE).await;
                stage.nodes[nth].process().signal(Signal::Cont).await;
                return Some(nth);
            }
            Fault::ServerCut => {
                let proxy = stage.nodes[nth].proxy();
                cut(proxy).await;
                sleep(BEYOND_LEASE).await;
                // What the network has held back arrives first.
                proxy.now(fault_proxy::Fault::Clear);
                proxy.accept().await;
            }
            Fault::ScriptsFlushed => again_and_again(stage, rng, &[&["SCRIPT", "FLUSH"]]).await,
            Fault::AllFlushed => drop(stage.redis().ask(&["FLUSHALL"]).await),
            Fault::FeedsCut => again_and_again(stage, rng, &[&["CLIENT", "KILL", "TYPE", "pubsub"]]).await,
            Fault::WritersCut => {
                let normal = ["CLIENT", "KILL", "TYPE", "normal"];
                again_and_again(stage, rng, &[&normal, &["CLIENT", "KILL", "TYPE", "pubsub"]]).await;
            }
            Fault::MemoryFull => {
                stage.redis().ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
                up_to(rng, 3000).await;
                stage.redis().ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
            }
            Fault::ReplicaPromoted => {
                let replica = behind(stage, rng).await;
                stage.redis().kill().await;
                replica.ask(&["REPLICAOF", "NO", "ONE"]).await;
                stage.replace(replica);
            }
            Fault::BothWritten => both_written(stage, rng).await,
            Fault::OldSnapshot => {
                stage.redis().ask(&["SAVE"]).await;
                up_to(rng, 800).await;
                stage.redis().kill().await;
                stage.redis().restart_with(&QUICK_REPLICAS).await;
                stage.redis().forget();
            }
            Fault::SentinelFailover => failover(stage, rng, false).await,
            Fault::SentinelSwitch => failover(stage, rng, true).await,
            Fault::SlotMoved => slots_moved(stage, rng).await,
        }
        None
    }
}

async fn up_to(rng: &mut Rng, most_ms: Ms) {
    sleep(rng.time(Duration::from_millis(most_ms))).await;
}

/// Nothing comes through, and nobody is told.
async fn cut(proxy: &FaultProxy) {
    proxy.now(fault_proxy::Fault::Blackhole);
    proxy.refuse().await;
}

/// Each of the commands several times, at any moment of what is under way.
async fn again_and_again(stage: &mut Stage, rng: &mut Rng, commands: &[&[&str]]) {
    for _ in 0..8 {
        for command in commands {
            stage.redis().ask(command).await;
            up_to(rng, 100).await;
        }
    }
}

async fn killed_keeping(stage: &mut Stage, rng: &mut Rng) {
    const KEEP: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "always", QUICK_REPLICAS[0], QUICK_REPLICAS[1]];
    stage.redis().ask(&["CONFIG", "SET", "appendfsync", "always"]).await;
    stage.redis().ask(&["CONFIG", "SET", "appendonly", "yes"]).await;
    until("everything to be on the disk", async || {
        let info = stage.redis().ask(&["INFO", "persistence"]).await;
        let is_kept = ["aof_enabled:1", "aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"];
        is_kept.iter().all(|line| info.contains(line)).then_some(())
    })
    .await;
    up_to(rng, 300).await;
    stage.redis().kill().await;
    up_to(rng, 1500).await;
    stage.redis().restart_with(&KEEP).await;
    stage.redis().ask(&["CONFIG", "SET", "appendonly", "no"]).await;
    stage.redis().forget();
}

/// A replica that has everything up to some time ago, and is cut off.
async fn behind(stage: &mut Stage, rng: &mut Rng) -> Redis {
    let link = FaultProxy::start(stage.redis().addr()).await;
    let (host, port) = (link.addr().ip().to_string(), link.addr().port().to_string());
    let of = ["--replicaof", &host, &port, QUICK_REPLICAS[0], QUICK_REPLICAS[1]];
    let replica = Redis::listening(stage.program, &of).await;
    until("the replica to have everything", async || {
        replica.ask(&["INFO", "replication"]).await.contains("master_link_status:up").then_some(())
    })
    .await;
    // A Redis that gets its first replica becomes another one. Servers may have noticed, or not.
    up_to(rng, 1500).await;
    cut(&link).await;
    up_to(rng, 800).await;
    replica
}

async fn both_written(stage: &mut Stage, rng: &mut Rng) {
    let replica = behind(stage, rng).await;
    replica.ask(&["REPLICAOF", "NO", "ONE"]).await;
    for node in &stage.nodes[1..] {
        node.proxy().set_upstream(replica.addr());
        node.proxy().now(fault_proxy::Fault::Reset);
    }
    sleep(BEYOND_LEASE).await;
    stage.replace(replica).kill().await;
}

async fn failover(stage: &mut Stage, rng: &mut Rng, is_planned: bool) {
    let Store::Watched(watched) = &mut stage.store else { panic!("nobody watches") };
    let Watched { primary, replica, sentinel } = &mut **watched;
    match is_planned {
        true => sentinel.fail_over().await,
        false => primary.kill().await,
    }
    until("the replica to take over", async || {
        // Who is promoted cuts all connections.
        replica.try_ask(&["INFO", "replication"]).await?.contains("role:master").then_some(())
    })
    .await;
    let (host, port) = (replica.addr().ip().to_string(), replica.addr().port().to_string());
    if is_planned {
        // The Sentinel would do it in some 10 s.
        up_to(rng, BEYOND_LEASE.as_millis() as Ms).await;
        primary.ask(&["REPLICAOF", &host, &port]).await;
    } else {
        up_to(rng, 500).await;
        primary.restart_with(&["--replicaof", &host, &port]).await;
    }
    primary.has_all_of(replica).await;
    std::mem::swap(primary, replica);
    sentinel.knows(replica).await;
}

async fn slots_moved(stage: &mut Stage, rng: &mut Rng) {
    let Store::Cluster(cluster) = &stage.store else { panic!("there are no slots") };
    for partition in 0..PARTITIONS {
        // As the engine spreads them.
        cluster.move_slot((2 * partition + 1) * (16384 / PARTITIONS / 2)).await;
        up_to(rng, 100).await;
    }
}
