//! What the tasks of a unit share.
//!
//! Lock order: the channels of a partition → a channel → a link. The queues are locked alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use ws_core::engine::{EngineError, EngineSink, Epoch, Publication};

use crate::clock::Clock;
use crate::keys::{Keys, Share};
use crate::limits::PASSED_MAX;
use crate::link::Link;
use crate::location::Location;
use crate::message::Node;
use crate::nodes::Nodes;
use crate::options::RedisOptions;
use crate::passed::Passed;
use crate::positions::Positions;
use crate::queue::{LANES, Lane};
use crate::refusing::Refusing;
use crate::registry::Feed;
use crate::replicas::Replicas;
use crate::scripts::{Hashes, Script};
use crate::stats::Stats;
use crate::trouble::{Health, Part, Troubles};
use crate::units::Units;

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
    /// That of the writer, where replicas are waited for.
    pub(crate) replicas: RwLock<Option<Arc<Replicas>>>,
    pub(crate) feed: Feed,
    pub(crate) lanes: Box<[Lane]>,
    pub(crate) clock: Clock,
    pub(crate) positions: Positions,
    pub(crate) passed: Passed,
    pub(crate) refusing: Refusing,
    pub(crate) units: Arc<Units>,
    pub(crate) nodes: Arc<Nodes>,
    /// Of all units together.
    pub(crate) stats: Arc<Stats>,
    /// Something is wrong with a generation, or with the scripts.
    pub(crate) renew: Notify,
    /// The number of the last message to itself that this server has heard.
    pub(crate) echoed: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) runtime: Handle,
    troubles: Troubles,
}

impl Shared {
    /// Call it within a runtime.
    pub(crate) fn new(options: RedisOptions, keys: Keys, hashes: Hashes, units: Arc<Units>) -> Self {
        let nodes = units.nodes[keys.share().unit].clone();
        Shared::with(options, keys, hashes, nodes, units)
    }

    /// Of an engine that is not used but for this unit. Call it within a runtime.
    pub(crate) fn alone(options: RedisOptions, keys: Keys, hashes: Hashes) -> Self {
        let units = Units::new(1, options.queue_bytes_max, None);
        Shared::with(options, keys, hashes, units.nodes[0].clone(), units)
    }

    fn with(options: RedisOptions, keys: Keys, hashes: Hashes, nodes: Arc<Nodes>, units: Arc<Units>) -> Self {
        let node = uuid::Uuid::new_v4();
        let each = || (0..keys.partitions()).map(|_| AtomicU64::new(0)).collect::<Box<[_]>>();
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
            replicas: RwLock::default(),
            feed: Feed::new(keys.partitions()),
            lanes: (0..LANES * keys.partitions()).map(|_| Lane::default()).collect(),
            clock: Clock::new(),
            positions: Positions::default(),
            passed: Passed::new(options.lease, (PASSED_MAX / units.nodes.len()).max(1)),
            refusing: Refusing::default(),
            nodes,
            stats: units.stats.clone(),
            units,
            renew: Notify::new(),
            echoed: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            runtime: Handle::current(),
            troubles: Troubles::default(),
            keys,
            options,
        }
    }

    /// What the data has to be set up with.
    pub(crate) fn setup(&self) -> String {
        let share = self.keys.share();
        if self.is_in_cluster() { format!("partitions={}", share.partitions) } else { share.to_string() }
    }

    /// Whether it is a partition of a Redis Cluster.
    pub(crate) fn is_in_cluster(&self) -> bool {
        self.options.locations.iter().any(Location::is_cluster)
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

    /// A part of the engine works, or does not. See [`Troubles`] for what the log says.
    pub(crate) fn report(&self, part: Part, health: Health) {
        let health = match health {
            Health::Trouble(trouble) => Health::Trouble(format!("{}{trouble}", title(&self.options, &self.keys))),
            other => other,
        };
        self.troubles.report(part, health);
        if let Some(all) = &self.units.troubles {
            self.troubles.tell(all, self.keys.share().unit);
        }
        self.say();
    }

    /// Keeps the log up to date.
    pub(crate) fn say(&self) {
        if !self.is_closed() {
            let about = || (self.options.places(), self.nodes.own_name());
            self.units.troubles.as_ref().unwrap_or(&self.troubles).say(about);
            self.refusing.say(|| title(&self.options, &self.keys));
        }
    }

    /// Why it does not work, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.troubles.current()
    }

    pub(crate) fn unavailable(&self) -> EngineError {
        let closed = || if self.is_closed() { "it is closed" } else { "Redis has not answered in time" }.to_owned();
        EngineError::Unavailable(self.trouble().or_else(|| self.refusing.current()).unwrap_or_else(closed))
    }

    /// Ends everything. What waits is told.
    pub(crate) fn end(self: &Arc<Self>) {
        self.closed.store(true, Ordering::Release);
        for slot in [&self.writer, &self.subscriber, &self.reader] {
            let link = slot.write().take();
            link.iter().for_each(|link| link.end("the engine is closed"));
        }
        let replicas = self.replicas.write().take();
        replicas.iter().for_each(|replicas| replicas.link().end("the engine is closed"));
        self.renew();
        self.fail_lanes();
        self.fail_desk();
        self.fail_pages();
        self.end_feed();
    }
}

/// What is said first where there are several units: which one it is.
pub(crate) fn title(options: &RedisOptions, keys: &Keys) -> String {
    let Share { units, unit, .. } = keys.share();
    match options.locations.as_slice() {
        [Location::Cluster(_)] => format!("partition {} of {units}, slot {}: ", unit + 1, keys.slot()),
        _ if units == 1 => String::new(),
        _ => format!("shard {} of {units} ({}): ", unit + 1, options.places()),
    }
}

/// The unit that has a channel or a user.
pub(crate) fn unit_of<'a>(units: &'a [Arc<Shared>], name: &str) -> &'a Arc<Shared> {
    &units[units[0].keys.share().unit_of(name)]
}

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
