//! What the threads of the engine share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rusqlite::Connection;
use ws_core::engine::{EngineSink, EngineStats, StoreStats};
use ws_core::{Histogram, Supervisor};

use crate::age::Age;
use crate::directory::Directory;
use crate::files::{Files, Gone};
use crate::health::Health;
use crate::options::SqliteOptions;
use crate::queue::Queue;
use crate::streams::Streams;

/// Everything except the connections, which belong to one thread each.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: SqliteOptions,
    pub(crate) directory: Directory,
    pub(crate) queue: Queue,
    pub(crate) streams: Streams,
    pub(crate) health: Health,
    pub(crate) age: Age,
    pub(crate) files: Files,
    pub(crate) sink: OnceLock<Arc<dyn EngineSink>>,
    /// Pages in the write-ahead log.
    pub(crate) wal_pages: AtomicU64,
    /// Bytes that the database takes on the disk, as the keeper saw it last.
    stored_bytes: AtomicU64,
    /// Of the engine's threads.
    pub(crate) supervisor: Supervisor,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    commit_us: Histogram,
    committed: AtomicU64,
    failures: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: SqliteOptions, directory: Directory, age: Age) -> Self {
        Shared {
            queue: Queue::new(options.queue_bytes_max, options.batch_publications_max),
            files: Files::of(directory.path()),
            stored_bytes: AtomicU64::new(directory.bytes()),
            age,
            options,
            directory,
            streams: Streams::default(),
            health: Health::default(),
            sink: OnceLock::new(),
            wal_pages: AtomicU64::new(0),
            supervisor: Supervisor::default(),
            counts: Counts::default(),
        }
    }

    /// Calls `f` with the sink, if the engine has been started.
    pub(crate) fn tell(&self, f: impl FnOnce(&dyn EngineSink)) {
        if let Some(sink) = self.sink.get() {
            f(&**sink);
        }
    }

    /// Counts a committed batch of `publications`, begun at `since`.
    pub(crate) fn committed(&self, publications: usize, since: Instant) {
        let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counts.commit_us.record(us);
        self.counts.committed.fetch_add(publications as u64, Ordering::Relaxed);
    }

    /// Reacts to a file of the database that is gone.
    ///
    /// # Errors
    /// Why nothing may be acknowledged any more. The first to notice that only the write-ahead log is gone checkpoints
    /// it into the database, through `connection`.
    pub(crate) fn notice(&self, gone: Option<Gone>, connection: &Connection) -> Result<(), String> {
        self.health.gone()?;
        let Some(gone) = gone else { return Ok(()) };
        let (is_news, reason) = self.health.lost(gone.name);
        if is_news && gone.can_be_saved {
            match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(0)) {
                Ok(0) => tracing::info!("the write-ahead log was moved into the database"),
                Ok(_) => tracing::warn!("not all of the write-ahead log could be moved into the database"),
                Err(error) => {
                    tracing::warn!(%error, "the write-ahead log could not be moved into the database")
                }
            }
        }
        Err(reason)
    }

    /// Looks how much the database takes on the disk, so that whoever asks need not.
    pub(crate) fn measure(&self) {
        self.stored_bytes.store(self.directory.bytes(), Ordering::Relaxed);
    }

    /// A batch was not committed.
    pub(crate) fn failed(&self) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How many batches were committed.
    pub(crate) fn commits(&self) -> u64 {
        self.counts.commit_us.values().count()
    }

    pub(crate) fn stats(&self) -> EngineStats {
        let store = StoreStats {
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
            waiting_bytes: self.queue.bytes() as u64,
            committed: self.counts.committed.load(Ordering::Relaxed),
            commit_us: self.counts.commit_us.values(),
            failures: self.counts.failures.load(Ordering::Relaxed),
        };
        EngineStats { channels: self.streams.len() as u64, store: Some(store), ..EngineStats::default() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::database;
    use crate::options::Fsync;

    /// What the threads over a new database share, which keeps no idle channels, and the writer's connection.
    pub(crate) fn open(dir: &Path) -> (Shared, Connection) {
        let options = SqliteOptions {
            dir: dir.to_owned(),
            fsync: Fsync::Commit,
            batch_publications_max: 1000,
            queue_bytes_max: 1 << 20,
            idle_channels_max: 0,
        };
        let directory = Directory::take(dir).expect("a directory");
        let (connection, trouble) = database::open(&directory, Fsync::Commit).expect("a database");
        assert!(trouble.is_none());
        let age = Age::of(&connection).expect("the time");
        (Shared::new(options, directory, age), connection)
    }
}
