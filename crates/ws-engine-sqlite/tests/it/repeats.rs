//! What repeats are answered after a restart: what is known of the time before it is never more than the truth.

use std::thread;
use std::time::{Duration, Instant};

use ws_core::engine::{EngineError, Retention};
use ws_engine_sqlite::{inspect, renew_epochs};

use crate::fixture::{Database, Dir, keep, until};

fn pause() {
    thread::sleep(Duration::from_millis(5));
}

/// The offset of a repeat of what was first sent then.
fn repeat(
    database: &Database,
    channel: &str,
    retention: Retention,
    id: &str,
    sent: Instant,
) -> Result<u64, EngineError> {
    // At least as old as that.
    let age = sent.elapsed() + Duration::from_millis(1);
    database.try_repeat(channel, retention, id, Some(id), age).map(|appended| appended.position.expect("a position").1)
}

/// A database in which channel `a` has an epoch, and a moment after that had begun.
fn begun() -> (Dir, Database, Instant) {
    let dir = Dir::new();
    let database = dir.open();
    database.epoch("a");
    pause();
    (dir, database, Instant::now())
}

fn restart(dir: &Dir, database: Database) -> Database {
    database.close();
    pause();
    dir.open()
}

#[test]
fn what_never_arrived_is_published_after_a_restart() {
    let (dir, database, _) = begun();
    // What a clock may gain unnoticed across a restart counts against the repeat.
    thread::sleep(Duration::from_millis(1_100));
    let sent = Instant::now();
    database.fill("a", keep(10), 3);
    let database = restart(&dir, database);
    assert_eq!(repeat(&database, "a", keep(10), "x", sent), Ok(4), "nothing has been given up");
    assert_eq!(repeat(&database, "never used", keep(10), "x", sent), Ok(1), "nor where nothing was published");
    let database = restart(&dir, database);
    assert_eq!(repeat(&database, "a", keep(10), "x", sent), Ok(4), "it is a duplicate now");
    assert_eq!(repeat(&database, "never used", keep(10), "y", sent), Ok(2), "the epoch is as old as it was");
}

#[test]
fn what_may_have_been_given_up_before_a_restart_is_unknown() {
    let (dir, database, sent) = begun();
    database.try_append("a", keep(2), "x", Some("x")).expect("stored");
    database.fill("a", keep(2), 2);
    let database = restart(&dir, database);
    assert_eq!(repeat(&database, "a", keep(2), "x", sent), Err(EngineError::UnknownOutcome));
    pause();
    let sent = Instant::now();
    assert_eq!(repeat(&database, "a", keep(2), "y", sent), Ok(4), "all since then is retained");
    assert_eq!(repeat(&database, "a", keep(2), "y", sent), Ok(4));
}

/// As if the clock had been set forward by an hour while no server ran.
#[test]
fn what_was_given_up_before_the_clock_gained_is_unknown() {
    let (dir, database, sent) = begun();
    database.try_append("a", keep(2), "x", Some("x")).expect("stored");
    database.fill("a", keep(2), 2);
    database.close();
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    let sql = "UPDATE publications SET stored_ms = stored_ms - 3600000;
               UPDATE channels SET newest_ms = newest_ms - 3600000, epoch_ms = MAX(epoch_ms - 3600000, 0);
               UPDATE meta SET value = zeroblob(8) WHERE name = 'epochs_ms';";
    connection.execute_batch(sql).expect("rows");
    drop(connection);
    let database = dir.open();
    assert_eq!(repeat(&database, "a", keep(2), "x", sent), Err(EngineError::UnknownOutcome));
}

/// The clock was ahead by a day, and is right at the next start.
#[test]
fn an_epoch_that_began_ahead_is_not_in_the_future() {
    for sql in [
        "UPDATE channels SET epoch_ms = epoch_ms + 86400000",
        "UPDATE meta SET value = unhex(printf('%016x', 86400000 + unixepoch() * 1000)) WHERE name = 'epochs_ms'",
    ] {
        let (dir, database, _) = begun();
        database.remove("a");
        database.close();
        rusqlite::Connection::open(dir.file()).expect("a database").execute_batch(sql).expect("a row");
        let database = dir.open();
        pause();
        for channel in ["a", "never used"] {
            pause();
            assert_eq!(repeat(&database, channel, keep(10), "x", Instant::now()), Ok(1), "{channel}, {sql}");
        }
    }
}

#[test]
fn what_may_have_expired_while_no_server_ran_is_unknown() {
    let (dir, database, sent) = begun();
    let short = Retention::new(10, Duration::from_millis(30));
    database.try_append("a", short, "x", Some("x")).expect("stored");
    database.close();
    thread::sleep(Duration::from_millis(35));
    let database = dir.open();
    assert_eq!(repeat(&database, "a", short, "x", sent), Err(EngineError::UnknownOutcome));
    assert_eq!(database.append("a", short, "2").1, 2);
}

#[test]
fn what_was_published_before_a_removal_is_unknown_after_a_restart() {
    let (dir, database, sent) = begun();
    database.try_append("a", keep(10), "x", Some("x")).expect("stored");
    database.remove("a");
    let database = restart(&dir, database);
    assert_eq!(repeat(&database, "a", keep(10), "x", sent), Err(EngineError::UnknownOutcome));
    pause();
    assert_eq!(repeat(&database, "a", keep(10), "x", Instant::now()), Ok(1), "sent after it");
}

#[test]
fn what_was_published_before_the_position_was_forgotten_is_unknown() {
    let dir = Dir::new();
    let database = dir.open();
    database.epoch("a");
    pause();
    let sent = Instant::now();
    database.append("a", Retention::new(10, Duration::from_millis(1)), "x");
    let stored = || inspect(dir.path(), |_| {}).expect("it can be read");
    until("it is deleted", || stored().publications == 0);
    database.close();
    // At the start idle channels are counted.
    let database = dir.open_with(|options| options.idle_channels_max = 0);
    until("it is forgotten", || stored().channels == 0);
    for channel in ["a", "never used"] {
        assert_eq!(repeat(&database, channel, keep(10), "x", sent), Err(EngineError::UnknownOutcome), "{channel}");
    }
}

#[test]
fn what_was_published_before_the_epochs_were_renewed_is_unknown() {
    let (dir, database, sent) = begun();
    database.try_append("a", keep(10), "x", Some("x")).expect("stored");
    database.close();
    renew_epochs(dir.path()).expect("it can be written");
    let database = dir.open();
    assert_eq!(repeat(&database, "a", keep(10), "x", sent), Ok(1), "it is still there");
    for channel in ["a", "never used"] {
        assert_eq!(repeat(&database, channel, keep(10), "y", sent), Err(EngineError::UnknownOutcome), "{channel}");
    }
}

/// A longer history makes publications visible again that were not deleted yet, and their ids with them.
#[test]
fn an_unknown_outcome_frees_no_id() {
    let (dir, database, sent) = begun();
    database.try_append("a", keep(10), "x", Some("x")).expect("stored");
    database.append("a", keep(10), "2");
    assert_eq!(repeat(&database, "a", keep(1), "x", sent), Err(EngineError::UnknownOutcome));
    let database = restart(&dir, database);
    assert_eq!(repeat(&database, "a", keep(10), "x", sent), Ok(1), "a duplicate");
}
