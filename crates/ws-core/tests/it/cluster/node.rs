//! One node of a [`Store`]: the engine of one hub.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use uuid::Uuid;
use ws_core::engine::cluster::{Cluster, ClusterSink, Member, Members, MembersQuery};
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineError, EngineSink, EngineStats, Epoch, FindQuery, Found, History,
    HistoryQuery,
};
use ws_proto::action::Ack;

use super::store::Store;

thread_local! {
    /// The node that appends: only its own sink is told when the request was read.
    pub(super) static APPENDING: Cell<Option<Uuid>> = const { Cell::new(None) };
}

/// See the module.
pub(crate) struct Node {
    store: Arc<Store>,
    id: Mutex<Uuid>,
    sink: OnceLock<Arc<dyn EngineSink>>,
    cluster_sink: OnceLock<Arc<dyn ClusterSink>>,
    interest: Mutex<HashMap<String, usize>>,
    /// Connections that were counted, by user.
    counted: Mutex<HashMap<String, u64>>,
    is_away: AtomicBool,
    is_full: AtomicBool,
    is_dead: AtomicBool,
    missed: Mutex<Missed>,
}

/// What a node was not told while it was away.
#[derive(Debug, Default)]
pub(super) struct Missed(HashMap<String, MissedStream>);

#[derive(Debug, Default)]
struct MissedStream {
    epoch: Option<Epoch>,
    /// Up to this offset; `None`: without offsets.
    to: Option<u64>,
}

impl Node {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Node {
            store,
            id: Mutex::new(Uuid::new_v4()),
            sink: OnceLock::new(),
            cluster_sink: OnceLock::new(),
            interest: Mutex::default(),
            counted: Mutex::default(),
            is_away: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            is_dead: AtomicBool::new(false),
            missed: Mutex::default(),
        }
    }

    /// Connections that were counted, by user.
    pub(super) fn counted(&self) -> HashMap<String, u64> {
        self.counted.lock().expect("no panic while locked").clone()
    }

    pub(super) fn id(&self) -> Uuid {
        *self.id.lock().expect("no panic while locked")
    }

    pub(super) fn sink(&self) -> &dyn EngineSink {
        &**self.sink.get().expect("it was started")
    }

    pub(super) fn cluster_sink(&self) -> &Arc<dyn ClusterSink> {
        self.cluster_sink.get().expect("it was started")
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// Whether its lease is valid.
    pub(super) fn is_living(&self) -> bool {
        self.cluster_sink.get().is_some() && !self.is_dead.load(Ordering::Acquire)
    }

    /// It says from now on that nothing more is stored.
    #[allow(dead_code, reason = "not every test that has this file among its own calls it")]
    pub(super) fn fill_up(&self) {
        self.is_full.store(true, Ordering::Release);
    }

    pub(super) fn go_away(&self) {
        self.is_away.store(true, Ordering::Release);
    }

    pub(super) fn come_back(&self) -> Missed {
        if self.is_dead.swap(false, Ordering::AcqRel) {
            *self.id.lock().expect("no panic while locked") = Uuid::new_v4();
        }
        self.is_away.store(false, Ordering::Release);
        std::mem::take(&mut self.missed.lock().expect("no panic while locked"))
    }

    pub(super) fn die(&self) {
        self.is_dead.store(true, Ordering::Release);
        self.go_away();
    }

    pub(super) fn is_interested(&self, channel: &str) -> bool {
        self.interest.lock().expect("no panic while locked").contains_key(channel)
    }

    pub(super) fn interests(&self) -> Vec<String> {
        self.interest.lock().expect("no panic while locked").keys().cloned().collect()
    }

    pub(super) fn miss(&self, channel: &str, offset: Option<u64>) {
        self.missed.lock().expect("no panic while locked").of(channel).to = offset;
    }

    pub(super) fn miss_epoch(&self, channel: &str, epoch: Epoch) {
        *self.missed.lock().expect("no panic while locked").of(channel) = MissedStream { epoch: Some(epoch), to: None };
    }

    /// The answer of a call, in its turn; while the node is away, it fails.
    fn answer<T: Send + 'static>(&self, done: Done<T>, result: impl FnOnce() -> T) {
        let result = if self.is_away() { Err(away()) } else { Ok(result()) };
        self.store.answer(done, result);
    }

    /// What answers a call of the memory engine, in its turn.
    fn in_turn<T: Send + 'static>(&self, done: Done<T>) -> Done<T> {
        let store = self.store.clone();
        Box::new(move |result| store.answer(done, result))
    }
}

impl Missed {
    fn of(&mut self, channel: &str) -> &mut MissedStream {
        self.0.entry(channel.to_owned()).or_default()
    }

