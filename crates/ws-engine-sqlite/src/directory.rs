//! The directory of a database: created if it is missing, and used by one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::health::reason;

/// Name of the database's file in its directory. SQLite keeps two more files beside it, `-wal` and `-shm`.
pub const DATABASE: &str = "ws.db";

/// SQLite's write-ahead log beside it.
pub(crate) const WAL: &str = "ws.db-wal";

/// The index of the write-ahead log, shared by all who use the database.
pub(crate) const INDEX: &str = "ws.db-shm";

/// Name of the file whose lock says that the directory is in use.
pub(crate) const LOCK: &str = "lock";

/// Why a database cannot be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created, read or written.
    #[error("the data directory {} cannot be used: {error}", .dir.display())]
    Directory {
        /// Which one.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process has it.
    #[error(
        "the data directory {} is in use by another server{}; each server needs its own",
        .dir.display(), .process.as_ref().map(|process| format!(" (process {process})")).unwrap_or_default()
    )]
    InUse {
        /// Which one.
        dir: PathBuf,
        /// The process that uses it, if known.
        process: Option<String>,
    },
    /// There is no database in it.
    #[error("there is no database in {}", .dir.display())]
    Missing {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The file is not one of our databases.
    #[error("{} is not a database of ws-server; choose another directory", .file.display())]
    Foreign {
        /// Which file.
        file: PathBuf,
    },
    /// A newer server has written it.
    #[error(
        "{} was written by a newer server (schema {found}, this one knows {known}); use that server, or restore a backup",
        .file.display()
    )]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// The database is damaged.
    #[error("{} is damaged ({what}); restore a backup, or move the directory away to start with an empty one", .file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// SQLite cannot open, read or write it.
    #[error("{} cannot be opened: {} ({error})", .file.display(), reason(.error))]
    Database {
        /// Which file.
        file: PathBuf,
        /// What SQLite says.
        error: rusqlite::Error,
    },
    /// A thread cannot be started.
    #[error("the threads of the engine cannot be started: {0}")]
    Threads(io::Error),
}

/// A directory that is ours until this value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The lock is released when it is dropped.
    _lock: File,
}

impl Directory {
    /// Creates the directory if needed, and locks it.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Directory { dir: path.to_owned(), error };
        fs::create_dir_all(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let lock = options.read(true).write(true).create(true).truncate(false).open(path.join(LOCK));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { dir: path.to_owned(), process: holder(&lock) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        match write_pid(&lock) {
            // The process id is only for the error message of others.
            Err(error) if is_full(&error) => {}
            written => written.map_err(failed)?,
        }
        Ok(Directory { path: path.to_owned(), _lock: lock })
    }

    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The write-ahead log's file.
    pub(crate) fn wal(&self) -> PathBuf {
        self.path.join(WAL)
    }

    /// Makes sure that the directory's entries survive a power failure.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        let synced = File::open(&self.path).and_then(|dir| dir.sync_all());
        synced.map_err(|error| OpenError::Directory { dir: self.path.clone(), error })
    }

    /// Bytes that the database takes on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        bytes(&self.path)
    }
}

/// Bytes that the database in a directory takes on the disk, with its write-ahead log.
pub(crate) fn bytes(dir: &Path) -> u64 {
    let bytes = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    bytes(dir.join(DATABASE)) + bytes(dir.join(WAL))
}

/// The process that holds the lock, for the error message of the one that does not get it.
fn holder(mut lock: &File) -> Option<String> {
    let mut process = String::new();
    lock.read_to_string(&mut process).ok()?;
    Some(process.trim().to_owned()).filter(|process| !process.is_empty())
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

fn write_pid(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}
