//! Servers that use the same store know each other by it: the [`Cluster`], and what it tells the hub through its
//! [`ClusterSink`].
//!
//! Every server is a node. It lives as long as it renews its lease in the store; one that does not is dead to the
//! others, and what it held (members, users) is gone with it. The hub is right about its own connections: what the
//! store has of this node is a copy, which the cluster mends by itself after an outage.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::answer::Done;

/// The servers that use the same store. Shared by all threads; no call blocks.
pub trait Cluster: fmt::Debug + Send + Sync {
    /// Called once, after the engine was started and before anything else.
    fn start(&self, sink: Arc<dyn ClusterSink>);

    /// This node. It has another id after its lease has lapsed.
    fn node(&self) -> Uuid;

    /// The living nodes, this one included. [`Unavailable`](super::EngineError::Unavailable) while the own lease is not
    /// known to be valid.
    fn nodes(&self, done: Done<Vec<Uuid>>);

    /// Sends a message to one node, or to all others. `done` says that the store has passed it on; whether it arrived
    /// only an answer can tell.
    fn send(&self, to: Option<Uuid>, message: Vec<u8>, done: Done<()>);

    /// Adds a connection to the presence of a channel, or changes its user. `is_announced`: it is a channel in which all
    /// nodes with interest get [`changed`](ClusterSink::changed) for whoever comes or goes, also with a node that has
    /// ended; that a user has changed nobody is told. What cannot be stored now is stored when the store is back.
    /// It is called after what [`members`](ClusterSink::members) gives has changed, in the order of the changes.
    fn enter(&self, channel: &str, member: Member, is_announced: bool);

    /// Removes a connection from the presence of a channel; otherwise as [`enter`](Self::enter).
    fn leave(&self, channel: &str, connection: Uuid, is_announced: bool);

    /// A page of the members of a channel whose nodes live.
    fn members(&self, query: MembersQuery<'_>, done: Done<Members>);

    /// Counts a connection of this user, unless the user has `max` in the whole cluster (0: no limit); the answer is
    /// whether it was counted. The cluster remembers what it has counted, and counts it again after an outage.
    fn admit(&self, user: &str, max: u64, done: Done<bool>);

    /// A connection that was counted has ended.
    fn dismiss(&self, user: &str);

    /// How many connections the other living nodes have, as they last reported: at most a second ago.
    fn connections_elsewhere(&self, done: Done<u64>);
}

/// Takes what the cluster tells. Calls for one channel come one after the other, in the order of its publications.
pub trait ClusterSink: fmt::Debug + Send + Sync {
    /// How many connections this node has, for the others.
    fn connections(&self) -> u64;

    /// Calls `enter` with each member of this node in the channels that are wanted: its channel, itself, and whether it is
    /// announced. After an outage, for what the store has lost. `enter` is called under the lock of the channel, so that a
    /// leave comes after it: it takes note, and calls nothing of the hub. So does `is_wanted`, which is asked
    /// before anything is done about a channel, and costs little: there may be very many.
    fn members(&self, is_wanted: &dyn Fn(&str) -> bool, enter: &mut dyn FnMut(&str, Member, bool));

    /// Somebody, of this node or another, has come or gone in a channel that this node has interest in. Where some may have
    /// been missed, the counts are told, also of a channel in which nothing is announced.
    fn changed(&self, channel: &str, change: Change, counts: Counts);

    /// Another node has sent a message.
    fn received(&self, from: Uuid, message: &[u8]);

    /// A node's lease is over: it does not answer any more.
    fn ended(&self, node: Uuid);

    /// The lease of this node was over, so the others have taken over what it did, and it has become another node. What
    /// it has begun before is not its own any more. Called before anything else is stored for it.
    fn lapsed(&self);

    /// The store may have lost what this node has kept there.
    fn restored(&self);
}

/// A connection in the presence of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub connection: Uuid,
    /// Its user; `None`: anonymous.
    pub user: Option<Arc<str>>,
    /// It as others see it: the JSON of a `PresenceClient`.
    pub client: Vec<u8>,
}

/// What has changed in a presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This member has come.
    Joined(Member),
    /// This member has gone.
    Left(Member),
    /// Some may have been missed: only the counts are known.
    Unknown,
}

/// How many are in a channel, on all living nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections.
    pub connections: u64,
    /// Distinct users; anonymous connections do not count.
    pub users: u64,
}

/// A query for the members of a channel.
#[derive(Debug, Clone, Copy)]
pub struct MembersQuery<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The last member of the page before, there still or not; `None`: from the beginning.
    pub after: Option<MemberKey>,
    /// Most members; 0 asks for the counts alone.
    pub limit: usize,
}

/// A page of members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Of the whole channel.
    pub counts: Counts,
    /// The next members, each with its node, in the order of their [keys](MemberKey): pages have nobody twice, and leave
    /// out nobody who was there throughout.
    pub members: Vec<(Uuid, Member)>,
    /// There are more.
    pub more: bool,
}

/// Where a member is among all of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberKey {
    /// Its node.
    pub node: Uuid,
    /// Its connection.
    pub connection: Uuid,
}

impl MemberKey {
    /// The key of this cursor, if it is in the form that this type prints: 64 hexadecimal digits.
    pub fn parse(cursor: &str) -> Option<Self> {
        let (node, connection) = cursor.split_at_checked(32)?;
        let key = MemberKey { node: Uuid::try_parse(node).ok()?, connection: Uuid::try_parse(connection).ok()? };
        (key.to_string() == cursor).then_some(key)
    }
}

impl fmt::Display for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.node.simple(), self.connection.simple())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_a_page_gave_out() {
        let key = MemberKey { node: Uuid::from_u128(1 << 100), connection: Uuid::from_u128(10) };
        let cursor = key.to_string();
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric()), "it can stand in a URL as it is");
        assert_eq!(MemberKey::parse(&cursor), Some(key));
        let upper = cursor.to_uppercase();
        for other in ["", "7", "x", &cursor[1..], &format!("{cursor}0"), &upper, &"é".repeat(32), &"z".repeat(64)] {
            assert_eq!(MemberKey::parse(other), None, "{other}");
        }
    }
}
