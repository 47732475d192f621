//! What may happen to a Redis: it restarts empty, it loses its data, connections or scripts, it is full. Whatever it is,
//! nothing is lost in silence, and everything goes on by itself.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use ws_core::engine::{Engine, EngineError, FindQuery, Retention};
use ws_engine_redis::{Address, Location, RedisOptions};

use crate::fixture::{Redis, on_both, options, until};
use crate::node::{KEEP, Node, Told, delivered};

on_both!(
    a_redis_that_comes_back_empty_begins_new_epochs,
    data_that_was_deleted_begins_new_epochs,
    what_was_missed_without_a_feed_is_read_from_the_history,
    connections_that_are_cut_are_replaced_and_nothing_is_stored_twice,
    scripts_that_were_forgotten_are_loaded_again,
    a_full_redis_refuses_publications_and_loses_nothing,
    what_survived_another_identity_goes_on,
    what_was_quiet_through_two_identities_is_not_told_again,
    what_is_kept_is_known_for_as_long,
    who_does_not_know_of_a_new_generation_writes_nothing,
);

async fn two(redis: &Redis) -> (Node, Node) {
    (Node::start(options(redis)).await, Node::start(options(redis)).await)
}

/// Two servers that follow a channel in which one has published 1 to 3.
async fn at_three(redis: &Redis) -> (Node, Node, Vec<Told>) {
    let (a, b) = two(redis).await;
    a.follow("c").await;
    b.follow("c").await;
    let expect: Vec<_> = (1..=3).map(|n| delivered(n, n)).collect();
    for n in 1..=3 {
        a.publish("c", n, None).await.expect("it is published");
    }
    b.is_told("c", &expect).await;
    (a, b, expect)
}

/// After everything was lost: a new epoch in which nothing is left.
async fn begins_anew(a: &Node, b: &Node, before: &[Told]) {
    let (epoch, offset) = a.publish_at_last("c", 4, "x").await;
    assert_eq!(offset, 1, "a new stream");
    for node in [a, b] {
        let told = until("the publication", async || {
            let told = node.sink.told("c");
            let has_come = told.iter().any(|told| matches!(told, Told::Skipped(1) | Told::Delivered(Some(1), _)));
            (told.len() > before.len() + 1 && has_come).then_some(told)
        })
        .await;
        assert_eq!(told[..before.len()], *before);
        assert_eq!(told[before.len()], Told::Reset(epoch, 0), "{told:?}");
        let last = &told[before.len() + 1..];
        assert!(last == [delivered(1, 4)] || last == [Told::Skipped(1)], "{told:?}");
        let history = node.history("c").await.expect("a history");
        assert_eq!((history.epoch, history.top), (epoch, 1));
    }
}

async fn a_redis_that_comes_back_empty_begins_new_epochs(program: &str) {
    let mut redis = Redis::of(program).await;
    let (a, b, before) = at_three(&redis).await;
    redis.kill().await;
    until("the trouble to be noticed", async || a.engine.health().err()).await;
    let refused = a.history("c").await;
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    redis.restart().await;
    begins_anew(&a, &b, &before).await;
    a.is_well().await;
    b.is_well().await;
}

