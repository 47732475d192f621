//! Many publishers, many subscribers that come, go, are cut off and come back, and more than a million deliveries: every
//! client checks each of them against the contract, and all clients agree on what each offset holds.

mod chance;
mod publisher;
mod socket;
mod subscriber;
mod world;

use std::sync::Arc;

use ws_tests::prelude::*;

use self::world::{Scale, World};
use super::stream::Terms;
use crate::SERVER;
use crate::durable::directory;

/// Runs everything to its end.
async fn run(scale: Scale, more: &[(&str, &str)]) -> Arc<World> {
    let retained = scale.terms.retained.to_string();
    let variables = [&[("WS_SERVER__CHANNELS__HISTORY_SIZE", retained.as_str())], more].concat();
    let server = Process::start(SERVER, &variables).await;
    let world = Arc::new(World::new(server.addr(), scale).await);
    let mut tasks = tokio::task::JoinSet::new();
    for nth in 0..scale.subscribers {
        tasks.spawn(subscriber::run(world.clone(), nth));
    }
    for nth in 0..scale.publishers {
        tasks.spawn(publisher::run(world.clone(), nth));
    }
    // The first panic is the cause of all others.
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a client gets what the contract says");
    }
    world.check();
    let metrics = http::metrics(server.addr()).await;
    assert_eq!(metrics.get("ws_panics_total"), 0.0);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_deliveries_without_a_gap() {
    let terms = Terms { retained: 10_000, gaps: false };
    let world =
        run(Scale { channels: 5, publishers: 20, subscribers: 120, publications: 1600, terms, seed: 1 }, &[]).await;
    let counts = world.counts();
    println!("{counts:?}");
    assert!(counts.deliveries >= 1_000_000, "{counts:?}");
    assert!(counts.recoveries > 500, "{counts:?}");
    assert_eq!((counts.gaps, counts.missed), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_history_has_gaps_and_every_one_is_told() {
    let terms = Terms { retained: 50, gaps: true };
    let world =
        run(Scale { channels: 5, publishers: 20, subscribers: 100, publications: 600, terms, seed: 2 }, &[]).await;
    let counts = world.counts();
    println!("{counts:?}");
    assert!(counts.deliveries >= 200_000, "{counts:?}");
    assert!(counts.gaps > 100 && counts.missed > counts.gaps, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_loses_nothing_either() {
    let terms = Terms { retained: 10_000, gaps: false };
    let dir = directory("stress");
    let variables = [("WS_SERVER_DATA_DIR", dir.to_str().expect("a path in UTF-8"))];
    let scale = Scale { channels: 5, publishers: 20, subscribers: 60, publications: 800, terms, seed: 3 };
    let counts = run(scale, &variables).await.counts();
    println!("{counts:?}");
    assert!(counts.deliveries >= 200_000, "{counts:?}");
    assert_eq!((counts.gaps, counts.missed), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_it_hide_what_it_no_longer_has() {
    let terms = Terms { retained: 50, gaps: true };
    let dir = directory("stress-gaps");
    let variables = [("WS_SERVER_DATA_DIR", dir.to_str().expect("a path in UTF-8"))];
    let scale = Scale { channels: 5, publishers: 20, subscribers: 60, publications: 600, terms, seed: 4 };
    let counts = run(scale, &variables).await.counts();
    println!("{counts:?}");
    assert!(counts.gaps > 50 && counts.missed > counts.gaps, "{counts:?}");
}
