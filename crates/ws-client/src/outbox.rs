//! Where publications wait for the connection.

use std::path::PathBuf;
use std::time::Duration;

use crate::outbox_file::{FileStore, OutboxError};
use crate::store::Store;

/// Where publications wait until the server has acknowledged them, and what may wait.
///
/// ```
/// use std::time::Duration;
/// use ws_client::Outbox;
///
/// let small = Outbox::memory().entries(10).max_age(Duration::from_secs(60));
/// let durable = Outbox::file("outbox.log");
/// ```
#[derive(Debug)]
pub struct Outbox {
    pub(crate) place: Place,
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) max_age: Duration,
}

pub(crate) enum Place {
    Memory,
    File(PathBuf),
    Store(Box<dyn Store>),
}

/// The store, if there is one, and what was wrong with its file.
pub(crate) type Opened = (Option<Box<dyn Store>>, Option<String>);

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Memory => f.write_str("Memory"),
            Place::File(path) => f.debug_tuple("File").field(path).finish(),
            Place::Store(_) => f.write_str("Store"),
        }
    }
}

impl Outbox {
    fn new(place: Place) -> Self {
        Outbox { place, entries: 1_000, bytes: 4 * 1024 * 1024, max_age: Duration::from_secs(24 * 60 * 60) }
    }

    /// In memory: what is not acknowledged is gone with the process.
    pub fn memory() -> Self {
        Outbox::new(Place::Memory)
    }

    /// In a file, which is created if it is not there. It survives the end of the process, however it ends: the next
    /// client with this file and URL goes on. One client at a time: it has the system's lock on the file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Outbox::new(Place::File(path.into()))
    }

    /// In a store of your own.
    pub fn store(store: impl Store) -> Self {
        Outbox::new(Place::Store(Box::new(store)))
    }

    /// So many publications at most: 1,000 unless said otherwise.
    #[must_use]
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// So many bytes of data and tags at most: 4 MiB unless said otherwise.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a publication is worth sending: 24 hours unless said otherwise.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox::memory()
    }
}

impl Place {
    /// Opens the file, if it is one; and what was wrong with it.
    pub(crate) fn open(self) -> Result<Opened, OutboxError> {
        match self {
            Place::Memory => Ok((None, None)),
            Place::File(path) => {
                let file = FileStore::open(&path)?;
                let damage = file.damage().map(str::to_owned);
                Ok((Some(Box::new(file)), damage))
            }
            Place::Store(store) => Ok((Some(store), None)),
        }
    }
}
