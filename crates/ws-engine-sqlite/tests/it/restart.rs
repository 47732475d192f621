//! What is there again after a restart.

use std::time::Duration;

use ws_core::engine::{Appended, EngineError, Epoch, Retention};
use ws_engine_sqlite::{Fsync, OpenError, SqliteOptions, renew_epochs};

use crate::fixture::{Database, Dir, keep, until};

#[test]
fn everything_is_as_it_was() {
    let dir = Dir::new();
    let database = dir.open();
    let positions: Vec<_> = (1..=5).map(|i| database.append("a", keep(3), &i.to_string())).collect();
    let (epoch, top) = positions[4];
    assert_eq!(top, 5);
    database.close();
    for round in 0..2_u64 {
        let database = dir.open();
        let history = database.history("a", keep(3), 0, 100);
        let oldest = 3 + round;
        assert_eq!((history.epoch, history.top, history.oldest), (epoch, 5 + round, oldest));
        assert_eq!(database.append("a", keep(3), "more"), (epoch, 6 + round), "the offsets go on");
        database.close();
    }
}

#[test]
fn the_epoch_of_a_channel_stays_though_nothing_was_published() {
    let dir = Dir::new();
    let database = dir.open();
    let epochs = ["a", "b"].map(|channel| database.epoch(channel));
    assert_ne!(epochs[0], epochs[1]);
    database.close();
    let database = dir.open();
    assert_eq!(["a", "b"].map(|channel| database.epoch(channel)), epochs);
    assert_eq!(database.append("a", keep(3), "1"), (epochs[0], 1), "it holds for the first publication");
}

#[test]
fn a_removed_stream_does_not_come_back() {
    let dir = Dir::new();
    let database = dir.open();
    let (old, _) = database.append("a", keep(10), "1");
    let new = database.remove("a");
    assert_ne!(new, old);
    database.close();
    let database = dir.open();
    let history = database.history("a", keep(10), 0, 100);
    assert_eq!((history.epoch, history.top, history.publications.len()), (new, 0, 0));
    assert_eq!(database.append("a", keep(10), "2"), (new, 1));
}

/// The files as a killed process leaves them.
#[test]
fn a_removal_that_was_answered_survives_a_kill() {
    let (dir, copy) = (Dir::new(), Dir::new());
    let database = dir.open();
    database.fill("a", keep(10), 3);
    let epoch = database.remove("a");
    for name in ["ws.db", "ws.db-wal"] {
        std::fs::copy(dir.path().join(name), copy.path().join(name)).expect("it can be copied");
    }
    let after = copy.open();
    let history = after.history("a", keep(10), 0, 100);
    assert_eq!((history.epoch, history.top, history.publications.len()), (epoch, 0, 0));
    assert_eq!(after.append("a", keep(10), "4"), (epoch, 1));
    assert_eq!(after.all("a", keep(10)), ["4"]);
}

#[test]
fn message_ids_are_remembered_as_long_as_their_publications() {
    let dir = Dir::new();
    let database = dir.open();
    let append = |database: &Database, data: &str, id: &str| {
        let appended = database.try_append("a", keep(2), data, Some(id));
        appended.map(|Appended { position, duplicate }| (position.expect("a position").1, duplicate))
    };
    assert_eq!(append(&database, "1", "x"), Ok((1, false)));
    assert_eq!(append(&database, "2", "y"), Ok((2, false)));
    database.close();
    let database = dir.open();
    assert_eq!(append(&database, "1", "x"), Ok((1, true)));
    assert_eq!(append(&database, "other", "y"), Err(EngineError::Conflict));
    assert_eq!(append(&database, "3", "z"), Ok((3, false)));
    database.close();
    let database = dir.open();
    assert_eq!(append(&database, "4", "x"), Ok((4, false)), "the first x is no longer retained");
}

#[test]
fn a_shorter_history_holds_at_once() {
    let dir = Dir::new();
    let database = dir.open();
    database.fill("a", keep(1000), 500);
    database.close();
    let database = dir.open();
    assert_eq!(database.all("a", keep(2)), ["499", "500"]);
    database.append("a", keep(2), "501");
    assert_eq!(database.all("a", keep(2)), ["500", "501"]);
    until("the others are deleted", || {
        ws_engine_sqlite::inspect(dir.path(), |_| {}).expect("it can be read").publications == 2
    });
}

