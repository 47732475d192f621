//! A clock that was wrong: nothing is kept for ever, nothing is lost, and what is shown is right.

use std::time::Duration;

use rusqlite::Connection;
use ws_core::Clock;
use ws_core::engine::{Engine, Retention, time};
use ws_proto::publication::BODY_DATA_START;

use crate::fixture::{Database, Dir, until};

const HOUR: Retention = Retention::new(100, Duration::from_secs(3600));
const DAY_MS: u64 = 86_400_000;

/// What is stored of a publication of the digit `data`, accepted at this time.
fn body(data: u8, time_ms: u64) -> String {
    format!(r#""data":{data},"time":{time_ms}}}"#)
}

fn append(database: &Database, channel: &str, retention: Retention, data: u8, time_ms: u64) -> u64 {
    let range = BODY_DATA_START..BODY_DATA_START + 1;
    database.append_body(channel, retention, &body(data, time_ms), range).1
}

/// The times that the history of a channel shows.
fn shown(database: &Database, channel: &str, retention: Retention) -> Vec<u64> {
    let range = BODY_DATA_START..BODY_DATA_START + 1;
    let bodies = database.history(channel, retention, 0, 1000).publications;
    bodies.iter().filter_map(|publication| time::shown(&publication.body, &range)).collect()
}

/// Makes the database one of a server whose clock was so far ahead.
fn shift(dir: &Dir, ms: u64) {
    let connection = Connection::open(dir.file()).expect("a database");
    let sql = format!(
        "UPDATE publications SET stored_ms = stored_ms + {ms};
         UPDATE channels SET newest_ms = newest_ms + {ms}, due_ms = due_ms + {ms}, idle_ms = idle_ms + {ms};"
    );
    connection.execute_batch(&sql).expect("rows");
}

fn ahead_ms(dir: &Dir) -> Option<i64> {
    let connection = Connection::open(dir.file()).expect("a database");
    let found: Option<[u8; 8]> =
        connection.query_row("SELECT value FROM meta WHERE name = 'ahead_ms'", [], |row| row.get(0)).ok();
    found.map(i64::from_be_bytes)
}

#[test]
fn a_clock_that_was_ahead_at_the_last_run_is_noted() {
    let dir = Dir::new();
    let database = dir.open();
    let now_ms = Clock::unix_ms();
    append(&database, "a", HOUR, 1, now_ms + DAY_MS);
    database.close();
    shift(&dir, DAY_MS);
    let database = dir.open();
    assert_eq!(append(&database, "a", HOUR, 2, now_ms), 2, "the history goes on");
    assert_eq!(shown(&database, "a", HOUR), [now_ms, now_ms], "what was ahead is corrected");
    until("it is noted", || ahead_ms(&dir).is_some_and(|ms| ms.unsigned_abs().abs_diff(DAY_MS) < 60_000));
    let mut newest = 0;
    ws_engine_sqlite::inspect(dir.path(), |channel| newest = channel.newest_ms).expect("it can be read");
    assert!(newest.abs_diff(now_ms) < 60_000, "an operator sees times of the clock");
    database.close();
    let database = dir.open();
    assert_eq!(shown(&database, "a", HOUR).len(), 2, "nothing has expired");
    assert_eq!(append(&database, "a", HOUR, 3, now_ms + 5), 3);
    assert_eq!(shown(&database, "a", HOUR), [now_ms, now_ms, now_ms + 5]);
}

#[test]
fn what_was_stored_ahead_expires_in_its_time() {
    let (dir, short) = (Dir::new(), Retention::new(100, Duration::from_millis(300)));
    let database = dir.open();
    append(&database, "a", short, 1, 1);
    database.close();
    shift(&dir, 3650 * DAY_MS);
    let database = dir.open();
    append(&database, "a", short, 2, 2);
    until("both have expired", || database.history("a", short, 0, 10).publications.is_empty());
    assert_eq!(append(&database, "a", short, 3, 3), 3);
    assert_eq!(database.engine().health(), Ok(()));
}

#[test]
fn times_do_not_go_back_over_a_restart() {
    let dir = Dir::new();
    let database = dir.open();
    let now_ms = Clock::unix_ms();
    append(&database, "a", HOUR, 1, now_ms);
    database.close();
    let database = dir.open();
    append(&database, "a", HOUR, 2, now_ms - 3_600_000);
    assert_eq!(shown(&database, "a", HOUR), [now_ms, now_ms]);
}

#[test]
fn many_that_were_ahead_are_corrected_in_steps_and_no_time_goes_back() {
    const N: u64 = 5_000;
    let (dir, keep) = (Dir::new(), Retention::new(10_000, Duration::ZERO));
    let database = dir.open();
    let now_ms = Clock::unix_ms();
    append(&database, "a", keep, 1, now_ms + DAY_MS);
    database.close();
    let connection = Connection::open(dir.file()).expect("a database");
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {N} - 1)
         INSERT INTO publications SELECT channel, offset + n, stored_ms, NULL, data_start, data_bytes, body
         FROM publications, n;
         UPDATE channels SET top = {N};"
    );
    connection.execute_batch(&sql).expect("rows");
    drop(connection);
    let database = dir.open();
    let mut steps = 0;
    loop {
        steps += 1;
        append(&database, "a", keep, 1, now_ms + steps);
        let mut shown = Vec::new();
        while shown.len() < (N + steps) as usize {
            let page = database.history("a", keep, shown.len() as u64, 10_000).publications;
            let range = BODY_DATA_START..BODY_DATA_START + 1;
            shown.extend(page.iter().filter_map(|publication| time::shown(&publication.body, &range)));
        }
        assert!(shown.is_sorted(), "step {steps}");
        if shown.last() == Some(&(now_ms + steps)) {
            break;
        }
        assert_eq!(shown.last(), Some(&(now_ms + DAY_MS)));
    }
    assert_eq!(steps, 3, "2,000 and one in each");
}
