//! What the engine counts: each number moves when what it counts happens, and no other time.

use std::time::Duration;

use tokio::time::sleep;
use ws_core::engine::{ClusterStats, Engine, RoundTrip};

use crate::fixture::{Redis, options, until};
use crate::node::Node;
use crate::peer::{Peer, counts, short};

fn stats(node: &Node) -> ClusterStats {
    node.engine.stats().cluster.expect("it shares its store")
}

fn round_trips(stats: &ClusterStats, kind: RoundTrip) -> u64 {
    stats.round_trip_us[kind as usize].count()
}

/// Waits until the numbers are as `check` wants them.
async fn become_such(node: &Node, what: &str, check: impl Fn(&ClusterStats) -> bool) -> ClusterStats {
    until(what, async || Some(stats(node)).filter(|stats| check(stats))).await
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_counted_by_its_kind() {
    let redis = Redis::start().await;
    let peer = Peer::start(options(&redis)).await;
    let node = &peer.node;
    node.follow("c").await;
    node.follow("pass").await;
    for n in 1..=5 {
        node.publish("c", n, None).await.expect("it is published");
        node.publish("pass", n, None).await.expect("it is passed on");
    }
    node.history("c").await.expect("a history");
    peer.enter("c", 1, None);
    peer.sees("c", counts(1, 0), &[1]).await;
    let found = become_such(node, "a lease", |stats| stats.lease_age.is_some() && stats.nodes == 1).await;
    assert_eq!((found.written, found.waiting_publications, found.waiting_bytes), (10, 0, 0));
    assert_eq!((found.dials, found.dial_failures, found.resubscriptions), (2, 0, 0), "a pair and a reader");
    assert_eq!((found.skips, found.generations, found.lapses), (0, 0, 0));
    assert!((1..=10).contains(&round_trips(&found, RoundTrip::Write)), "{found:?}");
    for kind in [RoundTrip::Page, RoundTrip::Lease, RoundTrip::Cluster] {
        assert!(round_trips(&found, kind) > 0, "{kind:?}");
    }
    let other = Peer::start(options(&redis)).await;
    become_such(node, "another node", |stats| stats.nodes == 2).await;
    other.node.close().await;
    become_such(node, "the other node to be gone", |stats| stats.nodes == 1).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_seen_and_so_is_its_end() {
    let mut redis = Redis::start().await;
    let peer = Peer::start(short(&redis)).await;
    let node = &peer.node;
    node.follow("c").await;
    node.publish("c", 1, None).await.expect("it is published");
    redis.kill().await;
    until("the trouble to be noticed", async || node.engine.health().err()).await;
    peer.enter("c", 1, None);
    let outage = async {
        let is_away = |stats: &ClusterStats| {
            let waits = stats.waiting_publications == 1 && stats.waiting_bytes > 0 && stats.waiting_operations == 1;
            waits && stats.dial_failures > 1 && stats.lease_age > Some(Duration::from_secs(1))
        };
        let away = become_such(node, "the outage", is_away).await;
        redis.restart().await;
        away
    };
    let (published, away) = tokio::join!(node.publish("c", 2, None), outage);
    published.expect("it waited");
    let is_back = |stats: &ClusterStats| {
        let waits = stats.waiting_publications + stats.waiting_bytes + stats.waiting_operations;
        let is_connected = stats.dials >= away.dials + 2;
        waits == 0 && is_connected && stats.lease_age < Some(Duration::from_secs(1)) && stats.nodes == 1
    };
    let back = become_such(node, "everything to be well", is_back).await;
    // Redis has come back empty.
    assert!(back.resubscriptions > 0 && back.generations > 0 && back.lapses > 0, "{back:?}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_data_is_a_generation_and_a_lost_lease() {
    let redis = Redis::start().await;
    let peer = Peer::start(short(&redis)).await;
    redis.ask(&["FLUSHALL"]).await;
    let partitions = options(&redis).partitions as u64;
    let found =
        become_such(&peer.node, "a generation", |stats| stats.generations == partitions && stats.lapses == 1).await;
    assert_eq!((found.dials, found.resubscriptions), (2, 0), "no connection broke: {found:?}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broken_feed_left_out_is_a_skip() {
    let redis = Redis::start().await;
    let (a, b) = (Node::start(options(&redis)).await, Node::start(options(&redis)).await);
    a.follow("c").await;
    for round in 1..=40 {
        // Whoever is back first publishes. Often it is the other one.
        redis.ask(&["CLIENT", "KILL", "TYPE", "PUBSUB"]).await;
        b.publish_at_last("c", round, &round.to_string()).await;
        a.is_well().await;
        become_such(&a, "the channel to be followed", |stats| stats.resubscriptions >= round).await;
        if stats(&a).skips > 0 {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing was left out in 40 breaks: {:?}", stats(&a));
}
