//! Looks through the publications for damage, once after the start: reads all of them, and their ids, in the order of
//! their keys. In chunks, each of which is a read of its own: a long one would keep the write-ahead log from beginning
//! again, and let it grow. What cannot be read for the moment is tried again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rusqlite::{Connection, Result, Row, params};

use crate::health::{is_damage, reason};
use crate::limits::{CHECK_BYTES, CHECK_PAUSE, CHECK_ROWS};
use crate::shared::Shared;

const PUBLICATIONS: &str = "SELECT channel, offset, stored_ms, data_start, data_bytes, body FROM publications
    WHERE (channel, offset) > (?1, ?2) ORDER BY channel, offset LIMIT ?3";

const IDS: &str = "SELECT channel, msg_id FROM publications INDEXED BY publications_msg_id
    WHERE msg_id IS NOT NULL AND (channel, msg_id) > (?1, ?2) ORDER BY channel, msg_id LIMIT ?3";

/// How far the check has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Search {
    Publications { channel: i64, offset: i64 },
    Ids { channel: i64, id: String },
    Over,
}

/// Looks until all is seen, or `ended`: who says so unparks the thread, which may pause.
pub(crate) fn run(shared: &Shared, connection: &Connection, ended: &AtomicBool) {
    let mut search = Search::new();
    while search != Search::Over && !ended.load(Ordering::Relaxed) {
        match search.step(connection) {
            Ok(next) => search = next,
            Err(error) if is_found(&error) => return shared.health.damaged(reason(&error)),
            Err(error) => {
                // As often as the pause lets it.
                tracing::warn!(%error, "the search for damage goes on later: {}", reason(&error));
                thread::park_timeout(CHECK_PAUSE);
            }
        }
    }
    tracing::debug!("the database has been checked for damage");
}

/// Whether an error is what was searched for. One that is not SQLite's own is about a value that was never stored so.
fn is_found(error: &rusqlite::Error) -> bool {
    is_damage(error) || error.sqlite_error_code().is_none()
}

impl Search {
    pub(crate) fn new() -> Self {
        Search::Publications { channel: i64::MIN, offset: i64::MIN }
    }

    /// Looks at the next chunk.
    pub(crate) fn step(&self, connection: &Connection) -> Result<Self> {
        match self {
            Search::Publications { channel, offset } => publications(connection, (*channel, *offset)),
            Search::Ids { channel, id } => ids(connection, (*channel, id.clone())),
            Search::Over => Ok(Search::Over),
        }
    }
}

fn publications(connection: &Connection, mut last: (i64, i64)) -> Result<Search> {
    let mut statement = connection.prepare_cached(PUBLICATIONS)?;
    let mut rows = statement.query(params![last.0, last.1, CHECK_ROWS])?;
    let (mut n, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        let key = (row.get("channel")?, row.get("offset")?);
        in_order(last < key)?;
        (n, bytes, last) = (n + 1, bytes + look(row)?, key);
        if bytes >= CHECK_BYTES {
            break;
        }
    }
    Ok(match n {
        0 => Search::Ids { channel: i64::MIN, id: String::new() },
        _ => Search::Publications { channel: last.0, offset: last.1 },
    })
}

/// A publication is intact if it can be read whole, and its data lies within its body. Returns its length.
fn look(row: &Row<'_>) -> Result<usize> {
    let (start, len): (i64, i64) = (row.get("data_start")?, row.get("data_bytes")?);
    let body = row.get_ref("body")?.as_blob()?;
    row.get::<_, i64>("stored_ms")?;
    let end = start.checked_add(len).and_then(|end| usize::try_from(end).ok());
    in_order(start >= 0 && len >= 0 && end.is_some_and(|end| end <= body.len()))?;
    Ok(body.len())
}

fn ids(connection: &Connection, mut last: (i64, String)) -> Result<Search> {
    let mut statement = connection.prepare_cached(IDS)?;
    let mut rows = statement.query(params![last.0, last.1, CHECK_ROWS])?;
    let mut n = 0;
    while let Some(row) = rows.next()? {
        let key: (i64, String) = (row.get("channel")?, row.get("msg_id")?);
        in_order(last < key)?;
        (n, last) = (n + 1, key);
    }
    Ok(if n == 0 { Search::Over } else { Search::Ids { channel: last.0, id: last.1 } })
}

