//! What the tasks of the engine share.
//!
//! Lock order: the channels of a partition → a channel → a link. The queues are locked alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use ws_core::Supervisor;
use ws_core::engine::{EngineError, EngineSink, Epoch, Publication};

use crate::clock::Clock;
use crate::keys::Keys;
use crate::link::Link;
use crate::message::Node;
use crate::nodes::Nodes;
use crate::options::RedisOptions;
use crate::positions::Positions;
use crate::queue::{Lane, Queue};
use crate::registry::Feed;
use crate::scripts::{Hashes, Script};
use crate::stats::Stats;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: RedisOptions,
    pub(crate) keys: Keys,
    pub(crate) node: Node,
    pub(crate) node_name: String,
    pub(crate) sink: OnceLock<Arc<dyn EngineSink>>,
    pub(crate) hashes: Hashes,
    /// The generation of each partition; 0: unknown.
    pub(crate) generations: Box<[AtomicU64]>,
    /// The generation that is known to be wrong, by partition; 0: none is.
    pub(crate) wrong: Box<[AtomicU64]>,
    pub(crate) writer: RwLock<Option<Link>>,
    pub(crate) subscriber: RwLock<Option<Link>>,
    pub(crate) reader: RwLock<Option<Link>>,
    pub(crate) feed: Feed,
    pub(crate) lanes: Box<[Lane]>,
    pub(crate) queue: Queue,
    pub(crate) clock: Clock,
    pub(crate) positions: Positions,
    pub(crate) nodes: Nodes,
    pub(crate) stats: Stats,
    /// Something is wrong with a generation, or with the scripts.
    pub(crate) renew: Notify,
    /// The number of the last message to itself that this server has heard.
    pub(crate) echoed: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) supervisor: Supervisor,
    pub(crate) runtime: Handle,
    /// Why it does not work at the moment, and which part of it.
    troubles: Mutex<[Option<String>; 2]>,
}

/// A part of the engine that can fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Writing and the feed.
    Pair,
    /// Reading pages.
    Reader,
}

impl Shared {
    /// Call it within a runtime.
    pub(crate) fn new(options: RedisOptions, hashes: Hashes) -> Self {
        let keys = Keys::new(&options.prefix, options.partitions);
        let node = uuid::Uuid::new_v4();
        let each = || (0..options.partitions).map(|_| AtomicU64::new(0)).collect::<Box<[_]>>();
        Shared {
            node: node.as_u64_pair().0.to_be_bytes(),
            node_name: node.to_string(),
            sink: OnceLock::new(),
            hashes,
            generations: each(),
            wrong: each(),
            writer: RwLock::default(),
            subscriber: RwLock::default(),
            reader: RwLock::default(),
            feed: Feed::new(options.partitions),
            lanes: (0..options.partitions).map(|_| Lane::default()).collect(),
            queue: Queue::new(options.queue_bytes_max),
            clock: Clock::new(),
            positions: Positions::default(),
            nodes: Nodes::new(),
            stats: Stats::default(),
            renew: Notify::new(),
            echoed: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            supervisor: Supervisor::default(),
            runtime: Handle::current(),
            troubles: Mutex::new([Some(NOT_STARTED.to_owned()), Some(NOT_STARTED.to_owned())]),
            keys,
            options,
        }
    }

    pub(crate) fn sink(&self) -> &dyn EngineSink {
        match self.sink.get() {
            Some(sink) => &**sink,
            None => &NoSink,
        }
    }

    pub(crate) fn generation(&self, partition: usize) -> u64 {
        self.generations[partition].load(Ordering::Acquire)
    }

    /// A generation turned out not to be the current one, or the scripts are not loaded: they are renewed at once.
    pub(crate) fn renew(&self) {
        self.renew.notify_one();
    }

    /// The beginning of a command that runs a script with so many keys.
    pub(crate) fn eval(&self, script: Script, keys: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut args = vec![b"EVALSHA".to_vec(), self.hashes.of(script).to_vec(), keys.len().to_string().into_bytes()];
        args.extend(keys);
        args
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A part of the engine works, or does not. The log says what was the first to break, and when everything works again.
    pub(crate) fn report(&self, part: Part, trouble: Option<String>) {
        let mut troubles = self.troubles.lock();
        let before = troubles.iter().any(Option::is_some);
        troubles[part as usize] = trouble;
        let now = troubles.iter().flatten().next().cloned();
        drop(troubles);
        if self.is_closed() {
            return;
        }
        match now {
            Some(trouble) if !before => tracing::error!("Redis is not available: {trouble}"),
            None if before => tracing::info!(redis = %self.options.address, "Redis is available"),
            _ => {}
        }
    }

    /// Why it does not work, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.troubles.lock().iter().flatten().next().cloned()
    }

    pub(crate) fn unavailable(&self) -> EngineError {
        let closed = || if self.is_closed() { "it is closed" } else { "Redis has not answered in time" }.to_owned();
        EngineError::Unavailable(self.trouble().unwrap_or_else(closed))
    }

    /// Ends everything. What waits is told.
    pub(crate) fn end(self: &Arc<Self>) {
        self.closed.store(true, Ordering::Release);
        for slot in [&self.writer, &self.subscriber, &self.reader] {
            let link = slot.write().take();
            link.iter().for_each(|link| link.end("the engine is closed"));
        }
        self.renew();
        self.fail_lanes();
        self.fail_desk();
        self.fail_pages();
        self.end_feed();
    }
}

const NOT_STARTED: &str = "it was not connected yet";

/// Eight random bytes.
pub(crate) fn random() -> [u8; 8] {
    Epoch::random().as_u64().to_be_bytes()
}

/// The sink before the start.
#[derive(Debug)]
struct NoSink;

impl EngineSink for NoSink {
    fn deliver(&self, _: &str, _: &Publication, _: Option<u64>) {}
    fn reset(&self, _: &str, _: Epoch, _: u64) {}
    fn renew(&self, _: &str, _: Epoch, _: u64) {}
    fn skip(&self, _: &str, _: u64) {}
    fn lost(&self, _: &str) {}
    fn has_room(&self) {}
}
