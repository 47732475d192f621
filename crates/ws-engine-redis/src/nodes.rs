//! What a unit knows of the cluster, and what waits to be stored or asked about it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;
use ws_core::engine::cluster::{Change, ClusterSink, Counts, Member};

use crate::channel::Channel;
use crate::waiting::Desk;

/// See the module. No other lock is taken under one of its locks but that of a link.
#[derive(Debug)]
pub(crate) struct Nodes {
    sink: OnceLock<Arc<dyn ClusterSink>>,
    own: Mutex<Own>,
    /// The node that the lease is of has ended, here or in another unit: this server is another one by now.
    pub(crate) is_former: AtomicBool,
    pub(crate) roll: Mutex<Roll>,
    /// The roll was called over the connection that there is.
    pub(crate) is_heard: AtomicBool,
    /// Nodes that have ended in another unit, and whose leases have to end here.
    pub(crate) to_end: Mutex<BTreeSet<Uuid>>,
    /// The nodes that this server was, since when it is not, and whose members have not all been removed.
    pub(crate) former: Mutex<Vec<(Uuid, Instant)>>,
    /// Nodes that have ended, and whose members this server removes.
    pub(crate) sweeping: Mutex<HashSet<Uuid>>,
    /// Nodes that have ended, and of which nothing is left but that.
    pub(crate) swept: Mutex<HashSet<Uuid>>,
    pub(crate) desk: Mutex<Desk>,
    /// Connections of each user that are counted for certain.
    pub(crate) users: Mutex<HashMap<Box<str>, u64>>,
    /// The connections that the others were told of.
    pub(crate) reported: AtomicU64,
    /// Channels in which changes may have been missed.
    pub(crate) to_recount: Mutex<Vec<Arc<Channel>>>,
    /// Has the lease be renewed at once.
    pub(crate) look: Notify,
    /// Until when the lease is valid for certain.
    leased_until: RwLock<Option<Instant>>,
    /// The lease is given up, and not renewed any more.
    pub(crate) is_leaving: AtomicBool,
    /// Nodes that are configured otherwise, where all must be the same, and when each was last seen.
    pub(crate) disagreeing: Mutex<BTreeMap<Uuid, Instant>>,
    /// How often a writer and a feed were dialled. What earlier ones had sent, and Redis comes to only now, is refused.
    dials: AtomicU64,
}

/// The nodes, as they were when the lease was last renewed.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    pub(crate) living: BTreeSet<Uuid>,
    /// Of whom something may be left.
    pub(crate) ended: BTreeSet<Uuid>,
    /// Those of the ended that this node has seen alive. Others may have ended where this server was one of few, as a node
    /// that is dead by now.
    pub(crate) seen_to_end: BTreeSet<Uuid>,
}

impl Roll {
    /// What this one says after that one.
    pub(crate) fn after(mut self, before: &Roll) -> Roll {
        let was_seen = |node: &&Uuid| before.living.contains(node) || before.seen_to_end.contains(node);
        self.seen_to_end = self.ended.iter().filter(was_seen).copied().collect();
        self
    }

    /// What a node that is dead by now has seen end is not so.
    pub(crate) fn forget_ends(&mut self) {
        self.ended.clear();
        self.seen_to_end.clear();
    }
}

/// This node, as the unit has a lease for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    pub(crate) node: Uuid,
    /// It has had no lease yet.
    pub(crate) is_new: bool,
    /// Of the partition of the leases, when the lease was last renewed.
    pub(crate) generation: u64,
}

impl Nodes {
    pub(crate) fn new(node: Uuid) -> Self {
        Nodes {
            sink: OnceLock::new(),
            own: Mutex::new(Own { node, is_new: true, generation: 0 }),
            is_former: AtomicBool::new(false),
            roll: Mutex::default(),
            is_heard: AtomicBool::new(false),
            to_end: Mutex::default(),
            former: Mutex::default(),
            sweeping: Mutex::default(),
            swept: Mutex::default(),
            desk: Mutex::new(Desk::new()),
            users: Mutex::default(),
            reported: AtomicU64::new(0),
            to_recount: Mutex::default(),
            look: Notify::new(),
            leased_until: RwLock::default(),
            is_leaving: AtomicBool::new(false),
            disagreeing: Mutex::default(),
            dials: AtomicU64::new(0),
        }
    }

    pub(crate) fn start(&self, sink: Arc<dyn ClusterSink>) {
        // A second start has no effect.
        let _ = self.sink.set(sink);
    }

    pub(crate) fn sink(&self) -> Arc<dyn ClusterSink> {
        self.sink.get().cloned().unwrap_or_else(|| Arc::new(NoSink))
    }

    pub(crate) fn own(&self) -> Own {
        *self.own.lock()
    }

    /// This node as keys have it.
    pub(crate) fn own_name(&self) -> String {
        self.own().node.simple().to_string()
    }

    /// The number of the present connections, as scripts have it.
    pub(crate) fn number(&self) -> String {
        self.dials().to_string()
    }

    /// The number of the present connections.
    pub(crate) fn dials(&self) -> u64 {
        self.dials.load(Ordering::Acquire)
    }

    /// The connections are replaced. None of the earlier ones may be in use.
    pub(crate) fn begin_number(&self) {
        self.dials.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the others may have taken this server for dead: it stood still, Redis does not answer, or it is known. Not
    /// before it has had a lease.
    pub(crate) fn may_have_lapsed(&self) -> bool {
        self.is_former.load(Ordering::Acquire) || self.leased_until.read().is_some_and(|until| until < Instant::now())
    }

    /// How long ago a lease of this length was last renewed; `None`: there was none yet.
    pub(crate) fn lease_age(&self, lease: Duration) -> Option<Duration> {
        self.leased_until.read().map(|until| (Instant::now() + lease).saturating_duration_since(until))
    }

    pub(crate) fn set_leased_until(&self, until: Instant) {
        *self.leased_until.write() = Some(until);
    }

    pub(crate) fn set_own(&self, own: Own) {
        *self.own.lock() = own;
    }
}

/// The sink before the start.
#[derive(Debug)]
struct NoSink;

impl ClusterSink for NoSink {
    fn connections(&self) -> u64 {
        0
    }
    fn members(&self, _: &dyn Fn(&str) -> bool, _: &mut dyn FnMut(&str, Member, bool)) {}
    fn changed(&self, _: &str, _: Change, _: Counts) {}
    fn received(&self, _: Uuid, _: &[u8]) {}
    fn ended(&self, _: Uuid) {}
    fn lapsed(&self) {}
    fn restored(&self) {}
}
