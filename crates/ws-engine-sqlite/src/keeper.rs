//! The keeper: moves the write-ahead log into the database while the writer writes on, forces it to the disk where
//! that is done at intervals, and looks whether the files are in their places and how large they are.

use std::fs::File;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use ws_core::LogLimit;

use crate::health::reason;
use crate::limits::{KEEPER_INTERVAL, LOGGED_FAILURES_PER_SECOND, WAL_PAGES};
use crate::options::Fsync;
use crate::shared::Shared;

/// A failure is retried at once, so its log lines are limited.
static FAILURES: LogLimit = LogLimit::new(LOGGED_FAILURES_PER_SECOND);

/// Runs until `ended` is closed.
pub(crate) fn run(shared: &Shared, connection: &Connection, ended: &Receiver<()>) {
    let interval = match shared.options.fsync {
        Fsync::Commit => KEEPER_INTERVAL,
        Fsync::Interval(interval) => interval.min(KEEPER_INTERVAL),
    };
    let (mut moved, mut synced) = (0, (shared.commits(), Instant::now()));
    while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        if let Fsync::Interval(interval) = shared.options.fsync {
            sync(shared, &mut synced, interval);
        }
        if shared.notice(shared.files.gone(), connection).is_ok() {
            checkpoint(shared, connection, &mut moved);
        }
        shared.measure();
    }
}

/// Checkpoints the write-ahead log, when it is long enough.
fn checkpoint(shared: &Shared, connection: &Connection, moved: &mut u64) {
    let pages = shared.wal_pages.load(std::sync::atomic::Ordering::Relaxed);
    if pages < *moved {
        // The log was reset.
        *moved = 0;
    }
    if pages >= *moved + WAL_PAGES {
        match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(2)) {
            Ok(done) => *moved = done.unsigned_abs(),
            Err(error) => {
                if let Some(left_out) = FAILURES.pass(Instant::now()) {
                    tracing::warn!(%error, left_out, "a checkpoint failed: {}", reason(&error));
                }
            }
        }
    }
}

/// Syncs committed publications to the disk, when it is time.
fn sync(shared: &Shared, synced: &mut (u64, Instant), interval: Duration) {
    let commits = shared.commits();
    if commits == synced.0 || synced.1.elapsed() < interval {
        return;
    }
    match File::open(shared.directory.wal()).and_then(|wal| wal.sync_data()) {
        Ok(()) => *synced = (commits, Instant::now()),
        Err(error) => {
            if let Some(left_out) = FAILURES.pass(Instant::now()) {
                tracing::error!(%error, left_out, "committed publications could not be synced to the disk");
            }
        }
    }
}
