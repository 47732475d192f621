//! The suite that every engine runs.

use std::cell::Cell;

use ws_core::engine::conformance;
use ws_engine_redis::RedisEngine;

use crate::fixture::{Redis, on_both, options};

on_both!(the_redis_engine_does_what_every_engine_does,);

async fn the_redis_engine_does_what_every_engine_does(program: &str) {
    let (redis, n) = (Redis::of(program).await, Cell::new(0));
    conformance::run(async || {
        n.set(n.get() + 1);
        let mut options = options(&redis);
        // An engine of its own, with data of its own.
        options.prefix = format!("n{}", n.get());
        RedisEngine::open(options).await.expect("Redis can be used")
    })
    .await;
}
