//! The SQL statements, as functions of a connection. The meaning of the tables is documented
//! in `schema`. Numbers in the tables are signed; offsets and epochs are not, and go through [`signed`].

use std::ops::Range;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, Row, named_params, params};
use uuid::Uuid;
use ws_core::engine::{Epoch, Expiry, Publication, Retention, time};

use crate::queue::Appending;
use crate::state::State;
pub(crate) use crate::state::{Span, ttl_ms};

/// A stored publication with a message id.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) offset: u64,
    pub(crate) stored_ms: u64,
    pub(crate) data: Vec<u8>,
}

/// A channel and its retention.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) name: Box<str>,
    pub(crate) retention: Retention,
}

pub(crate) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(crate) fn unsigned(row: &Row<'_>, column: &str) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// The state of a channel's stream, with its number in the tables. Without a row, its epoch is derived from
/// its name.
pub(crate) fn load(connection: &Connection, name: &str) -> Result<State> {
    let mut statement = connection.prepare_cached(
        "SELECT value AS epochs, (SELECT value FROM meta WHERE name = 'epochs_ms') AS epochs_ms, c.*
         FROM meta LEFT JOIN channels c ON c.name = :name WHERE meta.name = 'epochs'",
    )?;
    statement.query_row(named_params! {":name": name}, |row| {
        let Some(id) = row.get::<_, Option<i64>>("id")? else {
            let epochs_ms = row.get::<_, Option<[u8; 8]>>("epochs_ms")?.map_or(0, u64::from_be_bytes);
            return Ok(State::new(epoch_of(row.get("epochs")?, name), epochs_ms));
        };
        Ok(State {
            row: Some(id),
            epoch: Epoch::from_u64(unsigned(row, "epoch")?),
            epoch_ms: epoch_ms(row)?,
            top: unsigned(row, "top")?,
            first: unsigned(row, "first")?,
            stored: unsigned(row, "first")?,
            newest_ms: unsigned(row, "newest_ms")?,
            due_ms: row.get::<_, Option<i64>>("due_ms")?.map(i64::cast_unsigned),
            alive: None,
            shown_ms: None,
        })
    })
}

/// When a channel's epoch began; 0 before schema 3, which an operator may look at.
fn epoch_ms(row: &Row<'_>) -> Result<u64> {
    match unsigned(row, "epoch_ms") {
        Err(rusqlite::Error::InvalidColumnName(_)) => Ok(0),
        epoch_ms => epoch_ms,
    }
}

/// The epoch of a channel that nothing was ever stored of: the same after a restart, without a row. It is another one
/// when `epochs` is, which changes when positions are forgotten.
pub(crate) fn epoch_of(epochs: Uuid, name: &str) -> Epoch {
    Epoch::from_u64(Uuid::new_v5(&epochs, name.as_bytes()).as_u64_pair().1)
}

/// Changes the epochs of channels without a row. They begin now.
pub(crate) fn set_epochs(connection: &Connection, epochs: Uuid, now_ms: u64) -> Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('epochs', ?1), ('epochs_ms', ?2)")?;
    statement.execute(params![epochs, now_ms.to_be_bytes()]).map(drop)
}

/// Has every epoch begin now.
pub(crate) fn date_epochs(connection: &Connection, now_ms: u64) -> Result<()> {
    connection.execute("UPDATE channels SET epoch_ms = ?1", [signed(now_ms)])?;
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('epochs_ms', ?1)", [now_ms.to_be_bytes()]).map(drop)
}

/// Gives every channel a new epoch, which begins now. Publications stay.
pub(crate) fn renew_epochs(connection: &Connection, now_ms: u64) -> Result<()> {
    connection.execute("UPDATE channels SET epoch = random(), epoch_ms = ?1", [signed(now_ms)])?;
    set_epochs(connection, Uuid::new_v4(), now_ms)
}

/// The boot id of a session that did not end cleanly and did not sync every commit.
pub(crate) fn session(connection: &Connection) -> Result<Option<Vec<u8>>> {
    connection.query_row("SELECT value FROM meta WHERE name = 'session'", [], |row| row.get(0)).optional()
}

