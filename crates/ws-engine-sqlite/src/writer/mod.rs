//! The writer: one thread, the only one that changes the database. It takes everything that has arrived, stores it in
//! one transaction, and only then tells the sink and the publishers, in the order of the commit.
//!
//! Between batches, and when there is nothing to store, it does maintenance in small steps.

mod batch;
mod maintenance;
mod retention;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::{Connection, TransactionBehavior};
use ws_core::engine::EngineError;

use self::batch::Batch;
use self::maintenance::Maintenance;
use crate::limits::{MAINTENANCE_STEP, WAL_PAGES, WAL_PAGES_MAX};
use crate::queue::{Command, Taken};
use crate::shared::Shared;
use crate::{database, rows, session};

/// The writer's state.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    connection: Connection,
    maintenance: Maintenance,
    /// The database could not be written at startup, so the start of the session still has to be noted.
    is_to_begin: bool,
    /// Pages in the write-ahead log at which the writer checkpoints it.
    wal_pages_max: u64,
}

impl Writer {
    /// `trouble`: why nothing can be stored for now.
    pub(crate) fn new(
        shared: Arc<Shared>,
        mut connection: Connection,
        trouble: Option<rusqlite::Error>,
    ) -> rusqlite::Result<Self> {
        let counted = shared.clone();
        connection.wal_hook(Some(move |_: &mut _, pages: i32| {
            counted.wal_pages.store(pages.unsigned_abs().into(), Ordering::Relaxed);
            Ok(())
        }))?;
        trouble.iter().for_each(|error| drop(shared.health.write_failed(error)));
        let (maintenance, is_to_begin) = (Maintenance::default(), trouble.is_some());
        Ok(Writer { shared, connection, maintenance, is_to_begin, wal_pages_max: WAL_PAGES_MAX })
    }

    /// Stores what arrives until the queue is closed, and then empties the write-ahead log.
    pub(crate) fn run(&mut self) {
        loop {
            match self.shared.queue.take(self.maintenance.pause()) {
                Taken::Closed => break,
                Taken::Nothing => {}
                Taken::Batch { commands, freed } => {
                    if freed {
                        self.shared.tell(|sink| sink.has_room());
                    }
                    self.store(commands);
                }
            }
            self.bound_log();
            if self.maintenance.is_due() {
                self.look_after();
            }
        }
        self.end();
    }

    fn end(&self) {
        // The files in the place of ours belong to somebody else.
        if self.shared.files.gone().is_some_and(|gone| !gone.can_be_saved) {
            return;
        }
        let ended = if self.shared.health.gone().is_ok() { session::end(&self.connection) } else { Ok(()) };
        if let Err(error) = ended.and_then(|()| self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")) {
            tracing::warn!(%error, "the write-ahead log could not be emptied; the next start does it");
        }
    }

    /// Stores a batch and answers it.
    fn store(&mut self, commands: Vec<Command>) {
        let since = Instant::now();
        match self.commit(&commands) {
            Ok(batch) => {
                self.shared.health.written();
                self.shared.committed(batch.stored(), since);
                batch.publish(&self.shared, commands);
            }
            Err(reason) => {
                self.shared.failed();
                let error = EngineError::Unavailable(reason);
                commands.into_iter().for_each(|command| command.refuse(error.clone()));
            }
        }
    }

    /// Stores a batch, and checks that the files are still in place afterwards: otherwise it is not acknowledged.
    fn commit(&mut self, commands: &[Command]) -> Result<Batch, String> {
        let shared = self.shared.clone();
        shared.health.gone()?;
        let stored = self.begin().and_then(|()| commit(&mut self.connection, &shared, commands));
        let batch = stored.map_err(|error| {
            commands.iter().for_each(|command| shared.streams.unlearn(command.channel(), &self.connection));
            shared.health.write_failed(&error)
        })?;
        shared.notice(shared.files.lost(), &self.connection)?;
        Ok(batch)
    }

    /// Notes the start of the session, if that was not possible before.
    fn begin(&mut self) -> rusqlite::Result<()> {
        if self.is_to_begin {
            database::begin(&self.connection, self.shared.options.fsync)?;
            self.is_to_begin = false;
        }
        Ok(())
    }

    /// A step of maintenance; while nothing can be stored, a retry.
    fn look_after(&mut self) {
        if self.shared.health.gone().is_err() {
            return self.maintenance.rest();
        }
        let failing = self.shared.health.is_failing();
        let stepped = match failing {
            true => self.begin().and_then(|()| rows::touch(&self.connection)),
            false => self.maintenance.step(&mut self.connection, &self.shared, Instant::now() + MAINTENANCE_STEP),
        };
        match stepped {
            Ok(()) if failing => self.shared.health.written(),
            Ok(()) => {}
            Err(error) => {
                self.maintenance.rest();
                self.shared.health.write_failed(&error);
            }
        }
    }

    /// The write-ahead log is reset only when all of it is in the database at a moment when nobody
    /// writes. The keeper does most of the work; the rest is done here before the log becomes too long.
    fn bound_log(&mut self) {
        let pages = self.shared.wal_pages.load(Ordering::Relaxed);
        if pages < WAL_PAGES_MAX {
            self.wal_pages_max = WAL_PAGES_MAX;
        }
        if pages >= self.wal_pages_max && self.shared.health.gone().is_ok() {
            // While somebody reads an old snapshot it does not help: not again at once.
            self.wal_pages_max = pages + WAL_PAGES;
            if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)") {
                self.shared.health.write_failed(&error);
            }
        }
    }
}

/// One transaction. When it fails, nothing of it is stored.
fn commit(connection: &mut Connection, shared: &Shared, commands: &[Command]) -> rusqlite::Result<Batch> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let batch = Batch::store(&transaction, shared, commands)?;
    transaction.commit()?;
    Ok(batch)
}