    pub(super) fn tell(self, sink: &dyn EngineSink) {
        for (channel, MissedStream { epoch, to }) in self.0 {
            epoch.iter().for_each(|epoch| sink.reset(&channel, *epoch, 0));
            match to {
                Some(to) => sink.skip(&channel, to),
                None if epoch.is_none() => sink.lost(&channel),
                None => {}
            }
        }
    }
}

fn away() -> EngineError {
    EngineError::Unavailable("it is away".to_owned())
}

impl Engine for Node {
    fn name(&self) -> &'static str {
        "store"
    }

    fn ack(&self) -> Ack {
        Ack::Replicated
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(self)
    }

    fn start(&self, sink: Arc<dyn EngineSink>) {
        assert!(self.sink.set(sink).is_ok(), "it is started once");
    }

    fn append(&self, append: Append<'_>, done: Done<Appended>) {
        if self.is_away() {
            return self.store.answer(done, Err(away()));
        }
        APPENDING.set(Some(self.id()));
        self.store.memory.append(append, self.in_turn(done));
        APPENDING.set(None);
    }

    fn history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        if self.is_away() {
            return self.store.answer(done, Err(away()));
        }
        self.store.memory.history(query, self.in_turn(done));
    }

    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>) {
        if self.is_away() {
            return self.store.answer(done, Err(away()));
        }
        self.store.memory.find(query, self.in_turn(done));
    }

    fn remove(&self, channel: &str, done: Done<Epoch>) {
        if self.is_away() {
            return self.store.answer(done, Err(away()));
        }
        self.store.memory.remove(channel, self.in_turn(done));
    }

    fn interest(&self, channel: &str, interested: bool) {
        self.store.before_interest();
        let mut interest = self.interest.lock().expect("no panic while locked");
        let count = interest.entry(channel.to_owned()).or_default();
        *count = if interested { *count + 1 } else { *count - 1 };
        if *count == 0 {
            interest.remove(channel);
        }
        drop(interest);
        self.store.memory.interest(channel, interested);
    }

    fn following(&self, _: &str, done: Done<()>) {
        self.answer(done, || ());
    }

    fn stats(&self) -> EngineStats {
        self.store.memory.stats()
    }

    fn health(&self) -> Result<(), String> {
        if self.is_away() { Err(away().to_string()) } else { Ok(()) }
    }

    /// As if `elsewhere` were in another part of the store, which has not gone away.
    fn health_of(&self, channel: &str) -> Result<(), String> {
        if channel == "elsewhere" { Ok(()) } else { self.health() }
    }

    fn takes(&self, channel: &str) -> Result<(), String> {
        if self.is_full.load(Ordering::Acquire) { Err("full".to_owned()) } else { self.health_of(channel) }
    }

    fn close(&self, done: Done<()>) {
        done(Ok(()));
    }
}

impl Cluster for Node {
    fn start(&self, sink: Arc<dyn ClusterSink>) {
        assert!(self.cluster_sink.set(sink).is_ok(), "it is started once");
    }

    fn node(&self) -> Uuid {
        self.id()
    }

    fn nodes(&self, done: Done<Vec<Uuid>>) {
        self.answer(done, || self.store.living().iter().map(|node| node.id()).collect());
    }

    fn send(&self, to: Option<Uuid>, message: Vec<u8>, done: Done<()>) {
        if !self.is_away() {
            self.store.send(self.id(), to, &message);
        }
        self.answer(done, || ());
    }

    fn enter(&self, channel: &str, member: Member, is_announced: bool) {
        // While it is away, the hub knows; when it is back, the hub is asked.
        if !self.is_away() {
            self.store.enter(self.id(), channel, member, is_announced);
        }
    }

    fn leave(&self, channel: &str, connection: Uuid, is_announced: bool) {
        if !self.is_away() {
            self.store.leave(self.id(), channel, connection, is_announced);
        }
    }

    fn members(&self, query: MembersQuery<'_>, done: Done<Members>) {
        self.answer(done, || self.store.members(&query));
    }

    fn admit(&self, user: &str, max: u64, done: Done<bool>) {
        self.answer(done, || {
            let is_admitted = self.store.admit(self.id(), user, max);
            let mut counted = self.counted.lock().expect("no panic while locked");
            *counted.entry(user.to_owned()).or_default() += u64::from(is_admitted);
            is_admitted
        });
    }

    fn dismiss(&self, user: &str) {
        *self.counted.lock().expect("no panic while locked").get_mut(user).expect("it was counted") -= 1;
        if !self.is_away() {
            self.store.dismiss(self.id(), user);
        }
    }

    fn connections_elsewhere(&self, done: Done<u64>) {
        self.answer(done, || {
            let others = self.store.living().into_iter().filter(|node| node.id() != self.id());
            others.map(|node| node.cluster_sink().connections()).sum()
        });
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Node")
    }
}