pub(crate) fn set_session(connection: &Connection, boot_id: Option<&[u8]>) -> Result<()> {
    match boot_id {
        Some(boot_id) => connection.execute("INSERT OR REPLACE INTO meta VALUES ('session', ?1)", [boot_id]),
        None => connection.execute("DELETE FROM meta WHERE name = 'session'", []),
    }
    .map(drop)
}

/// How far the times in the tables are ahead of the system's clock, as noted.
pub(crate) fn ahead_ms(connection: &Connection) -> Result<i64> {
    let sql = "SELECT value FROM meta WHERE name = 'ahead_ms'";
    let noted = connection.query_row(sql, [], |row| row.get::<_, [u8; 8]>(0)).optional()?;
    Ok(noted.map_or(0, i64::from_be_bytes))
}

pub(crate) fn set_ahead_ms(connection: &Connection, ahead_ms: i64) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO meta VALUES ('ahead_ms', ?1)";
    connection.prepare_cached(sql)?.execute([ahead_ms.to_be_bytes()]).map(drop)
}

/// The latest time in the tables: when the newest publication in any channel was stored, or an epoch began; 0: neither
/// ever happened.
pub(crate) fn newest_ms(connection: &Connection) -> Result<u64> {
    let sql = "SELECT value FROM meta WHERE name = 'epochs_ms'";
    let epochs_ms = connection.query_row(sql, [], |row| row.get(0)).optional()?.map_or(0, u64::from_be_bytes);
    // Before schema 3 nobody knows when epochs began.
    let has_epoch_ms = connection.prepare("SELECT epoch_ms FROM channels").is_ok();
    let latest = if has_epoch_ms { "MAX(newest_ms, epoch_ms)" } else { "newest_ms" };
    let sql = format!("SELECT COALESCE(MAX({latest}), 0) AS newest_ms FROM channels");
    Ok(connection.query_row(&sql, [], |row| unsigned(row, "newest_ms"))?.max(epochs_ms))
}

/// Reads something, so that the connection opens all its files now: later there may be other files in their place.
pub(crate) fn look(connection: &Connection) -> Result<()> {
    connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Writes something, to find out whether that is possible.
pub(crate) fn touch(connection: &Connection) -> Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('touched', randomblob(8))")?;
    statement.execute([]).map(drop)
}

/// Adds a channel and returns its number.
pub(crate) fn insert_channel(connection: &Connection, name: &str, state: &State) -> Result<i64> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO channels (name, epoch, epoch_ms, top, first, newest_ms, size, ttl_ms)
         VALUES (?1, ?2, ?3, 0, 1, 0, 0, 0)",
    )?;
    statement.insert(params![name, signed(state.epoch.as_u64()), signed(state.epoch_ms)])
}

/// Stores the state of a channel. `idle_ms`: since when nothing is stored in it.
pub(crate) fn update_channel(
    connection: &Connection,
    row: i64,
    state: &State,
    retention: Retention,
    idle_ms: Option<u64>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE channels SET top = :top, first = :first, newest_ms = :newest_ms, size = :size, ttl_ms = :ttl_ms,
         together = :together, due_ms = :due_ms, idle_ms = :idle_ms WHERE id = :id",
    )?;
    let changed = statement.execute(named_params! {
        ":id": row,
        ":top": signed(state.top),
        ":first": signed(state.stored),
        ":newest_ms": signed(state.newest_ms),
        ":size": i64::try_from(retention.size).unwrap_or(i64::MAX),
        ":ttl_ms": signed(ttl_ms(retention)),
        ":together": retention.expiry == Expiry::Together,
        ":due_ms": state.due_ms.map(signed),
        ":idle_ms": idle_ms.map(signed),
    });
    one(changed?)
}

