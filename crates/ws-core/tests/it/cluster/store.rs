//! A store that several hubs share in one process: an engine and a cluster in memory. Each hub has a [`Node`] of it.
//!
//! Publications are delivered at once, in order, to all nodes with interest. Everything else (answers, messages, changes
//! of presence) takes its turn in one queue, which a test can [hold](Store::hold) and release bit by bit. A node can be
//! [taken away](Store::set_away) from the store, and [killed](Store::kill): its lease is over.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use uuid::Uuid;
use ws_core::engine::cluster::{Change, Counts, Member, MemberKey, Members, MembersQuery};
use ws_core::engine::{Done, Engine, EngineError, EngineSink, Epoch, Publication, Retention};
use ws_core::{MemoryEngine, MemoryLimits};

use super::node::{APPENDING, Node};

/// See the module.
pub(crate) struct Store {
    pub(super) memory: MemoryEngine,
    nodes: Mutex<Vec<Weak<Node>>>,
    state: Mutex<State>,
    queue: Mutex<Queue>,
    is_telling: AtomicBool,
}

/// Something that takes its turn.
type Turn = Box<dyn FnOnce() + Send>;

/// Who is where, by node and connection.
type Present = BTreeMap<(Uuid, Uuid), Member>;

#[derive(Default)]
struct State {
    presence: HashMap<String, Present>,
    /// Channels where who comes and goes is told, as was said last.
    announced: HashSet<String>,
    /// By user and node.
    users: HashMap<(String, Uuid), u64>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Turn>,
    is_held: bool,
    is_running: bool,
}

/// Delivers what is stored to all nodes.
#[derive(Debug)]
struct Everyone(Weak<Store>);

impl Store {
    /// An empty store. Call it within a tokio runtime.
    pub(crate) fn new() -> Arc<Self> {
        let limits = MemoryLimits { history_bytes_max: 64 << 20, idle_channels_max: 100 };
        let store = Arc::new(Store {
            memory: MemoryEngine::new(limits),
            nodes: Mutex::default(),
            state: Mutex::default(),
            queue: Mutex::default(),
            is_telling: AtomicBool::new(false),
        });
        store.memory.start(Arc::new(Everyone(Arc::downgrade(&store))));
        store
    }

    /// One more node: the engine of a hub.
    pub(crate) fn node(self: &Arc<Self>) -> Arc<Node> {
        let node = Arc::new(Node::new(self.clone()));
        self.nodes.lock().expect("no panic while locked").push(Arc::downgrade(&node));
        node
    }

    /// From now on answers, messages and changes of presence wait.
    pub(crate) fn hold(&self) {
        self.queue.lock().expect("no panic while locked").is_held = true;
    }

    /// Releases the first thing that waits. False if there is none.
    pub(crate) fn let_go(&self) -> bool {
        let turn = self.queue.lock().expect("no panic while locked").waiting.pop_front();
        turn.map(|turn| turn()).is_some()
    }

    /// From now on a node that is told of interest first releases what waits: as where it waits for a thread that tells.
    #[allow(dead_code, reason = "not every test that has this file among its own calls it")]
    pub(crate) fn tell_before_interest(&self) {
        self.is_telling.store(true, Ordering::Release);
    }

    pub(super) fn before_interest(&self) {
        if self.is_telling.load(Ordering::Acquire) {
            while self.let_go() {}
        }
    }

    /// Releases all that waits, and holds nothing any more.
    pub(crate) fn release(&self) {
        self.queue.lock().expect("no panic while locked").is_held = false;
        self.run();
    }

