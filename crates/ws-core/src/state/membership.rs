//! The membership of a connection in the hub: from its handshake to its end it belongs to one shard, and it has its
//! subscriptions. How a subscription starts is in [`crate::subscription`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::admission::Permit;
use super::shard::Notice;
use super::shared::Shared;
use super::subscription::{Subscription, Subscriptions};
use crate::connection::Connection;

/// A connection's membership in the hub. When it is dropped, the connection leaves, and all its subscriptions end.
#[derive(Debug)]
pub struct Membership {
    connection: Arc<Connection>,
    shard: usize,
    permit: Permit,
    /// Locked before channels. `None` while there are no subscriptions.
    pub(crate) subscriptions: Mutex<Option<Box<Subscriptions>>>,
}

impl Permit {
    /// Has a connection join. If anonymous connections are allowed it counts, and gets every broadcast, from now on.
    pub fn join(self, connection: Arc<Connection>) -> Membership {
        let shared = self.shared();
        let shard = shared.next_shard.fetch_add(1, Ordering::Relaxed) % shared.shards.len();
        shared.counters.connections_opened.add(1);
        let mut membership = Membership { connection, shard, permit: self, subscriptions: Mutex::default() };
        membership.notify(Notice::Join(membership.connection.clone()));
        if membership.shared().auth.anonymous {
            membership.count_in();
        }
        membership
    }
}

impl Membership {
    /// Puts the connection back into the fan-out's round, after its socket had been full.
    pub fn resume(&self) {
        self.notify(Notice::Resume(self.connection.clone()));
    }

    /// The connection counts, and gets every broadcast, from now on. No effect if it counts already.
    pub(crate) fn count_in(&mut self) {
        if !self.permit.count_in() {
            return;
        }
        let shared = self.permit.shared();
        let mut broadcasts = shared.broadcasts.lock();
        broadcasts.attach(self.shard);
        broadcasts.start_reader(self.shard);
        shared.shards[self.shard].push(Notice::Broadcasts(self.connection.clone(), broadcasts.end));
        drop(broadcasts);
        shared.shards[self.shard].wake();
    }

    /// Whether it counts.
    pub(crate) fn is_counted(&self) -> bool {
        self.permit.is_counted()
    }

    /// The connection's permit.
    pub(crate) fn permit(&mut self) -> &mut Permit {
        &mut self.permit
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.permit.shared()
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) fn shard(&self) -> usize {
        self.shard
    }

    /// Notifies the fan-out task of the connection's shard.
    pub(crate) fn notify(&self, notice: Notice) {
        self.shared().shards[self.shard].notify(notice);
    }

    /// All subscriptions.
    pub(crate) fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        let subscriptions = self.subscriptions.lock();
        subscriptions.iter().flat_map(|subscriptions| subscriptions.iter().cloned()).collect()
    }

    /// The connection, which was anonymous, is seen as this user in the presence of its channels from now on.
    pub(crate) fn set_user_in_presence(&self, user: &Arc<str>) {
        for subscription in self.subscriptions() {
            let mut state = subscription.channel().lock();
            if subscription.number().is_some() {
                state.presence.set_user(user.clone());
            }
        }
    }

    /// Ends the subscription to a channel; false if there is none. When it returns, nothing of the channel is delivered
    /// any more.
    pub(crate) fn unsubscribe(&self, name: &str) -> bool {
        let mut subscriptions = self.subscriptions.lock();
        let removed = subscriptions.as_mut().and_then(|subscriptions| subscriptions.remove(name));
        if subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.len() == 0) {
            *subscriptions = None;
        }
        drop(subscriptions);
        let Some(subscription) = removed else { return false };
        self.end(&subscription);
        true
    }

    fn unsubscribe_all(&self) {
        let subscriptions = self.subscriptions.lock().take();
        let subscriptions = subscriptions.into_iter().flat_map(|subscriptions| subscriptions.into_iter());
        subscriptions.for_each(|subscription| self.end(&subscription));
    }

    fn end(&self, subscription: &Arc<Subscription>) {
        subscription.end();
        self.shared().detach(subscription);
        self.notify(Notice::Unsubscribe(subscription.clone()));
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.unsubscribe_all();
        self.notify(Notice::Leave(self.connection.clone()));
    }
}
