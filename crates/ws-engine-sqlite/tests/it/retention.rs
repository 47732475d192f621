//! Channels that nobody uses after the configuration has changed.

use std::time::Duration;

use ws_core::engine::Retention;
use ws_engine_sqlite::inspect;

use crate::fixture::{Dir, keep, until};

/// What each channel has stored, and its retention.
fn stored(dir: &Dir) -> Vec<(u64, Retention)> {
    let mut stored = Vec::new();
    inspect(dir.path(), |channel| stored.push((channel.publications, channel.retention))).expect("it can be read");
    stored
}

/// Fifty channels of four publications, kept as `before` says, and then as `after` does: so many are left of each.
#[track_caller]
fn check(before: Retention, after: Retention, left: u64) {
    let dir = Dir::new();
    let database = dir.open();
    (0..50).for_each(|i| database.fill(&format!("idle{i}"), before, 4));
    database.close();
    let database = dir.open_keeping(after);
    until("it holds for all of them", || stored(&dir).iter().all(|channel| *channel == (left, after)));
    assert_eq!(database.history("idle7", after, 0, 10).publications.len() as u64, left);
    assert_eq!(database.append("idle7", after, "5").1, 5, "the stream goes on");
}

const LONG: Retention = Retention::new(10, Duration::from_secs(3600));

#[test]
fn a_shorter_age() {
    check(LONG, Retention { ttl: Duration::from_millis(1), ..LONG }, 0);
    check(keep(10), Retention { ttl: Duration::from_millis(1), ..LONG }, 0);
}

#[test]
fn fewer_publications() {
    check(LONG, Retention { size: 1, ..LONG }, 1);
}

#[test]
fn a_longer_history_keeps_what_is_there() {
    check(Retention::new(10, Duration::from_secs(60)), keep(100), 4);
}

#[test]
fn no_history_any_more() {
    let dir = Dir::new();
    let database = dir.open();
    database.fill("a", LONG, 4);
    database.close();
    let none = keep(0);
    let _database = dir.open_keeping(none);
    until("all of it is deleted", || stored(&dir) == [(0, none)]);
}