#[test]
fn publications_go_on_aging_while_no_server_runs() {
    let dir = Dir::new();
    let database = dir.open();
    let short = Retention::new(10, Duration::from_millis(50));
    database.append("a", short, "1");
    database.close();
    std::thread::sleep(Duration::from_millis(60));
    let database = dir.open();
    let history = database.history("a", short, 0, 10);
    assert_eq!((history.top, history.oldest, history.publications.len()), (1, 2, 0));
    assert_eq!(database.append("a", short, "2").1, 2);
}

#[test]
fn what_was_taken_is_stored_before_the_end() {
    let dir = Dir::new();
    let database = dir.open();
    let answers = database.flood("a", keep(10_000), 1000);
    drop(database);
    let offset = |result: Result<Appended, EngineError>| result.expect("stored").position.expect("a position").1;
    let mut offsets: Vec<_> = answers.iter().map(offset).collect();
    offsets.sort_unstable();
    assert!(offsets.into_iter().eq(1..=1000), "each was answered");
    let all: Vec<_> = (1..=1000).map(|i| i.to_string()).collect();
    assert_eq!(dir.open().all("a", keep(10_000)), all);
}

#[test]
fn many_are_stored_in_few_commits() {
    let dir = Dir::new();
    let database = dir.open();
    assert_eq!(database.flood("a", keep(10), 5000).iter().filter(Result::is_ok).count(), 5000);
    let store = database.stats().store.expect("it stores");
    assert_eq!((store.committed, store.waiting_bytes, store.failures), (5000, 0, 0));
    let commits = store.commit_us.count();
    assert!(commits > 0 && commits < 2500, "{commits} commits");
    assert_eq!(database.all("a", keep(10)).len(), 10);
}

/// A server that syncs at intervals and has not ended well. Its epochs before, and after the next start.
fn epochs_after_a_crash(boot_id: &[u8]) -> ([Epoch; 2], [Epoch; 2]) {
    let dir = Dir::new();
    let database = dir.open();
    database.fill("a", keep(10), 3);
    let before = [database.epoch("a"), database.epoch("never")];
    database.close();
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    connection.execute("INSERT INTO meta VALUES ('session', ?1)", [boot_id]).expect("a row");
    drop(connection);
    let database = dir.open();
    assert_eq!(database.all("a", keep(10)), ["1", "2", "3"], "what is stored stays");
    assert_eq!(database.append("a", keep(10), "4").1, 4);
    (before, [database.epoch("a"), database.epoch("never")])
}

#[test]
fn when_the_process_has_crashed_nothing_is_lost() {
    let boot_id = std::fs::read("/proc/sys/kernel/random/boot_id").expect("Linux");
    let (before, after) = epochs_after_a_crash(&boot_id);
    assert_eq!(before, after);
}

#[test]
fn when_the_system_has_crashed_between_two_syncs_new_epochs_begin() {
    let (before, after) = epochs_after_a_crash(b"another one");
    assert!(before[0] != after[0] && before[1] != after[1]);
}

#[test]
fn a_session_that_ends_well_leaves_no_doubt() {
    let dir = Dir::new();
    let interval = |options: &mut SqliteOptions| options.fsync = Fsync::Interval(Duration::from_millis(20));
    let sessions = || {
        let connection = rusqlite::Connection::open(dir.file()).expect("a database");
        let sql = "SELECT COUNT(*) FROM meta WHERE name = 'session'";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    let database = dir.open_with(interval);
    database.append("a", keep(10), "1");
    assert_eq!(sessions(), 1);
    database.close();
    assert_eq!(sessions(), 0);
    let _database = dir.open();
    assert_eq!(sessions(), 0, "with each commit there is no doubt either");
}

#[test]
fn a_database_that_was_put_back_gets_new_epochs() {
    let dir = Dir::new();
    let database = dir.open();
    database.fill("a", keep(10), 3);
    let before = [database.epoch("a"), database.epoch("never")];
    assert!(matches!(renew_epochs(dir.path()), Err(OpenError::InUse { .. })), "not while a server runs");
    database.close();
    renew_epochs(dir.path()).expect("it can be written");
    let database = dir.open();
    let after = [database.epoch("a"), database.epoch("never")];
    assert!(before[0] != after[0] && before[1] != after[1]);
    assert_eq!(database.all("a", keep(10)), ["1", "2", "3"]);
    assert!(matches!(renew_epochs(&dir.path().join("x")), Err(OpenError::Missing { .. })));
}
