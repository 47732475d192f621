//! A server as the cluster sees it: what it has, and what its sink was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::timeout;
use uuid::Uuid;
use ws_core::engine::cluster::{Change, Cluster, ClusterSink, Counts, Member, MemberKey, Members, MembersQuery};
use ws_core::engine::{Engine, EngineError};
use ws_engine_redis::RedisOptions;

use crate::fixture::{DEADLINE, Redis, options_of, until};
use crate::node::Node;

/// An engine whose cluster is used.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) node: Node,
    pub(crate) hub: Arc<Hub>,
}

/// What the hub has, and was told.
#[derive(Debug, Default)]
pub(crate) struct Hub(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    connections: u64,
    members: BTreeMap<(String, Uuid), (Member, bool)>,
    changed: Vec<(String, Change, Counts)>,
    received: Vec<(Uuid, Vec<u8>)>,
    ended: Vec<Uuid>,
    lapsed: usize,
    restored: usize,
}

impl ClusterSink for Hub {
    fn connections(&self) -> u64 {
        self.0.lock().connections
    }

    fn members(&self, is_wanted: &dyn Fn(&str) -> bool, enter: &mut dyn FnMut(&str, Member, bool)) {
        let mut members = self.0.lock().members.clone();
        members.retain(|(channel, _), _| is_wanted(channel));
        members.into_iter().for_each(|((channel, _), (member, is_announced))| enter(&channel, member, is_announced));
    }

    fn changed(&self, channel: &str, change: Change, counts: Counts) {
        self.0.lock().changed.push((channel.to_owned(), change, counts));
    }

    fn received(&self, from: Uuid, message: &[u8]) {
        self.0.lock().received.push((from, message.to_vec()));
    }

    fn ended(&self, node: Uuid) {
        self.0.lock().ended.push(node);
    }

    fn lapsed(&self) {
        self.0.lock().lapsed += 1;
    }

    fn restored(&self) {
        self.0.lock().restored += 1;
    }
}

/// A lease that tests can wait for, and that a busy machine renews in time.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// How soon the others know that a lease has ended. It is a second, but the machine may be busy.
pub(crate) const KNOWN_WITHIN: Duration = Duration::from_secs(4);

/// Short leases. All presences but those of channels that begin with "silent" are announced.
pub(crate) fn short(redis: &Redis) -> RedisOptions {
    short_of([redis])
}

/// The same on several shards.
pub(crate) fn short_of<'a>(shards: impl IntoIterator<Item = &'a Redis>) -> RedisOptions {
    RedisOptions { lease: LEASE, ..options_of(shards) }
}

/// The connection of a number; those of one number differ by what comes first.
pub(crate) fn member(n: u128, user: Option<&str>) -> Member {
    let client = format!(r#"{{"client_id":"{n}"}}"#).into_bytes();
    Member { connection: Uuid::from_u128(n), user: user.map(Into::into), client }
}

pub(crate) fn counts(connections: u64, users: u64) -> Counts {
    Counts { connections, users }
}

impl Peer {
    pub(crate) async fn start(options: RedisOptions) -> Self {
        let node = Node::start(options).await;
        let hub = Arc::<Hub>::default();
        node.engine.cluster().expect("a cluster").start(hub.clone());
        Peer { node, hub }
    }

    pub(crate) fn cluster(&self) -> &dyn Cluster {
        self.node.engine.cluster().expect("a cluster")
    }

    pub(crate) fn id(&self) -> Uuid {
        self.cluster().node()
    }

    pub(crate) fn enter(&self, channel: &str, n: u128, user: Option<&str>) {
        let (member, is_announced) = (member(n, user), !channel.starts_with("silent"));
        self.hub.0.lock().members.insert((channel.to_owned(), member.connection), (member.clone(), is_announced));
        self.cluster().enter(channel, member, is_announced);
    }

    pub(crate) fn leave(&self, channel: &str, n: u128) {
        let connection = Uuid::from_u128(n);
        self.hub.0.lock().members.remove(&(channel.to_owned(), connection));
        self.cluster().leave(channel, connection, !channel.starts_with("silent"));
    }

    pub(crate) async fn page(
        &self,
        channel: &str,
        after: Option<MemberKey>,
        limit: usize,
    ) -> Result<Members, EngineError> {
        let query = MembersQuery { channel, after, limit };
        self.node.call(|done| self.cluster().members(query, done)).await
    }

    /// Counts and the numbers of all members.
    pub(crate) async fn present(&self, channel: &str) -> Result<(Counts, Vec<u128>), EngineError> {
        let page = self.page(channel, None, 10_000).await?;
        let mut all: Vec<_> = page.members.iter().map(|(_, member)| member.connection.as_u128()).collect();
        all.sort_unstable();
        Ok((page.counts, all))
    }

    /// Waits until these are in a channel.
    pub(crate) async fn sees(&self, channel: &str, expect: Counts, all: &[u128]) {
        let what = format!("{all:?} in {channel}");
        until(&what, async || (self.present(channel).await == Ok((expect, all.to_vec()))).then_some(())).await;
    }

    pub(crate) async fn nodes(&self) -> Result<Vec<Uuid>, EngineError> {
        let mut nodes = self.node.call(|done| self.cluster().nodes(done)).await?;
        nodes.sort_unstable();
        Ok(nodes)
    }

    pub(crate) async fn admit(&self, user: &str, max: u64) -> Result<bool, EngineError> {
        self.node.call(|done| self.cluster().admit(user, max, done)).await
    }

    pub(crate) async fn elsewhere(&self) -> Result<u64, EngineError> {
        self.node.call(|done| self.cluster().connections_elsewhere(done)).await
    }

    pub(crate) async fn send(&self, to: Option<Uuid>, message: &[u8]) -> Result<(), EngineError> {
        self.node.call(|done| self.cluster().send(to, message.to_vec(), done)).await
    }

    pub(crate) fn set_connections(&self, connections: u64) {
        self.hub.0.lock().connections = connections;
    }

    pub(crate) fn changed(&self, channel: &str) -> Vec<(Change, Counts)> {
        let told = self.hub.0.lock().changed.clone();
        told.into_iter().filter(|(name, ..)| name == channel).map(|(_, change, counts)| (change, counts)).collect()
    }

    pub(crate) fn forget_changes(&self) {
        self.hub.0.lock().changed.clear();
    }

    pub(crate) fn received(&self) -> Vec<(Uuid, Vec<u8>)> {
        self.hub.0.lock().received.clone()
    }

    pub(crate) fn ended(&self) -> Vec<Uuid> {
        self.hub.0.lock().ended.clone()
    }

    /// Waits until it was told that these have ended, in this order, and no others.
    pub(crate) async fn hears_of_ends(&self, expect: &[Uuid]) {
        let wait = until("", async || (self.ended() == expect).then_some(()));
        if timeout(DEADLINE / 2, wait).await.is_err() {
            let (told, (lapsed, _)) = (self.ended(), self.lapsed_and_restored());
            panic!("these have ended: {expect:?}; {} was told of {told:?}, and has lapsed {lapsed} times", self.id());
        }
    }

    /// How often it was told that it had lapsed, and that the store may have lost something.
    pub(crate) fn lapsed_and_restored(&self) -> (usize, usize) {
        let state = self.hub.0.lock();
        (state.lapsed, state.restored)
    }

    /// Waits until so many changes were told.
    pub(crate) async fn is_told(&self, channel: &str, n: usize) -> Vec<(Change, Counts)> {
        let what = format!("{n} changes");
        until(&what, async || Some(self.changed(channel)).filter(|told| told.len() >= n)).await
    }
}
