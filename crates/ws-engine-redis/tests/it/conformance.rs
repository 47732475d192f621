//! The suite that every engine runs.

use std::cell::Cell;

use ws_core::engine::conformance;
use ws_engine_redis::RedisEngine;

use crate::fixture::{Redis, options};

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_redis_engine_does_what_every_engine_does() {
    let (redis, n) = (Redis::start().await, Cell::new(0));
    conformance::run(async || {
        n.set(n.get() + 1);
        let mut options = options(&redis);
        // An engine of its own, with data of its own.
        options.prefix = format!("n{}", n.get());
        RedisEngine::open(options).await.expect("Redis can be used")
    })
    .await;
}
