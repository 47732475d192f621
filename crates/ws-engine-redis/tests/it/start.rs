//! What a start refuses, and in which words.

use std::time::Duration;

use ws_engine_redis::{RedisEngine, RedisOptions, StartError};

use crate::fixture::{Redis, options};

async fn refusal(options: RedisOptions) -> String {
    match RedisEngine::open(options).await {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it starts"),
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_cannot_be_used_is_refused_at_once() {
    let redis = Redis::start().await;
    RedisEngine::open(options(&redis)).await.expect("it can be used");
    let other = refusal(RedisOptions { partitions: 8, ..options(&redis) }).await;
    assert!(other.contains("set up with partitions=4") && other.contains("partitions=8"), "{other}");
    RedisEngine::open(RedisOptions { partitions: 8, prefix: "other".to_owned(), ..options(&redis) })
        .await
        .expect("another prefix is other data");

    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let evicts = refusal(options(&redis)).await;
    assert!(evicts.contains("allkeys-lru"), "{evicts}");
    RedisEngine::open(RedisOptions { allow_eviction: true, ..options(&redis) }).await.expect("it is allowed");
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;

    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let replica = refusal(options(&redis)).await;
    assert!(replica.contains("is a replica; engine.redis.url must name the primary"), "{replica}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_are_tested_before_the_start() {
    let redis = Redis::start().await;
    let user = |rights: &[&'static str]| [&["ACL", "SETUSER", "app", "reset", "on", ">secret"], rights].concat();
    redis.ask(&user(&[])).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let password = |text: &str| std::fs::write(file.path(), text).expect("it can be written");
    let (username, password_file) = ("app".to_owned(), Some(file.path().to_owned()));
    let options = RedisOptions { username, password_file, ..options(&redis) };
    password("other\n");
    let wrong = refusal(options.clone()).await;
    password("secret\n");
    assert!(wrong.contains("WRONGPASS"), "{wrong}");

    let enough = ["~ws:*", "&ws:*", "+@all", "-@dangerous", "+info"];
    redis.ask(&user(&enough)).await;
    RedisEngine::open(options.clone()).await.expect("these rights are enough");
    for missing in
        [["~other:*", "&ws:*", "+@all", "-@dangerous", "+info"], ["~ws:*", "&other:*", "+@all", "-@dangerous", "+info"]]
    {
        redis.ask(&user(&missing)).await;
        let refused = refusal(options.clone()).await;
        assert!(refused.contains("~ws:* &ws:* +@all -@dangerous +info"), "{missing:?}: {refused}");
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_while() {
    let mut redis = Redis::start().await;
    redis.kill().await;
    let error = RedisEngine::open(options(&redis)).await.expect_err("nobody is there");
    assert!(matches!(&error, StartError::Unreachable(_)), "{error}");
    let patient = RedisOptions { start_timeout: Duration::from_secs(15), ..options(&redis) };
    let (opened, ()) = tokio::join!(RedisEngine::open(patient), redis.restart());
    opened.expect("it came back");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_self_test_leaves_nothing_for_long() {
    let redis = Redis::start().await;
    RedisEngine::open(options(&redis)).await.expect("it can be used");
    let keys = redis.ask(&["KEYS", "*test*"]).await;
    let names: Vec<_> = keys.lines().filter(|line| line.starts_with("ws:")).collect();
    assert!(!names.is_empty(), "{keys}");
    for name in names {
        let left = redis.ask(&["PTTL", name]).await;
        let left_ms: i64 = left.trim_start_matches(':').trim().parse().expect("a number");
        assert!((1..=60_000).contains(&left_ms), "{name} is left for {left_ms} ms");
    }
}
