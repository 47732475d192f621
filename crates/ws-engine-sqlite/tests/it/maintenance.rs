//! What is deleted and forgotten, so that the disk is bounded.

use std::time::Duration;

use ws_core::engine::Retention;
use ws_engine_sqlite::inspect;

use crate::fixture::{Dir, keep, until};

/// Channels and publications on the disk.
fn stored(dir: &Dir) -> (u64, u64) {
    let sums = inspect(dir.path(), |_| {}).expect("it can be read");
    (sums.channels, sums.publications)
}

#[test]
fn what_has_expired_is_deleted_without_a_call() {
    let (dir, short) = (Dir::new(), Retention::new(100, Duration::from_millis(300)));
    let database = dir.open();
    database.fill("a", short, 10);
    database.fill("b", keep(100), 10);
    assert_eq!(stored(&dir), (2, 20));
    until("they are deleted", || stored(&dir) == (2, 10));
    assert_eq!(database.history("a", short, 0, 10).top, 10, "the position stays");
    assert_eq!(database.append("a", short, "11").1, 11);
    assert_eq!(database.all("b", keep(100)).len(), 10);
}

#[test]
fn so_it_is_after_a_restart() {
    let (dir, short) = (Dir::new(), Retention::new(100, Duration::from_millis(50)));
    let database = dir.open();
    database.append("a", short, "1");
    database.close();
    let _database = dir.open();
    until("it is deleted", || stored(&dir) == (1, 0));
}

#[test]
fn the_disk_holds_what_is_retained() {
    let dir = Dir::new();
    let database = dir.open();
    for i in 0..300 {
        database.append("a", keep(7), &i.to_string());
        assert!(stored(&dir).1 <= 7);
    }
    let bytes = |path: &std::path::Path| path.metadata().expect("a file").len();
    let sizes = || bytes(&dir.file()) + bytes(&dir.path().join("ws.db-wal"));
    until("its size is known", || database.stats().store.expect("it stores").stored_bytes == sizes());
}

#[test]
fn a_large_stream_that_was_removed_goes_in_steps() {
    let dir = Dir::new();
    let database = dir.open();
    assert_eq!(database.flood("a", keep(10_000), 5000).iter().filter(Result::is_ok).count(), 5000);
    let epoch = database.remove("a");
    assert_eq!(database.append("a", keep(10), "new"), (epoch, 1), "nobody waits for the deletion");
    until("it is deleted", || stored(&dir) == (1, 1) && rows(&dir) == 1);
}

/// Publications in the tables, whoever's they are.
fn rows(dir: &Dir) -> u64 {
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    connection.query_row("SELECT COUNT(*) FROM publications", [], |row| row.get::<_, i64>(0)).expect("a count") as u64
}

#[test]
fn positions_of_idle_channels_are_forgotten_the_oldest_first() {
    let (dir, short) = (Dir::new(), Retention::new(100, Duration::from_millis(1)));
    let database = dir.open();
    let epochs: Vec<_> = (0..5)
        .map(|i| {
            let (epoch, _) = database.append(&i.to_string(), short, "x");
            until("it is deleted", || rows(&dir) == 0);
            epoch
        })
        .collect();
    let (never, last) = (database.epoch("never"), database.history("4", short, 0, 0));
    assert_eq!((stored(&dir), last.top), ((5, 0), 1));
    database.close();
    // At the start they are counted.
    let database = dir.open_with(|options| options.idle_channels_max = 2);
    until("three are forgotten", || stored(&dir).0 == 2);
    for (i, epoch) in epochs.iter().enumerate() {
        let history = database.history(&i.to_string(), short, 0, 0);
        assert_eq!((history.epoch == *epoch, history.top), (i >= 3, u64::from(i >= 3)), "channel {i}");
    }
    assert_ne!(database.epoch("never"), never, "what could have been forgotten is another stream");
}

#[test]
fn a_commit_that_fails_changes_no_epoch_that_a_subscriber_knows() {
    let (dir, short) = (Dir::new(), Retention::new(100, Duration::from_millis(1)));
    let database = dir.open();
    let never = database.epoch("never");
    database.append("other", short, "x");
    until("it is deleted", || rows(&dir) == 0);
    database.close();
    let database = dir.open_used(&["never"], |options| options.idle_channels_max = 0);
    until("it is forgotten", || stored(&dir).0 == 0);
    assert_eq!(database.epoch("never"), never);
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON publications BEGIN SELECT RAISE(ABORT, 'no'); END";
    connection.execute_batch(refuse).expect("a trigger");
    assert!(database.try_append("never", keep(10), "x", None).is_err());
    assert_eq!(database.epoch("never"), never, "nobody was told of another one");
    connection.execute_batch("DROP TRIGGER refuse").expect("it is there");
    assert_eq!(database.append("never", keep(10), "x"), (never, 1));
}

/// What memory says was wrong: it is read again.
#[test]
fn a_row_that_memory_does_not_know_is_found_after_a_commit_that_fails() {
    let dir = Dir::new();
    let database = dir.open();
    let never = database.epoch("never");
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    let sql = "INSERT INTO channels (name, epoch, top, first, newest_ms, size, ttl_ms)
               VALUES ('never', 7, 3, 4, 0, 10, 0)";
    connection.execute_batch(sql).expect("a row");
    assert!(database.try_append("never", keep(10), "x", None).is_err());
    let (epoch, offset) = database.append("never", keep(10), "x");
    assert!(epoch != never && offset == 4);
}

#[test]
fn where_nothing_is_forgotten_nothing_is_another_stream() {
    let (dir, short) = (Dir::new(), Retention::new(100, Duration::from_millis(1)));
    let database = dir.open();
    database.append("a", short, "x");
    database.append("b", short, "x");
    until("they are deleted", || rows(&dir) == 0);
    let never = database.epoch("never");
    database.close();
    let database = dir.open_used(&["a", "b"], |options| options.idle_channels_max = 1);
    database.append("c", keep(10), "x");
    until("they were looked at", || idle_since(&dir) > 0);
    assert_eq!((stored(&dir).0, database.epoch("never")), (3, never));
}

/// When the idle channel was looked at that was looked at first.
fn idle_since(dir: &Dir) -> i64 {
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    let sql = "SELECT MIN(idle_ms) - MAX(newest_ms) FROM channels WHERE idle_ms IS NOT NULL";
    connection.query_row(sql, [], |row| row.get(0)).expect("a number")
}

#[test]
fn many_channels_that_are_used_once_expire_in_few_steps() {
    let (dir, short) = (Dir::new(), Retention::new(100, Duration::from_millis(1)));
    let database = dir.open_with(|options| options.idle_channels_max = 1_000_000);
    let answers: Vec<_> = (0..5000).map(|i| database.flood(&i.to_string(), short, 1)).collect();
    assert!(answers.iter().all(|answer| answer.recv().is_ok_and(|result| result.is_ok())));
    until("they are deleted", || rows(&dir) == 0);
}

#[test]
fn who_is_subscribed_to_is_not_forgotten() {
    let (dir, short) = (Dir::new(), Retention::new(100, Duration::from_millis(1)));
    let database = dir.open();
    database.append("a", short, "x");
    database.append("b", short, "x");
    until("they are deleted", || rows(&dir) == 0);
    database.close();
    let database = dir.open_used(&["a"], |options| options.idle_channels_max = 1);
    until("one is forgotten", || stored(&dir).0 == 1);
    assert_eq!((database.history("a", short, 0, 0).top, database.history("b", short, 0, 0).top), (1, 0));
}
