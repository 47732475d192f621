//! Two Redis at a time: for a while servers are on different ones, and both take what is published.

use std::time::Duration;

use tokio::time::sleep;
use ws_engine_redis::RedisOptions;

use crate::fixture::{Redis, options};
use crate::node::{Node, Told, body};
use crate::proxy::Proxy;

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
