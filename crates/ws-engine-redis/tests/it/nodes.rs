//! Several servers on one Redis, and on several shards.

use std::time::Duration;

use ws_core::engine::{Appended, EngineError, Retention};

use crate::fixture::{Redis, options, options_of, start};
use crate::node::{KEEP, Node, Told, body, delivered};

/// How many shards there are.
const SHARDS: [usize; 3] = [1, 2, 3];

async fn two(redis: &[Redis]) -> (Node, Node) {
    (Node::start(options_of(redis)).await, Node::start(options_of(redis)).await)
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_publishes_all_are_given_in_one_order() {
    for shards in SHARDS {
        let redis = start(shards).await;
        let (a, b) = two(&redis).await;
        a.follow("c").await;
        b.follow("c").await;
        let publish = |node: &'static str, from: u64| {
            let node = if node == "a" { &a } else { &b };
            async move {
                for n in from..from + 100 {
                    node.publish("c", n, None).await.expect("it is published");
                }
            }
        };
        tokio::join!(publish("a", 1000), publish("b", 2000), publish("a", 3000), publish("b", 4000));
        let history = a.history("c").await.expect("a history");
        assert_eq!((history.top, history.publications.len()), (400, 400));
        let expect: Vec<_> =
            history.publications.iter().map(|one| Told::Delivered(one.offset, one.body.to_vec())).collect();
        a.is_told("c", &expect).await;
        b.is_told("c", &expect).await;
        assert_eq!(b.history("c").await.expect("a history"), history);
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_msg_id_is_one_everywhere() {
    for shards in SHARDS {
        let redis = start(shards).await;
        let (a, b) = two(&redis).await;
        let first = a.publish("c", 1, Some("x")).await.expect("it is published");
        assert_eq!(b.publish("c", 1, Some("x")).await, Ok(Appended { duplicate: true, ..first }));
        assert_eq!(b.publish("c", 2, Some("x")).await, Err(EngineError::Conflict));
        for round in 0..20 {
            let id = format!("id{round}");
            let (one, other) = tokio::join!(a.publish("d", round, Some(&id)), b.publish("d", round, Some(&id)));
            let (one, other) = (one.expect("published"), other.expect("published"));
            assert_eq!(one.position, other.position);
            assert!(one.duplicate != other.duplicate, "one of them is new");
        }
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_expires_also_after_it_was_emptied() {
    const HOUR: Retention = Retention::new(16, Duration::from_secs(3600));
    let redis = Redis::start().await;
    let a = Node::start(options(&redis)).await;
    let is_of_c = |key: &String| key.ends_with(":c") && !key.contains("test");
    let publish = async |id| a.repeat("c", HOUR, 1, id, 0).await.expect("it is published");
    publish(Some("x")).await;
    // The only id is not retained any more.
    for _ in 0..48 {
        publish(None).await;
    }
    let emptied: Vec<_> = redis.keys().await.into_iter().filter(is_of_c).collect();
    assert_eq!(emptied.len(), 2, "the meta and the stream: {emptied:?}");
    publish(Some("y")).await;
    let stream = emptied.iter().find(|key| key.contains(":s:")).expect("a stream");
    // As an eviction would.
    redis.ask(&["DEL", stream]).await;
    publish(None).await;
    let keys: Vec<_> = redis.keys().await.into_iter().filter(is_of_c).collect();
    assert_eq!(keys.len(), 3, "the ids as well: {keys:?}");
    for key in keys {
        let left = redis.ask(&["PTTL", &key]).await;
        assert!(left.starts_with(':') && !left.starts_with(":-"), "{key} is left for ever: {left}");
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_is_seen_everywhere() {
    for shards in SHARDS {
        let redis = start(shards).await;
        let (a, b) = two(&redis).await;
        a.follow("c").await;
        b.follow("c").await;
        a.publish("c", 1, None).await.expect("it is published");
        let epoch = b.remove("c").await.expect("it is removed");
        let again = a.publish("c", 2, None).await.expect("it is published");
        assert_eq!(again.position, Some((epoch, 1)));
        for node in [&a, &b] {
            node.is_told("c", &[delivered(1, 1), Told::Reset(epoch, 0), delivered(1, 2)]).await;
        }
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_retained_is_passed_on_to_all() {
    for shards in SHARDS {
        let redis = start(shards).await;
        let (a, b) = two(&redis).await;
        a.follow("pass").await;
        b.follow("pass").await;
        let expect: Vec<_> = (0..50).map(|n| Told::Delivered(None, body(n))).collect();
        for n in 0..50 {
            let passed = a.publish("pass", n, None).await;
            assert_eq!(passed, Ok(Appended { position: None, duplicate: false }));
            assert_eq!(a.sink.told("pass").len() as u64, n + 1, "its own sink is given it before the answer");
        }
        a.is_told("pass", &expect).await;
        b.is_told("pass", &expect).await;
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_later_finds_the_same_stream() {
    for shards in SHARDS {
        let redis = start(shards).await;
        let a = Node::start(options_of(&redis)).await;
        a.publish("c", 1, None).await.expect("it is published");
        let before = a.history("c").await.expect("a history");
        let empty = a.history("empty").await.expect("a history");
        a.close().await;
        let b = Node::start(options_of(&redis)).await;
        assert_eq!(b.history("c").await, Ok(before));
        assert_eq!(b.history("empty").await, Ok(empty));
    }
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_history_is_told_what_others_keep() {
    let redis = Redis::start().await;
    let (a, b) = (Node::start(options(&redis)).await, Node::start(options(&redis)).await);
    b.follow("pass").await;
    for n in 1..=2 {
        a.repeat("pass", KEEP, n, None, 0).await.expect("it is published");
    }
    let told = |n: u64| Told::Delivered(None, body(n));
    b.is_told("pass", &[told(1), told(2)]).await;
}
