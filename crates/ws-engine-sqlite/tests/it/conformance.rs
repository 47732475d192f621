//! The suite that every engine runs.

use std::cell::Cell;
use std::time::Duration;

use ws_core::engine::conformance;
use ws_engine_sqlite::{Fsync, SqliteEngine, SqliteOptions};

use crate::fixture::{Dir, options};

async fn conforms(fsync: Fsync) {
    let (dir, n) = (Dir::new(), Cell::new(0));
    conformance::run(async || {
        n.set(n.get() + 1);
        let options = options(&dir.path().join(n.get().to_string()));
        SqliteEngine::open(SqliteOptions { fsync, ..options }).expect("a new directory")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_engine_does_what_every_engine_does() {
    conforms(Fsync::Commit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_it_does_when_it_syncs_at_intervals() {
    conforms(Fsync::Interval(Duration::from_millis(10))).await;
}
