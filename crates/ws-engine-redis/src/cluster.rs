//! The servers that use the same Redis: takes calls and hands them to the desk, and tells the hub what others say.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;
use ws_core::LogLimit;
use ws_core::engine::Done;
use ws_core::engine::cluster::{Cluster, ClusterSink, Member, Members, MembersQuery};

use crate::bytes::Bytes;
use crate::limits::LOGGED_PER_SECOND;
use crate::member::encode;
use crate::op::{Op, Put};
use crate::shared::{Shared, unit_of};

static STRANGE: LogLimit = LogLimit::new(LOGGED_PER_SECOND);

/// The cluster of an engine, with its units. What is about a channel or a user is in the unit that has it; what is about
/// the nodes as such is in the first one.
#[derive(Debug)]
pub(crate) struct RedisCluster(pub(crate) Arc<[Arc<Shared>]>);

impl RedisCluster {
    fn of(&self, name: &str) -> &Arc<Shared> {
        unit_of(&self.0, name)
    }

    fn first(&self) -> &Arc<Shared> {
        &self.0[0]
    }
}

impl Cluster for RedisCluster {
    fn start(&self, sink: Arc<dyn ClusterSink>) {
        for unit in &*self.0 {
            unit.nodes.start(sink.clone());
            // The others learn how many connections it has.
            unit.nodes.look.notify_one();
        }
    }

    fn node(&self) -> Uuid {
        self.first().units.node()
    }

    fn nodes(&self, done: Done<Vec<Uuid>>) {
        self.first().order(Op::Nodes(done));
    }

    fn send(&self, to: Option<Uuid>, message: Vec<u8>, done: Done<()>) {
        self.first().order(Op::Send { to, message, done });
    }

    fn enter(&self, channel: &str, member: Member, is_announced: bool) {
        let (connection, members) = (member.connection, vec![encode(&member)]);
        let (is_announced, between) = (Some(is_announced), (connection, connection));
        let put = Put { channel: channel.into(), is_announced, between, members, only_leaves: false };
        self.of(channel).order(Op::Put(put));
    }

    fn leave(&self, channel: &str, connection: Uuid, is_announced: bool) {
        let (is_announced, between) = (Some(is_announced), (connection, connection));
        self.of(channel).order(Op::Put(Put { is_announced, between, ..Put::nobody(channel) }));
    }

    fn members(&self, query: MembersQuery<'_>, done: Done<Members>) {
        let MembersQuery { channel, after, limit } = query;
        self.of(channel).order(Op::Members { channel: channel.into(), after, limit, done });
    }

    fn admit(&self, user: &str, max: u64, done: Done<bool>) {
        self.of(user).order(Op::Admit { user: user.into(), max, done });
    }

    fn dismiss(&self, user: &str) {
        self.of(user).order(Op::Dismiss(user.into()));
    }

    fn connections_elsewhere(&self, done: Done<u64>) {
        self.first().order(Op::Elsewhere(done));
    }
}

impl Shared {
    /// Another server, or this one, has told nodes something.
    pub(crate) fn heard(&self, payload: &[u8]) {
        let mut bytes = Bytes(payload);
        match bytes.array() {
            Some([b'M']) => {
                let (Some(from), Some(node)) = (bytes.array::<8>(), bytes.array()) else { return };
                if from != self.node {
                    self.nodes.sink().received(Uuid::from_bytes(node), bytes.0);
                }
            }
            // A lease was given up.
            Some([b'E']) => self.nodes.look.notify_one(),
            // Who has said so begins to follow here just now, and is told all the same.
            Some([b'L']) => {
                if bytes.array::<8>().is_some_and(|from| from != self.node) {
                    self.has_missed_in_all();
                }
            }
            _ => {
                if let Some(left_out) = STRANGE.pass(Instant::now()) {
                    tracing::error!(left_out, "a server of another version sends what this one cannot read");
                }
            }
        }
    }
}