    /// The store is away from this node, or back: calls fail meanwhile, and what is published is skipped. Its lease
    /// goes on, unless it is [killed](Self::kill).
    pub(crate) fn set_away(&self, node: &Node, is_away: bool) {
        if is_away {
            return node.go_away();
        }
        let before: HashMap<_, _> = self.forget(node.id()).into_iter().map(keyed).collect();
        let (has_lapsed, missed) = (!node.is_living(), node.come_back());
        if has_lapsed {
            node.cluster_sink().lapsed();
        }
        node.cluster_sink().restored();
        let mut members = Vec::new();
        node.cluster_sink().members(&|_| true, &mut |channel, member, is_announced| {
            members.push((channel.to_owned(), member, is_announced));
        });
        let mut state = self.state.lock().expect("no panic while locked");
        node.counted().into_iter().for_each(|(user, count)| _ = state.users.insert((user, node.id()), count));
        let mut gone = before.clone();
        for (channel, member, is_announced) in &members {
            state.announce(channel, *is_announced);
            gone.remove(&(channel.clone(), member.connection));
            let present = state.presence.entry(channel.clone()).or_default();
            present.insert((node.id(), member.connection), member.clone());
        }
        drop(state);
        gone.into_iter().for_each(|((channel, _), member)| self.changed(&channel, &Change::Left(member)));
        let is_new = |channel: &str, member: &Member| !before.contains_key(&(channel.to_owned(), member.connection));
        for (channel, member, _) in
            members.into_iter().filter(|(channel, member, told)| *told && is_new(channel, member))
        {
            self.changed(&channel, &Change::Joined(member));
        }
        missed.tell(node.sink());
        for channel in node.interests() {
            let (counts, sink) = (self.counts(&channel), node.cluster_sink().clone());
            self.later(move || sink.changed(&channel, Change::Unknown, counts));
        }
        self.run();
    }

    /// The lease of a node is over: it is dead to the others. If it comes back, it has another id.
    pub(crate) fn kill(&self, node: &Node) {
        let (id, left) = (node.id(), self.forget(node.id()));
        node.die();
        for other in self.living() {
            let sink = other.cluster_sink().clone();
            self.later(move || sink.ended(id));
        }
        let announced = self.state.lock().expect("no panic while locked").announced.clone();
        let left = left.into_iter().filter(|(channel, _)| announced.contains(channel));
        left.for_each(|(channel, member)| self.changed(&channel, &Change::Left(member)));
        self.run();
    }

    /// Removes what a node holds.
    fn forget(&self, node: Uuid) -> Vec<(String, Member)> {
        let mut state = self.state.lock().expect("no panic while locked");
        state.users.retain(|(_, of), _| *of != node);
        let mut left = Vec::new();
        for (channel, present) in &mut state.presence {
            let gone: Vec<_> = present.keys().filter(|(of, _)| *of == node).copied().collect();
            left.extend(gone.iter().filter_map(|key| Some((channel.clone(), present.remove(key)?))));
        }
        left
    }

    /// The nodes whose leases are valid.
    pub(super) fn living(&self) -> Vec<Arc<Node>> {
        let nodes = self.nodes.lock().expect("no panic while locked");
        nodes.iter().filter_map(Weak::upgrade).filter(|node| node.is_living()).collect()
    }

    fn reached(&self) -> Vec<Arc<Node>> {
        let nodes = self.nodes.lock().expect("no panic while locked");
        nodes.iter().filter_map(Weak::upgrade).collect()
    }

