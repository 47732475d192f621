//! What is stored, for an operator. A server may be using the database at the same time.

use std::path::Path;

use rusqlite::{Connection, Row};
use ws_core::engine::{Epoch, Retention};

use crate::database::open_to_inspect;
use crate::directory::{DATABASE, OpenError, bytes};
use crate::rows;

/// Totals over all channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Channels that have publications, or whose position is remembered.
    pub channels: u64,
    /// Stored publications, including those that wait to be deleted.
    pub publications: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Bytes that the database takes on the disk.
    pub disk_bytes: u64,
}

/// What is stored of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChannel {
    /// The channel's name.
    pub name: String,
    /// The stream's epoch.
    pub epoch: Epoch,
    /// Offset of the newest publication ever made; 0: none.
    pub top: u64,
    /// Stored publications.
    pub publications: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// When the newest one was stored, in milliseconds since 1970; 0: never. By the system's clock, if that has not been
    /// set since.
    pub newest_ms: u64,
    /// The channel's retention, as the server last knew it.
    pub retention: Retention,
}

/// Opens the database in a directory, if there is one.
pub(crate) fn open(dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(DATABASE);
    match file.try_exists() {
        Ok(true) => open_to_inspect(&file),
        Ok(false) => Err(OpenError::Missing { dir: dir.to_owned() }),
        Err(error) => Err(OpenError::Directory { dir: dir.to_owned(), error }),
    }
}

/// Calls `each` with every channel but those of the server itself, by name, and returns the totals.
///
/// # Errors
/// If there is no database, or it cannot be read.
pub fn inspect(dir: &Path, mut each: impl FnMut(&StoredChannel)) -> Result<Inspected, OpenError> {
    let connection = open(dir)?;
    let mut read = || {
        let mut statement = connection.prepare(
            "SELECT c.*, COALESCE(p.n, 0) AS n, COALESCE(p.bytes, 0) AS bytes FROM channels c
             LEFT JOIN (SELECT channel, COUNT(*) AS n, SUM(LENGTH(body)) AS bytes FROM publications GROUP BY channel) p
             ON p.channel = c.id WHERE c.name NOT GLOB '[*]*' ORDER BY c.name",
        )?;
        let mut found = statement.query([])?;
        let (mut inspected, ahead_ms) = (Inspected::default(), rows::ahead_ms(&connection)?);
        while let Some(row) = found.next()? {
            let channel = stored(row, ahead_ms)?;
            inspected.channels += 1;
            inspected.publications += channel.publications;
            inspected.bytes += channel.bytes;
            each(&channel);
        }
        Ok(inspected)
    };
    let inspected = read().map_err(|error| OpenError::Database { file: dir.join(DATABASE), error })?;
    Ok(Inspected { disk_bytes: bytes(dir), ..inspected })
}

fn stored(row: &Row<'_>, ahead_ms: i64) -> rusqlite::Result<StoredChannel> {
    Ok(StoredChannel {
        name: row.get("name")?,
        epoch: Epoch::from_u64(rows::unsigned(row, "epoch")?),
        top: rows::unsigned(row, "top")?,
        publications: rows::unsigned(row, "n")?,
        bytes: rows::unsigned(row, "bytes")?,
        newest_ms: rows::unsigned(row, "newest_ms")?.saturating_add_signed(ahead_ms.saturating_neg()),
        retention: rows::retention(row)?,
    })
}
