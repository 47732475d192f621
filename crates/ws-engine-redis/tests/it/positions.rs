//! Positions: they outlive what they count, and what is left of one that was forgotten is not taken for anything else.

use std::time::Duration;

use ws_core::engine::{Engine, Epoch, HistoryQuery, Retention};
use ws_engine_redis::RedisOptions;

use crate::fixture::{Redis, options, until};
use crate::node::{KEEP, Node, Told, delivered};

/// A key of a channel in Redis: `m`, `s` or `i`.
async fn key(redis: &Redis, kind: &str, channel: &str) -> String {
    let (keys, end) = (redis.keys().await, format!("}}:{kind}:{channel}"));
    keys.into_iter().find(|key| key.ends_with(&end)).expect("it is there")
}

async fn expires(redis: &Redis, key: &str) -> i64 {
    let answer = redis.ask(&["PEXPIRETIME", key]).await;
    answer.trim_start_matches(':').trim_end().parse().expect("a number")
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_outlives_what_it_counts() {
    const TTL: Duration = Duration::from_secs(1000);
    let redis = Redis::start().await;
    let a = Node::start(RedisOptions { position_ttl: TTL, ..options(&redis) }).await;
    let publish = async |n: u64| {
        a.repeat("c", Retention::new(10, TTL), n, Some(&n.to_string()), 0).await.expect("it is published");
        let [meta, stream, ids] = ["m", "s", "i"].map(|kind| key(&redis, kind, "c"));
        let (meta, stream, ids) = (meta.await, stream.await, ids.await);
        let last = expires(&redis, &stream).await.max(expires(&redis, &ids).await);
        assert!(expires(&redis, &meta).await >= last, "{n}");
        meta
    };
    let meta = publish(1).await;
    // As when it was renewed some time ago, and the stream was later.
    let earlier = "local time = redis.call('TIME')[1] * 1000 + 1100000 \
                   redis.call('SETRANGE', KEYS[1], 72, struct.pack('>I8', time)) redis.call('PEXPIREAT', KEYS[1], time)";
    redis.ask(&["EVAL", earlier, "1", &meta]).await;
    publish(2).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_position_that_was_forgotten_is_of_no_other_one() {
    let redis = Redis::start().await;
    let a = Node::start(options(&redis)).await;
    for n in 1..=3 {
        a.publish("c", n, Some(&n.to_string())).await.expect("it is published");
    }
    let meta = key(&redis, "m", "c").await;
    redis.ask(&["DEL", &meta]).await;
    let (retention, after, before, reverse, limit, bytes_max) = (KEEP, 0, None, false, 0, 0);
    let query = HistoryQuery { channel: "c", retention, after, before, reverse, limit, bytes_max };
    let position = a.call(|done| a.engine.history(query, done)).await.expect("a position");
    assert_eq!((position.top, position.oldest), (0, 1));
    for (n, id) in [(7, "x"), (8, "1")] {
        let published = a.publish("c", n, Some(id)).await.expect("the id is free");
        assert_eq!(published.position, Some((position.epoch, n - 6)));
    }
    assert_eq!(a.history("c").await.expect("a history").publications.len(), 2);
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_quiet_channel_gets_nothing_twice_however_many_generations_pass() {
    let redis = Redis::start().await;
    let a = Node::start(options(&redis)).await;
    a.follow("c").await;
    for n in 1..=3 {
        a.publish("c", n, None).await.expect("it is published");
    }
    let mut expect: Vec<_> = (1..=3).map(|n| delivered(n, n)).collect();
    for round in 0..3 {
        // Another identity with the same data.
        redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
        redis.ask(&["REPLICAOF", "NO", "ONE"]).await;
        let told = until("the new epoch", async || Some(a.sink.told("c")).filter(|told| told.len() > expect.len()));
        let told = told.await;
        let last = told.last().expect("something").clone();
        assert!(matches!(last, Told::Renewed(_, 3)), "{round}: {told:?}");
        expect.push(last);
        a.is_well().await;
    }
    a.is_told("c", &expect).await;
}

/// A server that follows a channel, and its epoch.
async fn following(redis: &Redis) -> (Node, Epoch) {
    let a = Node::start(options(redis)).await;
    a.follow("c").await;
    let history = a.history("c").await.expect("a history");
    assert_eq!(history.top, 0);
    (a, history.epoch)
}

/// The position of the channel is gone, as after an outage of ten minutes, and then the connections are.
async fn forget(redis: &Redis) {
    redis.ask(&["DEL", &key(redis, "m", "c").await]).await;
    for kind in ["NORMAL", "PUBSUB"] {
        redis.ask(&["CLIENT", "KILL", "TYPE", kind]).await;
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_published_to_is_forgotten_without_a_trace() {
    let redis = Redis::start().await;
    let (a, epoch) = following(&redis).await;
    let (b, of_b) = following(&redis).await;
    assert_eq!(of_b, epoch);
    forget(&redis).await;
    until("it to be followed again", async || redis.keys().await.iter().find(|key| key.ends_with(":m:c")).cloned())
        .await;
    assert_eq!(a.publish_at_last("c", 1, "x").await, (epoch, 1));
    for node in [&a, &b] {
        let told = until("the publication", async || Some(node.sink.told("c")).filter(|told| !told.is_empty())).await;
        assert!(told == [delivered(1, 1)] || told == [Told::Skipped(1)], "{told:?}");
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_published_to_does_not_go_on() {
    let redis = Redis::start().await;
    let (a, epoch) = following(&redis).await;
    // Somebody has, and this server has not heard of it.
    let stream = key(&redis, "m", "c").await.replace(":m:", ":s:");
    redis.ask(&["RPUSH", &stream, "0123456789012345x"]).await;
    forget(&redis).await;
    let told = until("the new epoch", async || Some(a.sink.told("c")).filter(|told| !told.is_empty())).await;
    assert!(matches!(told[..], [Told::Reset(other, 0)] if other != epoch), "{told:?}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_of_an_earlier_generation_does_not_go_on() {
    let redis = Redis::start().await;
    let (a, epoch) = following(&redis).await;
    redis.ask(&["DEL", &key(&redis, "m", "c").await]).await;
    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
    redis.ask(&["REPLICAOF", "NO", "ONE"]).await;
    let told = until("the new epoch", async || Some(a.sink.told("c")).filter(|told| !told.is_empty())).await;
    assert!(matches!(told[..], [Told::Reset(other, 0)] if other != epoch), "{told:?}");
}
