//! Finds out whether the database may have lost acknowledged publications: if commits are synced to the disk only now and
//! then, and the system went down before a sync.
//!
//! Offsets that clients have seen could then be given to other publications. So every channel begins a new epoch, and
//! clients are told; the publications that are there stay.

use rusqlite::Connection;

use crate::age::Age;
use crate::options::Fsync;
use crate::rows;

/// Linux's id of the current boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Checks how the previous session ended, and notes that one begins. Has to be synced to the disk.
pub(crate) fn begin(connection: &Connection, fsync: Fsync) -> rusqlite::Result<()> {
    if may_have_lost(connection)? {
        tracing::warn!(
            "the system went down before the last commits were synced to the disk: every channel begins a new epoch"
        );
        rows::renew_epochs(connection, Age::of(connection)?.now_ms())?;
    }
    rows::set_session(connection, matches!(fsync, Fsync::Interval(_)).then_some(&boot_id()[..]))
}

/// Whether the previous session may have lost something. Not if only the process crashed: then the boot id is
/// still the same.
pub(crate) fn may_have_lost(connection: &Connection) -> rusqlite::Result<bool> {
    let boot_id = boot_id();
    Ok(rows::session(connection)?.is_some_and(|before| before != boot_id || boot_id.is_empty()))
}

fn boot_id() -> Vec<u8> {
    std::fs::read(BOOT_ID).unwrap_or_default()
}

/// Everything is on the disk, or will be with this commit.
pub(crate) fn end(connection: &Connection) -> rusqlite::Result<()> {
    rows::set_session(connection, None)
}
