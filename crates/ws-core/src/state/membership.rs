//! The membership of a connection in the hub: from its handshake to its end it belongs to one shard, and it has its
//! subscriptions. How a subscription starts is in [`crate::subscription`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::admission::Permit;
use super::directory::Entry;
use super::shard::Notice;
use super::shared::Shared;
use super::subscription::Subscription;
use crate::clock::Clock;
use crate::connection::Connection;

/// A connection's membership in the hub. When it is dropped, the connection leaves, and all its subscriptions end.
#[derive(Debug)]
pub struct Membership {
    pub(crate) entry: Arc<Entry>,
    permit: Permit,
    /// Its user, under which it is in the directory.
    user: Option<Arc<str>>,
}

impl Permit {
    /// Has a connection join. If anonymous connections are allowed it counts, and gets every broadcast, from now on.
    pub fn join(self, connection: Arc<Connection>) -> Membership {
        let shared = self.shared();
        let shard = shared.next_shard.fetch_add(1, Ordering::Relaxed) % shared.shards.len();
        shared.counters.connections_opened.add(1);
        let entry = Entry::new(connection, self.peer(), Clock::unix_ms(), shard);
        let mut membership = Membership { entry, permit: self, user: None };
        membership.notify(Notice::Join(membership.connection().clone()));
        if membership.shared().auth.anonymous {
            membership.count_in();
        }
        membership
    }
}

impl Membership {
    /// Puts the connection back into the fan-out's round, after its socket had been full.
    pub fn resume(&self) {
        self.notify(Notice::Resume(self.connection().clone()));
    }

    /// The connection counts, and gets every broadcast, from now on. No effect if it counts already.
    pub(crate) fn count_in(&mut self) {
        if !self.permit.count_in() {
            return;
        }
        self.enter_directory();
        let (shared, shard) = (self.permit.shared(), self.shard());
        let mut broadcasts = shared.broadcasts.lock();
        broadcasts.attach(shard);
        broadcasts.start_reader(shard);
        shared.shards[shard].push(Notice::Broadcasts(self.connection().clone(), broadcasts.end));
        drop(broadcasts);
        shared.shards[shard].wake();
    }

    /// Others can find the connection from now on; under its user if it has one.
    pub(crate) fn enter_directory(&mut self) {
        let shared = self.permit.shared().clone();
        let directory = &shared.directory;
        directory.insert(&self.entry);
        if self.user.is_none()
            && let Some(identity) = self.entry.connection.identity()
        {
            self.user = Some(identity.user().clone());
            directory.insert_user(&self.entry, identity.user());
            if let Some(login) = self.permit.end_login() {
                login.catch_up(&self.entry, identity.user());
            }
        }
    }

    /// The subscription to a channel, if there is one.
    pub(crate) fn subscription(&self, name: &str) -> Option<Arc<Subscription>> {
        self.entry.subscriptions.lock().as_ref()?.get(name).cloned()
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
        &self.entry.connection
    }

    pub(crate) fn shard(&self) -> usize {
        self.entry.shard
    }

    /// Notifies the fan-out task of the connection's shard.
    pub(crate) fn notify(&self, notice: Notice) {
        self.shared().shards[self.shard()].notify(notice);
    }

    /// All subscriptions.
    pub(crate) fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        let subscriptions = self.entry.subscriptions.lock();
        subscriptions.iter().flat_map(|subscriptions| subscriptions.iter().cloned()).collect()
    }

    /// The connection, which was anonymous, is seen as this user in the presence of its channels from now on.
    pub(crate) fn set_user_in_presence(&self, user: &Arc<str>) {
        for subscription in self.subscriptions() {
            let mut state = subscription.channel().lock();
            if subscription.number().is_some() {
                state.presence.set_user(user.clone());
            }
            drop(state);
            self.shared().tell_entered(&subscription);
        }
    }

    /// Ends the subscription to a channel; false if there is none. When it returns, nothing of the channel is delivered
    /// any more.
    pub(crate) fn unsubscribe(&self, name: &str) -> bool {
        let mut subscriptions = self.entry.subscriptions.lock();
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
        let subscriptions = self.entry.subscriptions.lock().take();
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
        self.shared().directory.remove(&self.entry, self.user.as_ref());
        self.entry.calls.close();
        self.unsubscribe_all();
        self.notify(Notice::Leave(self.connection().clone()));
    }
}