fn in_order(is_so: bool) -> Result<()> {
    if is_so {
        Ok(())
    } else {
        Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{database, shared};

    const N: i64 = 3_000;

    /// What the engine shares over a database with publications under ids, the writer's connection, and one that reads.
    fn open(dir: &std::path::Path) -> (Shared, Connection, Connection) {
        let (shared, writer) = shared::tests::open(dir);
        let transaction = writer.unchecked_transaction().expect("a transaction");
        for n in 0..N {
            let sql = "INSERT INTO publications VALUES (?1, ?2, 1, 'id' || ?2, 0, 1, x'31')";
            writer.execute(sql, [n % 2, n]).expect("a row");
        }
        transaction.commit().expect("stored");
        let reader = database::open_reader(&shared.directory.database()).expect("a reader");
        (shared, writer, reader)
    }

    fn search(reader: &Connection, mut each: impl FnMut()) -> Result<()> {
        let mut search = Search::new();
        while search != Search::Over {
            search = search.step(reader)?;
            each();
        }
        Ok(())
    }

    #[test]
    fn it_lets_the_log_begin_again_between_its_steps() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let (_shared, writer, reader) = open(dir.path());
        let mut steps = 0;
        search(&reader, || {
            writer.execute("INSERT OR REPLACE INTO meta VALUES ('touched', x'00')", []).expect("a row");
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let busy: i64 = writer.query_row(sql, [], |row| row.get(0)).expect("a checkpoint");
            assert_eq!(busy, 0, "nobody holds an old snapshot");
            steps += 1;
        })
        .expect("all is in order");
        assert!(steps as i64 >= 2 * N / i64::from(CHECK_ROWS), "{steps} steps");
    }

    #[test]
    fn data_that_does_not_lie_in_its_body_is_damage() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let (_shared, writer, reader) = open(dir.path());
        writer.execute("UPDATE publications SET data_bytes = 2 WHERE offset = 2500", []).expect("a row");
        let error = search(&reader, || {}).expect_err("it is found");
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseCorrupt));
    }

    /// Runs the search, whose reading fails at first, and again after the first pause, which is cut short.
    fn run_failing_at_first(shared: &Shared, mut reader: Connection) {
        let (failed, failures) = std::sync::mpsc::channel();
        let mut left = 2;
        let fails = move || {
            let fails = left > 0;
            left -= i32::from(fails);
            fails && failed.send(()).is_ok()
        };
        reader.progress_handler(1, Some(fails)).expect("a handler");
        thread::scope(|scope| {
            let search = scope.spawn(move || run(shared, &reader, &AtomicBool::new(false)));
            assert_eq!(failures.iter().map(|()| search.thread().unpark()).count(), 2);
            search.join().expect("it ends");
        });
    }

    #[test]
    fn what_cannot_be_read_for_the_moment_is_no_damage_and_is_read_later() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let (shared, writer, reader) = open(dir.path());
        run_failing_at_first(&shared, reader);
        assert_eq!(shared.health.check(), Ok(()));
        writer.execute("UPDATE publications SET data_bytes = 2 WHERE offset = 2500", []).expect("a row");
        let reader = database::open_reader(&shared.directory.database()).expect("a reader");
        run_failing_at_first(&shared, reader);
        assert!(shared.health.check().expect_err("it is found").contains("damaged"));
    }

    #[test]
    fn what_is_damage() {
        let failure = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        use rusqlite::ffi::{SQLITE_BUSY, SQLITE_CORRUPT, SQLITE_IOERR, SQLITE_NOMEM, SQLITE_NOTADB};
        assert!([SQLITE_CORRUPT, SQLITE_NOTADB].iter().all(|code| is_found(&failure(*code))));
        assert!(![SQLITE_BUSY, SQLITE_IOERR, SQLITE_NOMEM].iter().any(|code| is_found(&failure(*code))));
        let other_type = rusqlite::Error::InvalidColumnType(0, "body".to_owned(), rusqlite::types::Type::Text);
        assert!(is_found(&other_type), "a value that was never stored so");
    }
}
