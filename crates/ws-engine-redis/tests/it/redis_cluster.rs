//! A Redis Cluster of three primaries, whose slots move and which fails over while servers publish.

use std::time::Duration;

use tokio::time::sleep;
use ws_core::engine::cluster::Change;
use ws_core::engine::{Engine, Retention};
use ws_engine_redis::{Address, Location, RedisEngine, RedisOptions, StartError};

use crate::fixture::{Redis, free_port, name_on, options_of, until};
use crate::node::{KEEP, Node, Told, body};
use crate::peer::{LEASE, Peer, counts, member};

/// Slots of each primary, as `redis-cli` deals them out.
const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

/// The slot of the first of four partitions.
const FIRST: &str = "2048";

/// Three primaries, and then replicas of the first one.
struct Cluster(Vec<Redis>);

impl Cluster {
    async fn start(replicas: usize) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..SLOTS.len() + replicas {
            let node = Redis::on_port(|port| {
                let (port, bus) = (port.to_string(), free_port().to_string());
                let arguments = ["--port", &port, "--cluster-enabled", "yes", "--cluster-port", &bus];
                [&arguments[..], &["--cluster-node-timeout", "2000"]].concat().into_iter().map(str::to_owned).collect()
            });
            nodes.push(node.await);
        }
        for (n, (node, (first, last))) in nodes.iter().zip(SLOTS).enumerate() {
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]).await;
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]).await;
        }
        let bus = nodes[0].ask(&["CONFIG", "GET", "cluster-port"]).await;
        let bus = bus.lines().last().unwrap_or_default().to_owned();
        for node in &nodes[1..] {
            node.ask(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port().to_string(), &bus]).await;
        }
        let cluster = Cluster(nodes);
        cluster.is_well().await;
        for replica in &cluster.0[SLOTS.len()..] {
            let primary = id(&cluster.0[0]).await;
            until("the replica", async || {
                replica.ask(&["CLUSTER", "REPLICATE", &primary]).await.starts_with("+OK").then_some(())
            })
            .await;
            until("the replica to be in step", async || {
                replica.ask(&["INFO", "replication"]).await.contains("master_link_status:up").then_some(())
            })
            .await;
            // Who takes it for a primary gives it no vote.
            let own = id(replica).await;
            let is_replica = |nodes: String| nodes.lines().any(|line| line.starts_with(&own) && line.contains("slave"));
            for node in &cluster.0 {
                until("the replica to be known as one", async || {
                    is_replica(node.ask(&["CLUSTER", "NODES"]).await).then_some(())
                })
                .await;
            }
        }
        cluster
    }

    /// Waits until all nodes know all others.
    async fn is_well(&self) {
        for node in &self.0 {
            until("the cluster to be well", async || {
                let info = node.ask(&["CLUSTER", "INFO"]).await;
                let known = format!("cluster_known_nodes:{}\r", self.0.len());
                (info.contains("cluster_state:ok") && info.contains(&known)).then_some(())
            })
            .await;
        }
    }

    /// One node is known.
    fn options(&self) -> RedisOptions {
        let address = Address::Tcp("127.0.0.1".to_owned(), self.0[1].port());
        let locations = vec![Location::Cluster(vec![address])];
        RedisOptions { locations, start_timeout: Duration::from_secs(10), ..options_of([]) }
    }

    async fn set_slot(&self, node: usize, slot: &str, rest: &[&str]) {
        let answer = self.0[node].ask(&[&["CLUSTER", "SETSLOT", slot], rest].concat()).await;
        assert!(answer.starts_with("+OK"), "{answer}");
    }

    /// A slot is about to move: what is not there is elsewhere from now on.
    async fn begin_to_move(&self, slot: &str, from: usize, to: usize) {
        let [from_id, to_id] = [id(&self.0[from]).await, id(&self.0[to]).await];
        self.set_slot(to, slot, &["IMPORTING", &from_id]).await;
        self.set_slot(from, slot, &["MIGRATING", &to_id]).await;
    }

    /// It does not move after all.
    async fn stay(&self, slot: &str) {
        for node in 0..SLOTS.len() {
            self.set_slot(node, slot, &["STABLE"]).await;
        }
    }

    /// Moves a slot with its keys, as `redis-cli` does.
    async fn move_slot(&self, slot: &str, from: usize, to: usize) {
        self.begin_to_move(slot, from, to).await;
        let to_id = id(&self.0[to]).await;
        let owners = [to, from];
        let (from, to) = (&self.0[from], &self.0[to]);
        let port = to.port().to_string();
        loop {
            let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", slot, "10"]).await;
            let keys: Vec<_> = keys.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
            if keys.is_empty() {
                break;
            }
            let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let answer = from.ask(&[&migrate[..], &keys].concat()).await;
            assert!(answer.starts_with('+'), "{answer}");
            // Long enough for something to be refused.
            sleep(Duration::from_millis(20)).await;
        }
        for node in owners {
            self.set_slot(node, slot, &["NODE", &to_id]).await;
        }
    }
}

