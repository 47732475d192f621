//! Publications that are acknowledged once replicas have them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use ws_core::engine::{Engine, EngineError};
use ws_engine_redis::RedisOptions;

use crate::fixture::{Redis, options};
use crate::node::{Node, delivered};

const WITHIN: Duration = Duration::from_millis(1500);

async fn with_replica() -> (Redis, Redis, RedisOptions) {
    let primary = Redis::on_port(|port| vec!["--port".to_owned(), port.to_string()]).await;
    let replica = Redis::replica_of(&primary).await;
    let options = RedisOptions { replicas_min: 1, replicas_timeout: WITHIN, ..options(&primary) };
    (primary, replica, options)
}

#[track_caller]
fn is_not_replicated<T: std::fmt::Debug>(answer: Result<T, EngineError>) {
    let is_told = matches!(&answer, Err(EngineError::Unavailable(words)) if words.contains("0 of 1 replicas have it"));
    assert!(is_told, "{answer:?}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_replica_has_is_not_acknowledged() {
    let (_primary, replica, options) = with_replica().await;
    let (a, b) = (Node::start(options.clone()).await, Node::start(options).await);
    b.follow("c").await;
    a.publish("c", 1, None).await.expect("the replica has it");
    a.remove("other").await.expect("the replica knows it");

    replica.signal("STOP").await;
    is_not_replicated(a.publish("c", 2, Some("x")).await);
    is_not_replicated(a.publish("c", 2, Some("x")).await);
    is_not_replicated(a.remove("other").await);
    a.publish("pass", 1, None).await.expect("what is not kept needs no replica");
    // It is there all the same.
    b.is_told("c", &[delivered(1, 1), delivered(2, 2)]).await;
    assert_eq!((a.history("c").await.expect("a history").top, a.engine.health()), (2, Ok(())));

    replica.signal("CONT").await;
    let settled = a.publish("c", 2, Some("x")).await.expect("the replica has it");
    assert!(settled.duplicate && settled.position.is_some_and(|(_, offset)| offset == 2), "{settled:?}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_a_replica_hold_nobody_up() {
    let (_primary, replica, options) = with_replica().await;
    let a = Arc::new(Node::start(options).await);
    replica.signal("STOP").await;
    let since = Instant::now();
    let mut waiting = JoinSet::new();
    for n in 0..40 {
        let a = a.clone();
        waiting.spawn(async move { a.publish(&format!("c{n}"), 1, None).await });
    }
    waiting.join_all().await.into_iter().for_each(is_not_replicated);
    // Those of one round, and those that came meanwhile.
    assert!(since.elapsed() < 4 * WITHIN, "{:?}", since.elapsed());
    assert_eq!(a.engine.health(), Ok(()));
    replica.signal("CONT").await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_closed_waits_for_replicas() {
    let (_primary, replica, options) = with_replica().await;
    let a = Node::start(options).await;
    replica.signal("STOP").await;
    // The first of the two begins first.
    let (answer, ()) = tokio::join!(biased; a.publish("c", 1, None), a.close());
    is_not_replicated(answer);
    replica.signal("CONT").await;
}
