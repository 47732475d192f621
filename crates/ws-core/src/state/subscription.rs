//! A subscription, shared by its connection, its channel and the fan-out.

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
    /// The index under which the fan-out task of the connection's shard keeps its reader; used by that task alone.
    pub(crate) slot: AtomicU32,
    /// It has ended: nothing more of it may be delivered.
    ended: AtomicBool,
    /// The server API has asked for it: no token takes it away.
    assigned: AtomicBool,
    /// It has its cursor.
    started: AtomicBool,
    /// The engine could not say where it starts.
    failed: AtomicBool,
    /// Its number in the channel's presence; `NO_NUMBER` while it has none.
    number: AtomicU64,
    /// The frame of the log that tells of its own join or leave, and that it is not given; `NO_NUMBER`: none.
    hidden: AtomicU64,
}

const NO_NUMBER: u64 = u64::MAX;

impl Subscription {
    pub(crate) fn new(channel: Arc<Channel>, connection: Arc<Connection>) -> Self {
        Subscription {
            channel,
            connection,
            slot: AtomicU32::new(u32::MAX),
            ended: AtomicBool::new(false),
            assigned: AtomicBool::new(false),
            started: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            number: AtomicU64::new(NO_NUMBER),
            hidden: AtomicU64::new(NO_NUMBER),
        }
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) fn number(&self) -> Option<u64> {
        Some(self.number.load(Ordering::Relaxed)).filter(|number| *number != NO_NUMBER)
    }

    pub(crate) fn set_number(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// Keeps the frame that is about to be appended from it. Called under the lock of the channel. False if it has yet to
    /// get past another one.
    pub(crate) fn hide(&self, seq: u64) -> bool {
        self.hidden.compare_exchange(NO_NUMBER, seq, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// The frame that is kept from it, if it has yet to get past it; `seq` is where it is. For the fan-out.
    pub(crate) fn hidden_from(&self, seq: u64) -> Option<u64> {
        let hidden = self.hidden.load(Ordering::Relaxed);
        if hidden == NO_NUMBER {
            return None;
        }
        if hidden <= seq {
            self.hidden.store(NO_NUMBER, Ordering::Release);
        }
        (hidden >= seq).then_some(hidden)
    }

    /// Whether the server API has asked for it.
    pub(crate) fn is_assigned(&self) -> bool {
        self.assigned.load(Ordering::Relaxed)
    }

    pub(crate) fn assign(&self) {
        self.assigned.store(true, Ordering::Relaxed);
    }

    /// Whether it has its cursor.
    pub(crate) fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Whether it has ended because the engine failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Ends it. When this returns, nothing more is delivered.
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
