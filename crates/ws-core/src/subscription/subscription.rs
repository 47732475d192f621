//! A connection's place in a channel, known to the connection, to the channel and to the fan-out.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::channel::Channel;
use crate::connection::Connection;
use crate::registry::Named;

/// A subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    channel: Arc<Channel>,
    connection: Arc<Connection>,
    /// Where the fan-out of the connection's shard keeps it; that task alone uses it.
    pub(crate) slot: AtomicU32,
    /// The client has been told that it is over.
    ended: AtomicBool,
    /// Its number in the channel's presence; `NOWHERE` while it has none.
    number: AtomicU64,
}

const NOWHERE: u64 = u64::MAX;

impl Subscription {
    pub(crate) fn new(channel: Arc<Channel>, connection: Arc<Connection>) -> Self {
        Subscription {
            channel,
            connection,
            slot: AtomicU32::new(u32::MAX),
            ended: AtomicBool::new(false),
            number: AtomicU64::new(NOWHERE),
        }
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) fn number(&self) -> Option<u64> {
        Some(self.number.load(Ordering::Relaxed)).filter(|number| *number != NOWHERE)
    }

    pub(crate) fn set_number(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Nothing is delivered any more when this returns.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.connection.change();
    }
}

/// The subscriptions of one connection, by channel.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(HashSet<ByChannel>);

#[derive(Debug)]
struct ByChannel(Arc<Subscription>);

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, channel: &str) -> bool {
        self.0.contains(channel)
    }

    pub(crate) fn get(&self, channel: &str) -> Option<&Arc<Subscription>> {
        self.0.get(channel).map(|found| &found.0)
    }

    pub(crate) fn insert(&mut self, subscription: Arc<Subscription>) {
        self.0.insert(ByChannel(subscription));
    }

    pub(crate) fn remove(&mut self, channel: &str) -> Option<Arc<Subscription>> {
        let removed = self.0.take(channel).map(|found| found.0);
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit();
        }
        removed
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.0.iter().map(|found| &found.0)
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = Arc<Subscription>> {
        self.0.into_iter().map(|found| found.0)
    }
}

impl Borrow<str> for ByChannel {
    fn borrow(&self) -> &str {
        self.0.channel.name()
    }
}

impl PartialEq for ByChannel {
    fn eq(&self, other: &Self) -> bool {
        self.0.channel.name() == other.0.channel.name()
    }
}

impl Eq for ByChannel {}

impl Hash for ByChannel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.channel.name().hash(state);
    }
}
