//! Connections to the database: every SQLite setting that matters is made here.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use uuid::Uuid;

use crate::age::Age;
use crate::directory::{DATABASE, Directory, OpenError};
use crate::limits::{BUSY_TIMEOUT, READER_CACHE_KIB, STATEMENTS_MAX, WAL_BYTES_KEPT, WRITER_CACHE_KIB};
use crate::options::Fsync;
use crate::{rows, session};

/// "wsdb": marks the file as ours, for us and for `file`.
const APPLICATION_ID: i64 = 0x7773_6462;

/// The migrations, in order. Each leads to the next schema; none is ever changed.
const MIGRATIONS: [Migration; 4] = [
    Migration { sql: include_str!("schema/1.sql"), then: mark_as_ours },
    Migration { sql: include_str!("schema/2.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("schema/3.sql"), then: date_epochs },
    Migration { sql: include_str!("schema/4.sql"), then: |_| Ok(()) },
];

/// One step to the next schema, in one transaction.
#[derive(Clone, Copy)]
struct Migration {
    sql: &'static str,
    /// What SQL cannot say.
    then: fn(&Connection) -> rusqlite::Result<()>,
}

fn mark_as_ours(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    rows::set_epochs(connection, Uuid::new_v4(), 0)
}

/// Nobody knows when the epochs began. As if now, no repeat can rely on what was published before.
fn date_epochs(connection: &Connection) -> rusqlite::Result<()> {
    rows::date_epochs(connection, Age::of(connection)?.now_ms())
}

/// Opens the database for writing; creates it, or migrates it to the newest schema. If it can be read but temporarily not
/// written, as on a full disk, the reason is returned too, and [`begin`] has to be tried again.
pub(crate) fn open(directory: &Directory, fsync: Fsync) -> Result<(Connection, Option<rusqlite::Error>), OpenError> {
    let file = directory.database();
    let is_new = !file.exists();
    let mut connection = prepare(&file)?;
    migrate(&mut connection, &file, &MIGRATIONS)?;
    check(&connection, &file)?;
    let trouble = match begin(&connection, fsync) {
        Ok(()) => None,
        Err(error) if !is_new && is_temporary(&connection, &error) => Some(error),
        Err(error) => return Err(unusable(&file, error)),
    };
    if is_new {
        directory.sync()?;
    }
    Ok((connection, trouble))
}

/// Starts a session of writing, which is noted before anything else is written.
pub(crate) fn begin(connection: &Connection, fsync: Fsync) -> rusqlite::Result<()> {
    rows::touch(connection)?;
    session::begin(connection, fsync)?;
    match fsync {
        Fsync::Commit => Ok(()),
        Fsync::Interval(_) => connection.pragma_update(None, "synchronous", "normal"),
    }
}

/// Whether the database may be read although it cannot be written now. Not if epochs would have to be renewed.
fn is_temporary(connection: &Connection, error: &rusqlite::Error) -> bool {
    let full = matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure));
    full && session::may_have_lost(connection).is_ok_and(|lost| !lost)
}

/// Gives every channel of a database that no server is using a new epoch. For a restored backup, so that no offset that
/// a client has seen stands for another publication.
///
/// # Errors
/// When there is no database, or it is in use or damaged.
pub fn renew_epochs(dir: &Path) -> Result<(), OpenError> {
    let file = dir.join(DATABASE);
    if !file.exists() {
        return Err(OpenError::Missing { dir: dir.to_owned() });
    }
    let directory = Directory::take(dir)?;
    let renew = |connection: &Connection| {
        rows::renew_epochs(connection, Age::of(connection)?.now_ms())?;
        // Then the file is complete without the others.
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
    };
    let (connection, trouble) = open(&directory, Fsync::Commit)?;
    trouble.map_or_else(|| renew(&connection), Err).map_err(|error| unusable(&file, error))
}

/// A read-only connection to an existing database.
pub(crate) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    rows::look(&connection)?;
    Ok(connection)
}

/// A connection for checkpoints.
pub(crate) fn open_keeper(file: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection, READER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    rows::look(&connection)?;
    Ok(connection)
}