async fn data_that_was_deleted_begins_new_epochs(program: &str) {
    let redis = Redis::of(program).await;
    let (a, b, before) = at_three(&redis).await;
    redis.ask(&["FLUSHALL"]).await;
    begins_anew(&a, &b, &before).await;
    assert_eq!(a.engine.health(), Ok(()));
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_waits_while_redis_is_away() {
    let mut redis = Redis::start().await;
    let a = Node::start(options(&redis)).await;
    redis.kill().await;
    until("the trouble to be noticed", async || a.engine.health().err()).await;
    let publish = a.publish("c", 1, None);
    let restart = redis.restart();
    let (published, ()) = tokio::join!(publish, restart);
    assert_eq!(published.expect("it waited").position.map(|(_, offset)| offset), Some(1));
}

async fn what_was_missed_without_a_feed_is_read_from_the_history(program: &str) {
    let redis = Redis::of(program).await;
    let (a, b, before) = at_three(&redis).await;
    for round in 0..20 {
        let n = 4 + 2 * round;
        // The feeds of both, at any moment of what is under way.
        let kill = redis.ask(&["CLIENT", "KILL", "TYPE", "PUBSUB"]);
        let (one, other) = (format!("a{round}"), format!("b{round}"));
        let publish = async { (a.publish_at_last("c", n, &one).await, b.publish_at_last("c", n + 1, &other).await) };
        let (_, (first, second)) = tokio::join!(kill, publish);
        assert_eq!((first.1, second.1), (n, n + 1), "each is stored once");
    }
    for node in [&a, &b] {
        let told = until("everything", async || {
            let told = node.sink.told("c");
            (reached(&told) == 43).then_some(told)
        })
        .await;
        assert_eq!(told[..3], before);
        is_without_hole(&told);
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

/// Every offset is delivered once, in order, or skipped, and there is one epoch.
#[track_caller]
fn is_without_hole(told: &[Told]) {
    let mut reached = 0;
    for (at, one) in told.iter().enumerate() {
        match one {
            Told::Delivered(Some(offset), body) => {
                assert_eq!(*offset, reached + 1, "{at} of {told:?}");
                assert_eq!(*body, crate::node::body(offset), "{at} of {told:?}");
                reached = *offset;
            }
            Told::Skipped(to) => {
                assert!(*to > reached, "{at} of {told:?}");
                reached = *to;
            }
            other => panic!("{other:?} at {at} of {told:?}"),
        }
    }
}

async fn connections_that_are_cut_are_replaced_and_nothing_is_stored_twice(program: &str) {
    let redis = Redis::of(program).await;
    let a = Node::start(options(&redis)).await;
    a.follow("c").await;
    for n in 1..=30 {
        let id = n.to_string();
        let (_, (_, offset)) = tokio::join!(
            redis.ask(&["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"]),
            a.publish_at_last("c", n, &id)
        );
        assert_eq!(offset, n, "stored once");
    }
    until("everything", async || (reached(&a.sink.told("c")) == 30).then_some(())).await;
    is_without_hole(&a.sink.told("c"));
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_what_is_not_retained_is_told_that_something_may_be_lost() {
    let redis = Redis::start().await;
    let a = Node::start(options(&redis)).await;
    a.follow("pass").await;
    redis.ask(&["CLIENT", "KILL", "TYPE", "PUBSUB"]).await;
    a.is_told("pass", &[Told::Lost]).await;
}

async fn scripts_that_were_forgotten_are_loaded_again(program: &str) {
    let redis = Redis::of(program).await;
    let (a, b, _) = at_three(&redis).await;
    for n in 4..10 {
        redis.ask(&["SCRIPT", "FLUSH"]).await;
        let node = if n % 2 == 0 { &a } else { &b };
        let published = node.publish("c", n, None).await.expect("it is published");
        assert_eq!(published.position.map(|(_, offset)| offset), Some(n));
        redis.ask(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(node.history("c").await.expect("a history").top, n);
    }
}

async fn a_full_redis_refuses_publications_and_loses_nothing(program: &str) {
    let redis = Redis::of(program).await;
    let (a, b, before) = at_three(&redis).await;
    b.publish("used", 1, None).await.expect("it is published");
    b.follow("followed").await;
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let (refused, read, removed) = tokio::join!(a.publish("c", 4, None), a.history("c"), a.remove("other"));
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    assert_eq!(read.expect("it can be read").top, 3);
    removed.expect("to remove needs no memory");
    for channel in ["c", "used", "followed"] {
        a.follow(channel).await;
    }
    a.engine.interest("new", true);
    let (followed, named) = tokio::join!(a.call(|done| a.engine.following("new", done)), a.history("other new"));
    assert!(matches!(followed, Err(EngineError::Unavailable(_))), "{followed:?}");
    assert!(matches!(named, Err(EngineError::Unavailable(_))), "{named:?}");
    let keys = redis.keys().await;
    assert!(!keys.iter().any(|key| key.ends_with("new")), "who names channels stores nothing: {keys:?}");
    assert_eq!(a.engine.health(), Ok(()), "it can be read");
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    a.call(|done| a.engine.following("new", done)).await.expect("there is room for it");
    let published = a.publish("c", 4, None).await.expect("there is room again");
    assert_eq!(published.position.map(|(_, offset)| offset), Some(4));
    a.is_told("c", &[before, vec![delivered(4, 4)]].concat()).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_loses_a_full_redis_comes_back_to_it() {
    let redis = Redis::start().await;
    let (a, b, before) = at_three(&redis).await;
    b.follow("new").await;
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for kind in ["NORMAL", "PUBSUB"] {
        redis.ask(&["CLIENT", "KILL", "TYPE", kind]).await;
    }
    // Only another connection can tell that it is followed.
    a.follow("new").await;
    a.follow("c").await;
    a.is_well().await;
    assert_eq!(a.history("c").await.expect("it can be read").top, 3);
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    a.publish_at_last("c", 4, "x").await;
    a.is_told("c", &[before, vec![delivered(4, 4)]].concat()).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_go_where_the_name_leads() {
    let (one, other) = (Redis::start().await, Redis::start().await);
    let dir = tempfile::tempdir().expect("a directory");
    let name = dir.path().join("name");
    let leads_to = |redis: &Redis| {
        let Address::Unix(path) = redis.address() else { panic!("a path") };
        // One that is not there is not removed.
        let _ = std::fs::remove_file(&name);
        std::os::unix::fs::symlink(path, &name).expect("a link");
    };
    leads_to(&one);
    let a =
        Node::start(RedisOptions { locations: vec![Location::Server(Address::Unix(name.clone()))], ..options(&one) })
            .await;
    a.publish("c", 1, None).await.expect("it is published");
    a.publish("c", 2, None).await.expect("it is published");
    leads_to(&other);
    // The reader has nothing to do with it.
    one.ask(&["CLIENT", "KILL", "TYPE", "PUBSUB"]).await;
    let (epoch, offset) = until("the other one", async || {
        let published = a.publish("c", 3, None).await.ok()?.position?;
        (published.1 == 1).then_some(published)
    })
    .await;
    a.is_well().await;
    let history = a.history("c").await.expect("a history");
    assert_eq!((history.epoch, history.top), (epoch, offset));
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_while_redis_refuses_to_write() {
    let redis = Redis::start().await;
    let (a, _b, _) = at_three(&redis).await;
    redis.ask(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    until("the trouble to be noticed", async || a.engine.health().err()).await;
    let query = FindQuery { channel: "c", retention: KEEP, msg_id: "x" };
    let (read, found) = tokio::join!(a.history("c"), a.call(|done| a.engine.find(query, done)));
    assert!(matches!(read, Err(EngineError::Unavailable(_))), "{read:?}");
    assert!(matches!(found, Err(EngineError::Unavailable(_))), "{found:?}");
    redis.ask(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    a.is_well().await;
    assert_eq!(a.history("c").await.expect("it can be read").top, 3);
}

/// It becomes a replica of nobody, and a primary again: another identity with the same data.
async fn become_another(redis: &Redis) {
    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
    redis.ask(&["REPLICAOF", "NO", "ONE"]).await;
}

async fn what_was_quiet_through_two_identities_is_not_told_again(program: &str) {
    let redis = Redis::of(program).await;
    let (a, b, before) = at_three(&redis).await;
    for n in 1..=2 {
        become_another(&redis).await;
        for node in [&a, &b] {
            until("the new epoch", async || (node.sink.told("c").len() == before.len() + n).then_some(())).await;
            let told = node.sink.told("c");
            assert!(told[before.len()..].iter().all(|told| matches!(told, Told::Renewed(_, 3))), "{told:?}");
        }
    }
}

async fn what_is_kept_is_known_for_as_long(program: &str) {
    const SHORT: Duration = Duration::from_millis(1000);
    let kept = Retention::new(100, SHORT * 7);
    let redis = Redis::of(program).await;
    let a = Node::start(RedisOptions { position_ttl: SHORT, ..options(&redis) }).await;
    let first = a.repeat("c", kept, 1, Some("x"), 0).await.expect("it is published");
    // In all longer than both together: the position outlives what was published late in its time too.
    sleep(SHORT * 4).await;
    let second = a.repeat("c", kept, 2, Some("y"), 0).await.expect("it is published");
    assert_eq!(second.position.map(|(_, offset)| offset), Some(2), "{first:?}");
    sleep(SHORT * 9 / 2).await;
    let again = a.repeat("c", kept, 2, Some("y"), 0).await.expect("it is known");
    assert!(again.duplicate && again.position == second.position, "{again:?}");
}

async fn what_survived_another_identity_goes_on(program: &str) {
    let redis = Redis::of(program).await;
    let (a, b, before) = at_three(&redis).await;
    become_another(&redis).await;
    let (epoch, offset) = until("the new epoch", async || {
        let told = a.sink.told("c");
        told.iter().find_map(|told| if let Told::Renewed(epoch, at) = told { Some((*epoch, *at)) } else { None })
    })
    .await;
    assert_eq!(offset, 3, "all of it survived");
    let (at, offset) = a.publish_at_last("c", 4, "x").await;
    assert_eq!((at, offset), (epoch, 4));
    for node in [&a, &b] {
        until("the publication", async || (reached(&node.sink.told("c")) == 4).then_some(())).await;
        let told = node.sink.told("c");
        assert_eq!(told[..3], before);
        assert_eq!(told[3], Told::Renewed(epoch, 3), "{told:?}");
        assert_eq!(told.len(), 5, "nothing comes twice: {told:?}");
    }
}

async fn who_does_not_know_of_a_new_generation_writes_nothing(program: &str) {
    let redis = Redis::of(program).await;
    let a = Node::start(options(&redis)).await;
    let before = a.publish("c", 1, None).await.expect("it is published");
    // Another server has noticed something.
    let renew = "redis.call('SET', KEYS[1], 'anothers' .. string.sub(redis.call('GET', KEYS[1]), 9))";
    for key in redis.keys().await.iter().filter(|key| key.ends_with('}')) {
        redis.ask(&["EVAL", renew, "1", key]).await;
    }
    let after = a.publish("c", 2, None).await.expect("it is published");
    let (epoch, offset) = after.position.expect("a position");
    assert_eq!(offset, 2, "what was there has survived");
    assert_ne!(before.position.map(|(epoch, _)| epoch), Some(epoch));
    assert_eq!(a.history("c").await.map(|history| history.epoch), Ok(epoch));
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_replica_begins_no_new_epochs() {
    let redis = Redis::start().await;
    let (a, b, before) = at_three(&redis).await;
    let epoch = a.history("c").await.expect("a history").epoch;
    let identity = async || {
        let info = redis.ask(&["INFO", "replication"]).await;
        info.lines().find_map(|line| line.strip_prefix("master_replid:")).expect("an identity").to_owned()
    };
    let first = identity().await;
    let synced = redis.ask(&["PSYNC", "?", "-1"]).await;
    assert!(synced.starts_with("+FULLRESYNC"), "{synced}");
    let other = identity().await;
    assert_ne!(first, other, "it has another identity");
    for generation in redis.keys().await.iter().filter(|key| key.ends_with('}')) {
        until("the identity to be noticed", async || {
            redis.ask(&["GET", generation]).await.contains(&other).then_some(())
        })
        .await;
    }
    let published = a.publish("c", 4, None).await.expect("it is published");
    assert_eq!(published.position, Some((epoch, 4)));
    for node in [&a, &b] {
        node.is_told("c", &[before.clone(), vec![delivered(4, 4)]].concat()).await;
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_as_old_as_it_is_however_late_redis_comes_to_it() {
    const ONE: Retention = Retention::new(1, Duration::ZERO);
    let redis = Redis::start().await;
    let a = Node::start(options(&redis)).await;
    a.history("c").await.expect("its epoch begins");
    for round in 0..5 {
        sleep(Duration::from_millis(20)).await;
        let (id, sent) = (round.to_string(), Instant::now());
        a.repeat("c", ONE, 1, Some(&id), 0).await.expect("it is published, and the answer is lost");
        a.repeat("c", ONE, 2, None, 0).await.expect("it is published in its place");
        redis.ask(&["CLIENT", "PAUSE", "400"]).await;
        let age_ms = sent.elapsed().as_millis() as u64 + 1;
        assert_eq!(a.repeat("c", ONE, 1, Some(&id), age_ms).await, Err(EngineError::UnknownOutcome));
    }
}
