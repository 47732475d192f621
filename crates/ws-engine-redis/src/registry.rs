//! The channels that this server follows, and the lists of those with which something is to be done.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::channel::Channel;

/// The channels of a partition, by name.
type Channels = HashMap<Box<str>, Arc<Channel>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) partitions: Box<[Mutex<Channels>]>,
    pub(crate) channels: AtomicUsize,
    pub(crate) to_follow: Mutex<ToFollow>,
    /// Channels whose positions have to be asked for again, and those in which somebody waits, or that nobody needs.
    pub(crate) to_ask: Mutex<Vec<Arc<Channel>>>,
    pub(crate) waiting: Mutex<Vec<Arc<Channel>>>,
    pub(crate) leaving: Mutex<Vec<Arc<Channel>>>,
}

/// Channels that Redis has not been asked about yet.
#[derive(Debug, Default)]
pub(crate) struct ToFollow {
    pub(crate) by_partition: BTreeMap<usize, Vec<Arc<Channel>>>,
    /// Those that it has been asked about.
    pub(crate) batches: usize,
}

impl ToFollow {
    /// Whether everything has been asked about and answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches == 0 && self.by_partition.is_empty()
    }
}

impl Feed {
    pub(crate) fn new(partitions: usize) -> Self {
        Feed {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            channels: AtomicUsize::new(0),
            to_follow: Mutex::default(),
            to_ask: Mutex::default(),
            waiting: Mutex::default(),
            leaving: Mutex::default(),
        }
    }

    /// Channels that are followed.
    pub(crate) fn count(&self) -> usize {
        self.channels.load(Ordering::Relaxed)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Channel>> {
        self.partitions.iter().flat_map(|channels| channels.lock().values().cloned().collect::<Vec<_>>()).collect()
    }
}