/// Opens a database that another program may be using, to inspect it.
pub(crate) fn open_to_inspect(file: &Path) -> Result<Connection, OpenError> {
    let failed = |error| unusable(file, error);
    let connection = open_reader(file).map_err(failed)?;
    match schema(&connection).map_err(failed)? {
        Schema::Ours(version) if version > MIGRATIONS.len() as i64 => Err(newer(file, version, MIGRATIONS.len())),
        Schema::Ours(_) => Ok(connection),
        Schema::New | Schema::Foreign => Err(OpenError::Foreign { file: file.to_owned() }),
    }
}

fn prepare(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepare = || {
        let connection = Connection::open_with_flags(file, flags)?;
        configure(&connection, WRITER_CACHE_KIB)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "full")?;
        // The keeper checkpoints, so that a commit need not.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))?;
        Ok(connection)
    };
    prepare().map_err(|error| unusable(file, error))
}

fn configure(connection: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // The writer empties the log at the end. The files stay: on a full disk there may be no room for them at the next
    // start, and by then there may be files of somebody else in their place.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A negative number is one of KiB.
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(()))?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)
}

/// What a file contains.
enum Schema {
    New,
    Ours(i64),
    Foreign,
}

fn schema(connection: &Connection) -> rusqlite::Result<Schema> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, tables) {
        (APPLICATION_ID, _) => Schema::Ours(version),
        (0, 0) => Schema::New,
        _ => Schema::Foreign,
    })
}

/// Migrates the database to the newest schema, one step per transaction.
fn migrate(connection: &mut Connection, file: &Path, steps: &[Migration]) -> Result<(), OpenError> {
    let failed = |error| unusable(file, error);
    let version = match schema(connection).map_err(failed)? {
        Schema::New => 0,
        Schema::Ours(version) if version > steps.len() as i64 => return Err(newer(file, version, steps.len())),
        Schema::Ours(version) => version,
        Schema::Foreign => return Err(OpenError::Foreign { file: file.to_owned() }),
    };
    for (at, step) in steps.iter().enumerate().skip(version as usize) {
        let mut migrate = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(step.sql)?;
            (step.then)(&transaction)?;
            transaction.pragma_update(None, "user_version", at as i64 + 1)?;
            transaction.commit()
        };
        migrate().map_err(failed)?;
        if version > 0 {
            tracing::info!(schema = at + 1, "the database was migrated to a newer schema");
        }
    }
    Ok(())
}

/// Checks the small tables. The large one is checked in the background later.
fn check(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    for table in ["meta", "channels", "removed"] {
        let found = quick_check(connection, table).map_err(|error| unusable(file, error))?;
        if let Some(what) = found {
            return Err(OpenError::Damaged { file: file.to_owned(), what });
        }
    }
    Ok(())
}

/// The first thing that is wrong in a table.
fn quick_check(connection: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let said: String = connection.query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))?;
    Ok(Some(said).filter(|said| said != "ok"))
}

fn newer(file: &Path, found: i64, known: usize) -> OpenError {
    OpenError::Newer { file: file.to_owned(), found, known: known as i64 }
}

