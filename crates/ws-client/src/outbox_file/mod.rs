//! An outbox in a file: what was published, and how far was read, survive the end of the process, however it ends.
//!
//! * **Where.** One file, readable by its owner alone. While a client has it, it has the system's lock on the file
//!   itself; a second client fails to start. When the process is gone, so is the lock; no lock file is left.
//! * **When.** What the client is told to be kept is in the file, so killing the process loses nothing. New entries, and
//!   when they were first sent, are synced to the disk before that, so neither does a loss of power. That an entry
//!   is over, and positions, are synced within a second: if power is lost before, an entry is repeated (the server
//!   knows its id), or a publication is delivered again.
//! * **After a crash.** A line that was being written is cut off. Damage from outside is skipped and counted
//!   ([`FileStore::damage`]), and the damaged file is kept with the suffix `.damaged`.
//! * **How large.** Lines that are out of date are removed by rewriting the file when it is four times as long as it
//!   has to be.
//!
//! From the bottom up: `medium.rs` is the file, `log.rs` its lines, `record.rs` what a line says, `image.rs` what all
//! of them say, `store.rs` changes both. A thread of its own does the work, because disks block.

mod checksum;
mod image;
mod log;
mod medium;
mod record;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::sync::oneshot;

use self::medium::LockedFile;
use self::record::{Change, Record};
use self::store::Durability;
use crate::entry::Entry;
use crate::position::Position;
use crate::store::{Batch, Store, StoreError};

/// A file shorter than this is not rewritten.
const REWRITE_BYTES_MIN: u64 = 256 * 1024;

/// What is not synced at once is synced after this.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// How long dropping the store waits for the file to be closed, so that the next client finds it free.
const CLOSE: Duration = Duration::from_millis(200);

type FileLog = store::Store<LockedFile>;
type Work = Box<dyn FnOnce(&mut FileLog) + Send>;

/// Why an outbox cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// Another client has it open, in this process or another one.
    #[error("the outbox {} is in use by another client", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened, locked or read, or is no outbox.
    #[error("cannot open the outbox {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The outbox in a file. Dropping it closes the file.
#[derive(Debug)]
pub(crate) struct FileStore {
    work: Option<Sender<Work>>,
    closed: Receiver<()>,
    url: String,
    damage: Option<String>,
}

impl FileStore {
    /// Opens or creates the file, takes its lock and reads it. Blocks for as long as the disk does.
    ///
    /// # Errors
    /// If it is in use; or what the system says.
    pub(crate) fn open(path: &Path) -> Result<Self, OutboxError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::WouldBlock => OutboxError::InUse { path: path.to_owned() },
            _ => OutboxError::Io { path: path.to_owned(), source },
        };
        let file = LockedFile::open(path).map_err(failed)?;
        let (log, damaged) = FileLog::open(file, REWRITE_BYTES_MIN).map_err(failed)?;
        let damage = match damaged {
            0 => None,
            _ => Some(keep_damaged(path, damaged).map_err(failed)?),
        };
        let (work, queue) = mpsc::channel();
        let (closing, closed) = mpsc::channel();
        let thread = std::thread::Builder::new().name("ws-client outbox".to_owned());
        let run = move || {
            run(log, &queue);
            drop(closing);
        };
        thread.spawn(run).map_err(failed)?;
        Ok(FileStore { work: Some(work), closed, url: String::new(), damage })
    }

    /// What was wrong with the file when it was opened: how many lines were skipped, and where the file was kept.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Has the thread do this. If the future is dropped, it is done nevertheless.
    fn call<'a, T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut FileLog) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let (done, answer) = oneshot::channel();
        let work: Work = Box::new(move |log| drop(done.send(work(log))));
        let is_sent = self.work.as_ref().is_some_and(|queue| queue.send(work).is_ok());
        Box::pin(async move {
            let gone = || StoreError("the thread of the outbox has ended".to_owned());
            let answer = if is_sent { answer.await } else { return Err(gone()) };
            answer.map_err(|_| gone())?.map_err(|error| StoreError(error.to_string()))
        })
    }
}

/// A copy for whoever wants to see what was lost. The oldest one is kept.
fn keep_damaged(path: &Path, damaged: usize) -> io::Result<String> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".damaged");
    let copy = path.with_file_name(name);
    if !copy.try_exists()? {
        std::fs::copy(path, &copy)?;
    }
    Ok(format!("{damaged} lines of the outbox were damaged and are skipped; see {}", copy.display()))
}

fn run(mut log: FileLog, queue: &Receiver<Work>) {
    loop {
        match queue.recv_timeout(SYNC_AFTER) {
            Ok(work) => work(&mut log),
            // If a sync fails, the log knows, and its next change begins with a new file.
            Err(RecvTimeoutError::Timeout) => drop(log.sync()),
            Err(RecvTimeoutError::Disconnected) => return drop(log.sync()),
        }
    }
}

impl Store for FileStore {
    fn open(&mut self, url: &str) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        url.clone_into(&mut self.url);
        let url = self.url.clone();
        self.call(move |log| Ok(log.image().entries(&url)))
    }

    fn write(&mut self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        let url = self.url.clone();
        self.call(move |log| {
            let durability = if batch.put.is_empty() { Durability::Soon } else { Durability::Synced };
            let records = records(log, &url, batch);
            log.change(records, durability)
        })
    }

    fn position(&mut self, user: Option<&str>, channel: &str) -> BoxFuture<'_, Result<Option<Position>, StoreError>> {
        let (url, user, channel) = (self.url.clone(), user.map(str::to_owned), channel.to_owned());
        self.call(move |log| Ok(log.image().position(&url, user.as_deref(), &channel).cloned()))
    }
}

fn records(log: &FileLog, url: &str, batch: Batch) -> Vec<Record> {
    let put = batch.put.into_iter().map(|entry| match log.image().entry(url, &entry.msg_id) {
        // The data is in the file already.
        Some(before) if *before == Entry { first_sent: before.first_sent, ..entry.clone() } => {
            Change::Sent { msg_id: entry.msg_id, first_sent: entry.first_sent }
        }
        _ => Change::Put(entry),
    });
    let remove = batch.remove.into_iter().map(Change::Remove);
    let positions = batch.positions.into_iter().map(Change::Position);
    put.chain(remove).chain(positions).map(|change| Record { url: url.to_owned(), change }).collect()
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.work = None;
        // Nothing is ever sent: what comes is the end of the thread.
        let _: Result<(), RecvTimeoutError> = self.closed.recv_timeout(CLOSE);
    }
}
