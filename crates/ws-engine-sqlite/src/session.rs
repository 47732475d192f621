//! Whether the database may have lost what it had acknowledged: where commits are forced to the disk only now and
//! then, and the system went down before they were.
//!
//! Offsets that clients have seen could then be given to other publications. So every channel begins a new epoch, and
//! everybody is told; what is stored stays.

use rusqlite::Connection;

use crate::options::Fsync;
use crate::rows;

/// Where Linux says which start of the system this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Looks at how the session before this one ended, and notes that one begins. To be forced to the disk.
pub(crate) fn begin(connection: &Connection, fsync: Fsync) -> rusqlite::Result<()> {
    if may_have_lost(connection)? {
        tracing::warn!("the system went down before all was forced to the disk: every channel begins a new epoch");
        rows::renew_epochs(connection)?;
    }
    rows::set_session(connection, matches!(fsync, Fsync::Interval(_)).then_some(&boot_id()[..]))
}

/// Whether the session before this one may have lost something. Not if the process alone has crashed: then the system
/// is still the same.
pub(crate) fn may_have_lost(connection: &Connection) -> rusqlite::Result<bool> {
    let boot_id = boot_id();
    Ok(rows::session(connection)?.is_some_and(|before| before != boot_id || boot_id.is_empty()))
}

fn boot_id() -> Vec<u8> {
    std::fs::read(BOOT_ID).unwrap_or_default()
}

/// Everything is on the disk, or is on its way with this.
pub(crate) fn end(connection: &Connection) -> rusqlite::Result<()> {
    rows::set_session(connection, None)
}