/// Checks that a statement changed exactly one row. If it did not, memory and tables disagree, and the transaction must
/// not be committed.
fn one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// Adds publications. One statement for all of a transaction: looking it up again for each costs about a tenth of what
/// the insertion does.
pub(crate) struct Insert<'c>(CachedStatement<'c>);

impl<'c> Insert<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Result<Self> {
        connection.prepare_cached("INSERT INTO publications VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)").map(Insert)
    }

    pub(crate) fn run(
        &mut self,
        row: i64,
        publication: &Publication,
        stored_ms: u64,
        append: &Appending,
    ) -> Result<()> {
        let inserted = self.0.execute(params![
            row,
            publication.offset.map(signed),
            signed(stored_ms),
            append.msg_id.as_deref(),
            append.data.start as i64,
            append.data.len() as i64,
            &publication.body[..],
        ]);
        inserted.map(drop)
    }
}

/// The publication stored under a message id, even if it is no longer retained.
pub(crate) fn find(connection: &Connection, row: i64, msg_id: &str) -> Result<Option<Known>> {
    let mut statement = connection.prepare_cached(
        "SELECT offset, stored_ms, substr(body, data_start + 1, data_bytes) AS data FROM publications
         WHERE channel = ?1 AND msg_id = ?2",
    )?;
    let known = statement.query_row(params![row, msg_id], |row| {
        Ok(Known { offset: unsigned(row, "offset")?, stored_ms: unsigned(row, "stored_ms")?, data: row.get("data")? })
    });
    known.optional()
}

impl State {
    /// Whether a stored publication is still retained.
    pub(crate) fn retains(&self, known: &Known, retention: Retention, now_ms: u64) -> bool {
        known.offset >= self.lowest(retention) && !self.has_expired(known.stored_ms, retention, now_ms)
    }
}

/// Frees the id of a publication that is no longer retained.
pub(crate) fn forget_id(connection: &Connection, row: i64, offset: u64) -> Result<()> {
    let sql = "UPDATE publications SET msg_id = NULL WHERE channel = ?1 AND offset = ?2";
    one(connection.prepare_cached(sql)?.execute(params![row, signed(offset)])?)
}

/// The body of a publication, and where its data lies.
pub(crate) type Body = (Arc<[u8]>, Range<usize>);

pub(crate) fn body(connection: &Connection, row: i64, offset: u64) -> Result<Option<Body>> {
    let sql = "SELECT data_start, data_bytes, body FROM publications WHERE channel = ?1 AND offset = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let body = statement.query_row(params![row, signed(offset)], |row| {
        let (start, bytes) = (unsigned(row, "data_start")? as usize, unsigned(row, "data_bytes")? as usize);
        Ok((row.get_ref("body")?.as_blob()?.into(), start..start.saturating_add(bytes)))
    });
    body.optional()
}

/// The time shown in the publication at an offset; 0: there is no such publication, or it shows none.
pub(crate) fn shown_ms(connection: &Connection, row: i64, offset: u64) -> Result<u64> {
    let body = body(connection, row, offset)?;
    Ok(body.and_then(|(body, data)| time::shown(&body, &data)).unwrap_or_default())
}

/// Gives the publication at an offset another body.
pub(crate) fn update_body(connection: &Connection, row: i64, offset: u64, body: &[u8]) -> Result<()> {
    let sql = "UPDATE publications SET body = ?3 WHERE channel = ?1 AND offset = ?2";
    one(connection.prepare_cached(sql)?.execute(params![row, signed(offset), body])?)
}

/// When the publication at an offset was stored; `None`: there is none.
pub(crate) fn stored_ms(connection: &Connection, row: i64, offset: u64) -> Result<Option<u64>> {
    let sql = "SELECT stored_ms FROM publications WHERE channel = ?1 AND offset = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(params![row, signed(offset)], |row| unsigned(row, "stored_ms")).optional()
}

/// When the oldest `n` publications from an offset on were stored, in order.
pub(crate) fn oldest_ms(connection: &Connection, row: i64, from: u64, n: u64) -> Result<Vec<u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT stored_ms FROM publications WHERE channel = ?1 AND offset >= ?2 ORDER BY offset LIMIT ?3",
    )?;
    statement.query_map(params![row, signed(from), signed(n)], |row| unsigned(row, "stored_ms"))?.collect()
}