async fn id(node: &Redis) -> String {
    let answer = node.ask(&["CLUSTER", "MYID"]).await;
    answer.lines().last().unwrap_or_default().to_owned()
}

/// A publisher that goes on until it is told to stop, and what two servers are told. Nothing may be missing.
async fn publish_during(cluster: &Cluster, change: impl AsyncFnOnce()) {
    let (a, b) = (Node::start(cluster.options()).await, Node::start(cluster.options()).await);
    let channels = [0, 1, 2, 3].map(|partition| name_on(partition, 4));
    for channel in &channels {
        a.follow(channel).await;
        b.follow(channel).await;
    }
    let has_changed = std::cell::Cell::new(false);
    let publish = async {
        let (mut n, mut after) = (0, 0);
        while after < 20 {
            n += 1;
            after += u64::from(has_changed.get());
            for channel in &channels {
                let (_, offset) = a.publish_at_last(channel, n, &n.to_string()).await;
                assert_eq!(offset, n, "each is stored once, in {channel}");
            }
        }
        n
    };
    let change = async {
        sleep(Duration::from_millis(100)).await;
        change().await;
        sleep(Duration::from_millis(200)).await;
        has_changed.set(true);
    };
    let (n, ()) = tokio::join!(publish, change);
    for node in [&a, &b] {
        for channel in &channels {
            let told = until("everything", async || {
                let told = node.sink.told(channel);
                (reached(&told) == n).then_some(told)
            });
            is_without_hole(&told.await, channel);
            let history = node.history(channel).await.expect("a history");
            let bodies: Vec<_> = history.publications.iter().map(|one| one.body.to_vec()).collect();
            // As many as are kept: how many there are depends on the machine.
            let first = n.saturating_sub(KEEP.size as u64) + 1;
            assert_eq!((history.top, bodies), (n, (first..=n).map(body).collect()), "{channel}");
        }
        node.is_well().await;
    }
}

/// Up to where the sink was told.
fn reached(told: &[Told]) -> u64 {
    told.iter().fold(0, |reached, told| match told {
        Told::Delivered(Some(offset), _) => *offset,
        Told::Skipped(to) => *to,
        _ => reached,
    })
}