fn unusable(file: &Path, error: rusqlite::Error) -> OpenError {
    let file = file.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { file },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { file, what: error.to_string() },
        _ => OpenError::Database { file, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Migration; 6] = [
        MIGRATIONS[0],
        MIGRATIONS[1],
        MIGRATIONS[2],
        MIGRATIONS[3],
        sql("ALTER TABLE channels ADD COLUMN color TEXT"),
        sql("UPDATE channels SET color = 'red'"),
    ];

    const fn sql(sql: &'static str) -> Migration {
        Migration { sql, then: |_| Ok(()) }
    }

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number")
    }

    fn database() -> Connection {
        Connection::open_in_memory().expect("memory")
    }

    #[test]
    fn a_database_comes_to_the_newest_schema_step_by_step() {
        let (mut connection, file) = (database(), Path::new("x.db"));
        migrate(&mut connection, file, &STEPS[..3]).expect("a new one");
        rows::tests::channel(&connection, "a");
        migrate(&mut connection, file, &STEPS).expect("forward");
        let color: String = connection.query_row("SELECT color FROM channels", [], |row| row.get(0)).expect("a row");
        assert_eq!((version(&connection), color.as_str()), (6, "red"));
        migrate(&mut connection, file, &STEPS).expect("nothing to do");
        assert_eq!(version(&connection), 6);
    }

    #[test]
    fn times_that_were_ahead_become_those_of_now() {
        let (mut connection, file) = (database(), Path::new("x.db"));
        migrate(&mut connection, file, &MIGRATIONS[..1]).expect("a new one");
        for (name, stored_ms) in [("right", 1_700_000_000_000_u64), ("ahead", 9_000_000_000_000)] {
            let sql = "INSERT INTO channels (name, epoch, top, first, newest_ms, size, ttl_ms)
                       VALUES (?1, 1, 1, 1, ?2, 0, 0)";
            connection.execute(sql, rusqlite::params![name, stored_ms as i64]).expect("a row");
            let row = connection.last_insert_rowid();
            let sql = "INSERT INTO publications VALUES (?1, 1, ?2, NULL, 0, 0, x'')";
            connection.execute(sql, rusqlite::params![row, stored_ms as i64]).expect("a row");
        }
        migrate(&mut connection, file, &MIGRATIONS).expect("forward");
        let times = |sql| -> Vec<i64> {
            let mut statement = connection.prepare(sql).expect("SQL");
            statement.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("numbers")
        };
        let now_ms = ws_core::Clock::unix_ms() as i64;
        let is_now = |ms: i64| ms <= now_ms && ms > now_ms - 60_000;
        for sql in ["SELECT newest_ms FROM channels ORDER BY id", "SELECT stored_ms FROM publications ORDER BY channel"]
        {
            let times = times(sql);
            assert!(times[0] == 1_700_000_000_000 && is_now(times[1]), "{times:?}");
        }
        let begun = times("SELECT epoch_ms FROM channels");
        assert!(begun.iter().copied().all(is_now), "nobody knows when the epochs began: {begun:?}");
        let never = rows::load(&connection, "never").expect("it can be read");
        assert!(is_now(never.epoch_ms as i64), "{never:?}");
    }

    #[test]
    fn an_older_schema_can_be_exported_and_inspected() {
        for version in 1..MIGRATIONS.len() {
            let dir = tempfile::TempDir::new().expect("a directory");
            let file = dir.path().join(DATABASE);
            let mut connection = prepare(&file).expect("a database");
            migrate(&mut connection, &file, &MIGRATIONS[..version]).expect("a new one");
            // That is known since schema 3.
            let sql = "DELETE FROM meta WHERE name = 'epochs_ms';
                       INSERT INTO channels (name, epoch, top, first, newest_ms, size, ttl_ms)
                       VALUES ('a', 7, 1, 1, 5, 10, 0);
                       INSERT INTO publications VALUES (1, 1, 5, NULL, 0, 1, x'31');";
            connection.execute_batch(sql).expect("rows");
            let mut offsets = Vec::new();
            let each = |publication: &ws_core::engine::Publication| {
                offsets.push(publication.offset);
                true
            };
            let exported = crate::export(dir.path(), "a", 0, each).expect("it can be read").expect("it is there");
            assert_eq!((exported.top, exported.publications, offsets), (1, 1, vec![Some(1)]), "schema {version}");
            let inspected = crate::inspect(dir.path(), |_| {}).expect("it can be read");
            assert_eq!((inspected.channels, inspected.publications), (1, 1));
            assert_eq!(rows::load(&connection, "never").map(|state| state.epoch_ms), Ok(0));
            drop(connection);
            let directory = Directory::take(dir.path()).expect("nobody uses it");
            let (connection, _) = open(&directory, Fsync::Commit).expect("it can be migrated");
            assert_eq!(self::version(&connection), MIGRATIONS.len() as i64);
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_schema_before_it() {
        let (mut connection, file) = (database(), Path::new("x.db"));
        let steps = [STEPS[0], STEPS[1], sql("UPDATE channels SET name = 'red'; SELECT nonsense")];
        assert!(matches!(migrate(&mut connection, file, &steps), Err(OpenError::Database { .. })));
        assert_eq!(version(&connection), 2);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let (mut connection, file) = (database(), Path::new("x.db"));
        migrate(&mut connection, file, &STEPS).expect("a new one");
        let error = migrate(&mut connection, file, &STEPS[..1]).expect_err("it is newer");
        assert!(error.to_string().contains("schema 6, this one knows 1"), "{error}");
    }

    #[test]
    fn the_database_of_another_program_is_refused() {
        let (mut connection, file) = (database(), Path::new("x.db"));
        connection.execute_batch("CREATE TABLE songs (title TEXT)").expect("a table");
        assert!(matches!(migrate(&mut connection, file, &STEPS), Err(OpenError::Foreign { .. })));
    }
}