    /// Answers in its turn.
    pub(super) fn answer<T: Send + 'static>(&self, done: Done<T>, result: Result<T, EngineError>) {
        self.later(move || done(result));
        self.run();
    }

    pub(super) fn send(&self, from: Uuid, to: Option<Uuid>, message: &[u8]) {
        let others = self.living().into_iter().filter(|node| node.id() != from && to.is_none_or(|to| node.id() == to));
        for other in others.filter(|node| !node.is_away()) {
            let (sink, message) = (other.cluster_sink().clone(), message.to_vec());
            self.later(move || sink.received(from, &message));
        }
    }

    pub(super) fn enter(&self, node: Uuid, channel: &str, member: Member, is_announced: bool) {
        let mut state = self.state.lock().expect("no panic while locked");
        let present = state.presence.entry(channel.to_owned()).or_default();
        let is_new = present.insert((node, member.connection), member.clone()).is_none();
        state.announce(channel, is_announced);
        drop(state);
        if is_new && is_announced {
            self.changed(channel, &Change::Joined(member));
        }
        self.run();
    }

    pub(super) fn leave(&self, node: Uuid, channel: &str, connection: Uuid, is_announced: bool) {
        let mut state = self.state.lock().expect("no panic while locked");
        let left = state.presence.get_mut(channel).and_then(|present| present.remove(&(node, connection)));
        drop(state);
        if let Some(member) = left.filter(|_| is_announced) {
            self.changed(channel, &Change::Left(member));
        }
        self.run();
    }

    pub(super) fn members(&self, query: &MembersQuery<'_>) -> Members {
        let state = self.state.lock().expect("no panic while locked");
        let none = Present::new();
        let present = state.presence.get(query.channel).unwrap_or(&none);
        let is_next = |node, connection| query.after.is_none_or(|after| MemberKey { node, connection } > after);
        let mut all = present.iter().filter(|((node, connection), _)| is_next(*node, *connection));
        let members = all.by_ref().take(query.limit).map(|((node, _), member)| (*node, member.clone())).collect();
        Members { counts: counts(present), members, more: all.next().is_some() }
    }

    pub(super) fn admit(&self, node: Uuid, user: &str, max: u64) -> bool {
        let mut state = self.state.lock().expect("no panic while locked");
        let all: u64 = state.users.iter().filter(|((of, _), _)| of == user).map(|(_, count)| count).sum();
        let is_admitted = max == 0 || all < max;
        *state.users.entry((user.to_owned(), node)).or_default() += u64::from(is_admitted);
        is_admitted
    }

    pub(super) fn dismiss(&self, node: Uuid, user: &str) {
        let mut state = self.state.lock().expect("no panic while locked");
        let count = state.users.get_mut(&(user.to_owned(), node)).expect("it was counted");
        *count -= 1;
    }

    /// How many connections the store has counted for a user.
    pub(crate) fn counted(&self, user: &str) -> u64 {
        let state = self.state.lock().expect("no panic while locked");
        state.users.iter().filter(|((of, _), _)| of == user).map(|(_, count)| count).sum()
    }

    fn counts(&self, channel: &str) -> Counts {
        let state = self.state.lock().expect("no panic while locked");
        state.presence.get(channel).map(counts).unwrap_or_default()
    }

    /// Tells all nodes with interest.
    fn changed(&self, channel: &str, change: &Change) {
        let counts = self.counts(channel);
        for node in self.reached().into_iter().filter(|node| node.is_interested(channel) && !node.is_away()) {
            let (channel, change, sink) = (channel.to_owned(), change.clone(), node.cluster_sink().clone());
            self.later(move || sink.changed(&channel, change, counts));
        }
    }

    fn later(&self, turn: impl FnOnce() + Send + 'static) {
        self.queue.lock().expect("no panic while locked").waiting.push_back(Box::new(turn));
    }

    /// Runs what waits, one after the other.
    pub(super) fn run(&self) {
        loop {
            let mut queue = self.queue.lock().expect("no panic while locked");
            if queue.is_held || queue.is_running {
                return;
            }
            let Some(turn) = queue.waiting.pop_front() else { return };
            queue.is_running = true;
            drop(queue);
            turn();
            self.queue.lock().expect("no panic while locked").is_running = false;
        }
    }
}

impl State {
    fn announce(&mut self, channel: &str, is_announced: bool) {
        if is_announced {
            self.announced.insert(channel.to_owned());
        } else {
            self.announced.remove(channel);
        }
    }
}

fn keyed((channel, member): (String, Member)) -> ((String, Uuid), Member) {
    ((channel, member.connection), member)
}

fn counts(present: &Present) -> Counts {
    let mut users: Vec<_> = present.values().filter_map(|member| member.user.as_deref()).collect();
    users.sort_unstable();
    users.dedup();
    Counts { connections: present.len() as u64, users: users.len() as u64 }
}

impl Everyone {
    fn each(&self, channel: &str, tell: impl Fn(&Node)) {
        let store = self.0.upgrade().expect("the store is there while it is called");
        store.reached().iter().filter(|node| node.is_interested(channel)).for_each(|node| tell(node));
    }
}

impl EngineSink for Everyone {
    fn deliver(&self, channel: &str, publication: &Publication, read_us: Option<u64>) {
        let appending = APPENDING.get();
        self.each(channel, |node| match node.is_away() {
            true => node.miss(channel, publication.offset),
            false => node.sink().deliver(channel, publication, read_us.filter(|_| appending == Some(node.id()))),
        });
    }

    fn reset(&self, channel: &str, epoch: Epoch, after: u64) {
        self.each(channel, |node| match node.is_away() {
            true => node.miss_epoch(channel, epoch),
            false => node.sink().reset(channel, epoch, after),
        });
    }

    fn renew(&self, _: &str, _: Epoch, _: u64) {
        unreachable!("the memory engine renews nothing");
    }

    fn skip(&self, _: &str, _: u64) {
        unreachable!("the memory engine skips nothing");
    }

    fn lost(&self, _: &str) {
        unreachable!("the memory engine loses nothing");
    }

    fn has_room(&self) {}

    fn retention(&self, channel: &str) -> Option<Retention> {
        let store = self.0.upgrade()?;
        store.reached().first().and_then(|node| node.sink().retention(channel))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}