/// Every offset is delivered once, in order, or skipped; in a new epoch everything has survived.
#[track_caller]
fn is_without_hole(told: &[Told], channel: &str) {
    let mut reached = 0;
    for (at, one) in told.iter().enumerate() {
        match one {
            Told::Delivered(Some(offset), _) => {
                assert_eq!(*offset, reached + 1, "{channel}: {at} of {told:?}");
                reached = *offset;
            }
            Told::Skipped(to) => {
                assert!(*to > reached, "{channel}: {at} of {told:?}");
                reached = *to;
            }
            Told::Renewed(_, survived) => assert_eq!(*survived, reached, "{channel}: {at} of {told:?}"),
            other => panic!("{channel}: {other:?} at {at} of {told:?}"),
        }
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_cluster_does_what_every_engine_does() {
    let cluster = Cluster::start(0).await;
    crate::conformance::on(|| cluster.options()).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_a_slot_moves() {
    let cluster = Cluster::start(0).await;
    publish_during(&cluster, async || {
        cluster.move_slot(FIRST, 0, 1).await;
        sleep(Duration::from_millis(300)).await;
        cluster.move_slot(FIRST, 1, 2).await;
    })
    .await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_a_failover() {
    let cluster = Cluster::start(1).await;
    publish_during(&cluster, async || {
        let replica = &cluster.0[SLOTS.len()];
        until("the failover to begin", async || {
            replica.ask(&["CLUSTER", "FAILOVER"]).await.starts_with("+OK").then_some(())
        })
        .await;
        until("the failover", async || replica.is_primary().await.then_some(())).await;
    })
    .await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_and_nodes_are_those_of_the_whole_cluster() {
    let cluster = Cluster::start(0).await;
    let options = || RedisOptions { lease: LEASE, ..cluster.options() };
    let (a, b) = (Peer::start(options()).await, Peer::start(options()).await);
    until("two nodes", async || b.nodes().await.ok().filter(|nodes| nodes.len() == 2)).await;
    let channels = [0, 1, 2, 3].map(|partition| name_on(partition, 4));
    for channel in &channels {
        a.enter(channel, 1, Some("u"));
        b.enter(channel, 2, None);
        a.sees(channel, counts(2, 1), &[1, 2]).await;
        assert_eq!(a.admit(channel, 1).await, Ok(true));
        assert_eq!(b.admit(channel, 1).await, Ok(false));
    }
    cluster.move_slot(FIRST, 0, 2).await;
    for channel in &channels {
        b.sees(channel, counts(2, 1), &[1, 2]).await;
    }
    assert!(b.ended().is_empty());
    let id = a.id();
    drop(a);
    for channel in &channels {
        b.sees(channel, counts(1, 0), &[2]).await;
    }
    b.hears_of_ends(&[id]).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_presence_is_changed_as_a_whole_in_a_slot_that_moves() {
    let cluster = Cluster::start(0).await;
    let a = Peer::start(cluster.options()).await;
    let channel = &name_on(0, 4);
    a.node.follow(channel).await;
    let failed = async || {
        let stats = cluster.0[0].ask(&["INFO", "commandstats"]).await;
        let stats = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).expect("scripts run").to_owned();
        stats.rsplit('=').next().and_then(|failed| failed.trim().parse::<u64>().ok()).expect("a number")
    };

    a.enter(channel, 1, None);
    a.is_told(channel, 1).await;
    // Nothing of users is there yet.
    cluster.begin_to_move(FIRST, 0, 1).await;
    let before = failed().await;
    a.enter(channel, 2, Some("u"));
    until("a script to be refused", async || (failed().await > before).then_some(())).await;
    cluster.stay(FIRST).await;
    let mut expect =
        vec![(Change::Joined(member(1, None)), counts(1, 0)), (Change::Joined(member(2, Some("u"))), counts(2, 1))];
    assert_eq!(a.is_told(channel, 2).await, expect);
    // The last user goes, and takes a key along.
    cluster.begin_to_move(FIRST, 0, 1).await;
    a.leave(channel, 2);
    expect.push((Change::Left(member(2, Some("u"))), counts(1, 0)));
    assert_eq!(a.is_told(channel, 3).await, expect);
    cluster.stay(FIRST).await;
    a.sees(channel, counts(1, 0), &[1]).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_is_stored_as_a_whole_in_a_slot_that_moves() {
    const TTL: Duration = Duration::from_secs(4);
    let keep = Retention::new(10, TTL);
    let cluster = Cluster::start(0).await;
    let a = Node::start(cluster.options()).await;
    let channel = &name_on(0, 4);
    let publish = async |n: u64, id| {
        let appended = a.repeat(channel, keep, n, id, 0).await;
        assert_eq!(appended.map(|appended| appended.position.map(|(_, offset)| offset)), Ok(Some(n)));
    };
    publish(1, Some("x")).await;
    for n in 2..=15 {
        publish(n, None).await;
    }
    // Long enough for the ids to be given a later end, with the publication that leaves none of them.
    sleep(TTL / 4 + Duration::from_millis(100)).await;
    cluster.begin_to_move(FIRST, 0, 1).await;
    publish(16, None).await;
    cluster.stay(FIRST).await;
    publish(17, None).await;
    let history = a.history(channel).await.expect("a history");
    let kept: Vec<_> = history.publications.iter().map(|one| (one.offset, one.body.to_vec())).collect();
    assert_eq!(kept, (8..=17).map(|n| (Some(n), body(n))).collect::<Vec<_>>());
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_says_whether_it_is_a_redis_cluster() {
    let (cluster, alone) =
        (Cluster::start(0).await, Redis::on_port(|port| vec!["--port".to_owned(), port.to_string()]).await);
    let refusal = async |options: RedisOptions| match RedisEngine::open(options).await {
        Err(error @ StartError::Unusable(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let words = refusal(options_of([&cluster.0[0]])).await;
    assert!(words.contains("it is part of a Redis Cluster"), "{words}");
    let nodes = vec![Address::Tcp("127.0.0.1".to_owned(), alone.port())];
    let words = refusal(RedisOptions { locations: vec![Location::Cluster(nodes)], ..options_of([]) }).await;
    assert!(words.contains("refuses CLUSTER SLOTS"), "{words}");
    RedisEngine::open(cluster.options()).await.expect("it can be used");
    let words = refusal(RedisOptions { partitions: 8, ..cluster.options() }).await;
    assert!(words.contains("partitions=4") && words.contains("partitions=8"), "{words}");
    assert!(Node::start(cluster.options()).await.engine.health().is_ok());
}