/// Publications in a span, at most `limit`, stopping when their bodies reach `bytes_max`.
pub(crate) fn page(
    connection: &Connection,
    row: i64,
    span: Span,
    reverse: bool,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<Publication>> {
    const UP: &str = "SELECT offset, body FROM publications WHERE channel = ?1 AND offset >= ?2 AND offset < ?3
                      ORDER BY offset LIMIT ?4";
    const DOWN: &str = "SELECT offset, body FROM publications WHERE channel = ?1 AND offset >= ?2 AND offset < ?3
                        ORDER BY offset DESC LIMIT ?4";
    let mut statement = connection.prepare_cached(if reverse { DOWN } else { UP })?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = statement.query(params![row, signed(span.from), signed(span.to), limit])?;
    let (mut publications, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        let body: Arc<[u8]> = row.get_ref("body")?.as_blob()?.into();
        bytes += body.len();
        publications.push(Publication { offset: Some(unsigned(row, "offset")?), body });
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(publications)
}

/// Deletes the publications in a span.
pub(crate) fn delete(connection: &Connection, row: i64, span: Span) -> Result<()> {
    let sql = "DELETE FROM publications WHERE channel = ?1 AND offset >= ?2 AND offset < ?3";
    connection.prepare_cached(sql)?.execute(params![row, signed(span.from), signed(span.to)]).map(drop)
}

/// Channels in which something is due to be deleted, the most urgent first.
pub(crate) fn due(connection: &Connection, now_ms: u64, limit: u64) -> Result<Vec<Due>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, size, ttl_ms, together FROM channels WHERE due_ms <= ?1 ORDER BY due_ms LIMIT ?2",
    )?;
    let due = |row: &Row<'_>| Ok(Due { name: row.get("name")?, retention: retention(row)? });
    statement.query_map(params![signed(now_ms), signed(limit)], due)?.collect()
}

/// Channels with numbers greater than `after`, and their last known retention.
pub(crate) fn channels(connection: &Connection, after: i64, limit: u64) -> Result<Vec<(i64, Due)>> {
    let mut statement = connection
        .prepare_cached("SELECT id, name, size, ttl_ms, together FROM channels WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let channel = |row: &Row<'_>| Ok((row.get("id")?, Due { name: row.get("name")?, retention: retention(row)? }));
    statement.query_map(params![after, signed(limit)], channel)?.collect()
}

/// Changes the retention of a channel, and makes it due for trimming.
pub(crate) fn set_retention(connection: &Connection, row: i64, retention: Retention, now_ms: u64) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE channels SET size = ?2, ttl_ms = ?3, together = ?5,
         due_ms = CASE WHEN first <= top THEN ?4 ELSE due_ms END WHERE id = ?1",
    )?;
    let size = i64::try_from(retention.size).unwrap_or(i64::MAX);
    let together = retention.expiry == Expiry::Together;
    one(statement.execute(params![row, size, signed(ttl_ms(retention)), signed(now_ms), together])?)
}

/// The retention of a row of `channels`.
pub(crate) fn retention(row: &Row<'_>) -> Result<Retention> {
    let size = usize::try_from(row.get::<_, i64>("size")?).unwrap_or_default();
    // A database that is only looked at may be of an earlier schema.
    let together = row.get("together").unwrap_or(false);
    let expiry = if together { Expiry::Together } else { Expiry::Each };
    Ok(Retention { size, ttl: std::time::Duration::from_millis(unsigned(row, "ttl_ms")?), expiry })
}

/// The last known retention of a channel; `None`: nothing is known of it.
pub(crate) fn stored_retention(connection: &Connection, name: &str) -> Result<Option<Retention>> {
    let mut statement = connection.prepare_cached("SELECT * FROM channels WHERE name = ?1")?;
    statement.query_row([name], retention).optional()
}

