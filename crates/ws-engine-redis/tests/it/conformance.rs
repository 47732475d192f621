//! The suite that every engine runs.

use std::cell::Cell;

use ws_core::engine::conformance;
use ws_engine_redis::{RedisEngine, RedisOptions};

use crate::fixture::{Redis, on_both, options, options_of, start};

on_both!(the_redis_engine_does_what_every_engine_does,);

async fn the_redis_engine_does_what_every_engine_does(program: &str) {
    let redis = Redis::of(program).await;
    on(|| options(&redis)).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn shards_do_what_every_engine_does() {
    for n in [2, 3] {
        let shards = start(n).await;
        on(|| options_of(&shards)).await;
    }
}

pub(crate) async fn on(options: impl Fn() -> RedisOptions) {
    let n = Cell::new(0);
    conformance::run(async || {
        n.set(n.get() + 1);
        let mut options = options();
        // An engine of its own, with data of its own.
        options.prefix = format!("n{}", n.get());
        RedisEngine::open(options).await.expect("Redis can be used")
    })
    .await;
}
