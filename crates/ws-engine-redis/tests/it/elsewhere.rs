//! Two Redis at a time: for a while servers are on different ones, and both take what is published.

use std::time::Duration;

use tokio::time::sleep;
use ws_engine_redis::RedisOptions;

use crate::fixture::{Redis, options, start, until};
use crate::node::{Node, Told, body};
use crate::peer::{LEASE, Peer, short_of};
use crate::proxy::Proxy;
use crate::wire::Wire;

/// All connections there break, and lead where the proxies lead.
async fn cut(redis: &Redis) {
    for kind in ["normal", "pubsub"] {
        redis.ask(&["CLIENT", "KILL", "TYPE", kind]).await;
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_passed_on_elsewhere_is_a_gap() {
    check(options, Duration::ZERO).await;
}

/// A server may be cut off together with the primary that it is on, for as long as it takes.
#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_long_ago() {
    const LEASE: Duration = Duration::from_secs(1);
    check(|redis| RedisOptions { lease: LEASE, ..options(redis) }, 3 * LEASE).await;
}

/// What is passed on where others are no more is a gap to them, this time later.
async fn check(options: impl Fn(&Redis) -> RedisOptions, later: Duration) {
    let (first, second) = (Redis::start().await, Redis::start().await);
    let (way, other_way) = (Proxy::start(&first), Proxy::start(&first));
    let start = |proxy: &Proxy| Node::start(proxy.options(options(&first)));
    let (a, b) = (start(&way).await, start(&other_way).await);
    b.follow("pass").await;
    let passed = |n: u64| Told::Delivered(None, body(n));
    a.publish("pass", 1, None).await.expect("it is passed on");
    b.is_told("pass", &[passed(1)]).await;

    other_way.lead_to(&second);
    cut(&first).await;
    b.is_told("pass", &[passed(1), Told::Lost]).await;
    a.is_well().await;
    a.publish("pass", 2, None).await.expect("the first one takes it");
    sleep(later).await;

    way.lead_to(&second);
    cut(&first).await;
    b.is_told("pass", &[passed(1), Told::Lost, Told::Lost]).await;
    a.is_well().await;
    a.publish("pass", 3, None).await.expect("it is passed on");
    b.is_told("pass", &[passed(1), Told::Lost, Told::Lost, passed(3)]).await;
}

/// One of two servers is cut off from a shard, and is alone on the Redis that was the primary of the other one.
#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_cut_off_with_a_shard_ends_nobody_but_itself() {
    let (shards, promoted) = (start(2).await, Redis::start().await);
    let (way, other_way) = (Proxy::start(&shards[0]), Proxy::start(&shards[0]));
    let mut wire = Wire::to(&shards[1]);
    let by_way = |proxy: &Proxy| {
        let mut all = short_of(&shards);
        all.locations[0] = proxy.options(short_of(&shards)).locations.remove(0);
        all
    };
    let mut cut_off = by_way(&way);
    cut_off.locations[1] = wire.location();
    let (a, b) = (Peer::start(cut_off).await, Peer::start(by_way(&other_way)).await);
    let is_two = async |peer: &Peer| {
        until("two nodes", async || peer.nodes().await.ok().filter(|nodes| nodes.len() == 2)).await;
    };
    is_two(&a).await;
    is_two(&b).await;
    let (dead, alive) = (a.id(), b.id());
    other_way.lead_to(&promoted);
    cut(&shards[0]).await;
    wire.cut();
    a.hears_of_ends(&[alive]).await;
    b.hears_of_ends(&[dead]).await;
    wire.mend();
    until("another id", async || (a.id() != dead).then_some(())).await;
    // It is on the Redis that was the primary, where the other one has ended, for long enough to act on that.
    is_two(&a).await;
    sleep(2 * LEASE).await;
    is_two(&a).await;
    way.lead_to(&promoted);
    cut(&shards[0]).await;
    for peer in [&a, &b] {
        is_two(peer).await;
    }
    assert_eq!((b.id(), b.lapsed_and_restored().0, a.lapsed_and_restored().0), (alive, 0, 1));
}