/// The stream with this number was removed; its publications are deleted later.
pub(crate) fn remove(connection: &Connection, row: i64) -> Result<()> {
    forget(connection, row)?;
    connection.prepare_cached("INSERT INTO removed VALUES (?1)")?.execute([row]).map(drop)
}

/// Deletes publications of a removed stream, at most `limit`. Returns whether there may be more to do.
pub(crate) fn purge(connection: &Connection, limit: u64) -> Result<bool> {
    let mut next = connection.prepare_cached("SELECT channel FROM removed LIMIT 1")?;
    let Some(row) = next.query_row([], |row| row.get::<_, i64>(0)).optional()? else { return Ok(false) };
    let mut statement = connection.prepare_cached(
        "DELETE FROM publications WHERE channel = ?1 AND offset IN
         (SELECT offset FROM publications WHERE channel = ?1 ORDER BY offset LIMIT ?2)",
    )?;
    let deleted = statement.execute(params![row, signed(limit)])? as u64;
    if deleted < limit {
        connection.prepare_cached("DELETE FROM removed WHERE channel = ?1")?.execute([row])?;
    }
    Ok(true)
}

/// How many channels have no publications.
pub(crate) fn count_idle(connection: &Connection) -> Result<u64> {
    let mut statement = connection.prepare_cached("SELECT COUNT(*) AS n FROM channels WHERE idle_ms IS NOT NULL")?;
    statement.query_row([], |row| unsigned(row, "n"))
}

/// The channels that have been without publications for longest: their numbers and names.
pub(crate) fn idle(connection: &Connection, limit: u64) -> Result<Vec<(i64, Box<str>)>> {
    let mut statement = connection
        .prepare_cached("SELECT id, name FROM channels WHERE idle_ms IS NOT NULL ORDER BY idle_ms LIMIT ?1")?;
    statement.query_map([signed(limit)], |row| Ok((row.get("id")?, row.get("name")?)))?.collect()
}

/// Marks a channel without publications as idle from now on, because it has just become so or is in use: others are
/// forgotten before it.
pub(crate) fn stay_idle(connection: &Connection, row: i64, now_ms: u64) -> Result<()> {
    let sql = "UPDATE channels SET idle_ms = ?2 WHERE id = ?1";
    one(connection.prepare_cached(sql)?.execute(params![row, signed(now_ms)])?)
}

/// Forgets the position of a channel without publications.
pub(crate) fn forget(connection: &Connection, row: i64) -> Result<()> {
    one(connection.prepare_cached("DELETE FROM channels WHERE id = ?1")?.execute([row])?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Adds a channel.
    pub(crate) fn channel(connection: &Connection, name: &str) -> i64 {
        insert_channel(connection, name, &State::new(Epoch::random(), 0)).expect("it can be added")
    }

    #[test]
    fn a_row_that_is_not_there_is_an_error() {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(include_str!("schema/1.sql")).expect("a schema");
        connection.execute_batch(include_str!("schema/3.sql")).expect("a schema");
        connection.execute_batch(include_str!("schema/4.sql")).expect("a schema");
        let (row, state) = (channel(&connection, "a"), State::new(Epoch::random(), 0));
        let retention = Retention::new(1, std::time::Duration::ZERO);
        let store = |row| update_channel(&connection, row, &state, retention, None);
        assert_eq!(store(row), Ok(()));
        assert_eq!(store(row + 1), Err(rusqlite::Error::StatementChangedRows(0)));
        assert!(forget(&connection, row).is_ok() && forget(&connection, row).is_err());
        assert!(stay_idle(&connection, row, 1).is_err() && set_retention(&connection, row, retention, 1).is_err());
    }

    #[test]
    fn an_epoch_without_a_row_follows_from_the_name() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(epoch_of(one, "a"), epoch_of(one, "a"));
        assert_ne!(epoch_of(one, "a"), epoch_of(one, "b"));
        assert_ne!(epoch_of(one, "a"), epoch_of(other, "a"));
    }
}
