//! What servers count together, and tell each other.

use std::time::Duration;

use ws_core::engine::EngineError;
use ws_engine_redis::RedisOptions;

use crate::fixture::{Redis, options, until};
use crate::peer::{Peer, short};
use crate::proxy::Proxy;

/// How many connections a user can still have.
async fn left(peer: &Peer, user: &str, max: u64) -> u64 {
    let mut left = 0;
    while peer.admit(user, max).await == Ok(true) {
        left += 1;
    }
    (0..left).for_each(|_| peer.cluster().dismiss(user));
    left
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_no_more_connections_than_the_limit() {
    let redis = Redis::start().await;
    let (a, b) = (Peer::start(short(&redis)).await, Peer::start(short(&redis)).await);
    for _ in 0..3 {
        assert_eq!(a.admit("u", 5).await, Ok(true));
        assert_eq!(b.admit("v", 0).await, Ok(true));
    }
    assert_eq!(left(&b, "u", 5).await, 2);
    assert_eq!(left(&b, "v", 5).await, 2);
    a.cluster().dismiss("u");
    until("the place", async || (left(&b, "u", 5).await == 3).then_some(())).await;
    let all = (0..20).map(|n| if n % 2 == 0 { &a } else { &b }).map(|peer| peer.admit("w", 10));
    let mut admitted = 0;
    let mut tasks = Vec::new();
    for one in all {
        tasks.push(Box::pin(one));
    }
    for task in tasks {
        admitted += u64::from(task.await == Ok(true));
    }
    assert_eq!(admitted, 10);

    // Its places are free when it is dead.
    drop(a);
    until("the places", async || (left(&b, "u", 5).await == 5).then_some(())).await;
    until("the keys of the other to go", async || {
        let keys = redis.keys().await;
        (keys.iter().filter(|key| key.contains(":y:")).count() <= 4).then_some(())
    })
    .await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_counted_again_after_a_loss() {
    let mut redis = Redis::start().await;
    let (a, b) = (Peer::start(short(&redis)).await, Peer::start(short(&redis)).await);
    for _ in 0..3 {
        assert_eq!(a.admit("u", 5).await, Ok(true));
    }
    redis.ask(&["FLUSHALL"]).await;
    until("the places to be taken", async || (left(&b, "u", 5).await == 2).then_some(())).await;
    redis.kill().await;
    a.cluster().dismiss("u");
    redis.restart().await;
    until("the places to be taken", async || (left(&b, "u", 5).await == 3).then_some(())).await;
    for n in 0..20 {
        // Whatever becomes of it, nothing is counted twice, and nothing is left.
        let (admitted, _) = tokio::join!(a.admit("v", 0), redis.ask(&["CLIENT", "KILL", "TYPE", "NORMAL"]));
        if admitted == Ok(true) {
            a.cluster().dismiss("v");
        }
        assert!(matches!(admitted, Ok(true) | Err(EngineError::Unavailable(_))), "{n}: {admitted:?}");
    }
    until("all places to be free", async || (left(&b, "v", 7).await == 7).then_some(())).await;
    until("all places to be free", async || (left(&a, "v", 7).await == 7).then_some(())).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_was_asked_for_over_a_connection_that_was_given_up_is_not_taken() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(&redis);
    let impatient = RedisOptions { command_timeout: Duration::from_millis(1500), ..options(&redis) };
    let a = Peer::start(proxy.options(impatient)).await;
    proxy.hold_request(b"visitor");
    let refused = a.admit("visitor", 5).await;
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    until("the next connection", async || (left(&a, "visitor", 5).await == 5).then_some(())).await;
    proxy.release().await;
    assert_eq!(left(&a, "visitor", 5).await, 5);
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_to_one_or_to_all_others() {
    let redis = Redis::start().await;
    let peers = [Peer::start(short(&redis)).await, Peer::start(short(&redis)).await, Peer::start(short(&redis)).await];
    let [a, b, c] = &peers;
    a.send(None, b"all").await.expect("it is sent");
    a.send(Some(b.id()), b"one").await.expect("it is sent");
    c.send(Some(a.id()), b"back").await.expect("it is sent");
    let expect = [
        vec![(c.id(), b"back".to_vec())],
        vec![(a.id(), b"all".to_vec()), (a.id(), b"one".to_vec())],
        vec![(a.id(), b"all".to_vec())],
    ];
    for (peer, expect) in peers.iter().zip(expect) {
        until(&format!("{expect:?}"), async || (peer.received() == expect).then_some(())).await;
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_know_how_many_connections_the_others_have() {
    let redis = Redis::start().await;
    let peers = [Peer::start(short(&redis)).await, Peer::start(short(&redis)).await, Peer::start(short(&redis)).await];
    let [a, b, c] = &peers;
    a.set_connections(1);
    b.set_connections(10);
    c.set_connections(100);
    for (peer, expect) in [(a, 110), (b, 101), (c, 11)] {
        until(&format!("{expect}"), async || (peer.elsewhere().await == Ok(expect)).then_some(())).await;
    }
    b.set_connections(0);
    until("the report", async || (a.elsewhere().await == Ok(100)).then_some(())).await;
    c.node.close().await;
    assert_eq!(a.elsewhere().await, Ok(0), "it has gone");
}
