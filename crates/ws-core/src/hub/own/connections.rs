//! Own connections.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;
use ws_proto::api::{ConnectionInfo, SubscriptionInfo};
use ws_proto::{ErrorBody, ErrorCode};

use crate::cluster::Page;
use crate::limits::DIRECTORY_SLICE;
use crate::registry::Named;
use crate::state::{Entry, Notice, Operation, Shared, Subscription};

/// A connection with its subscriptions, or as many as were asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::hub) struct Details {
    pub(in crate::hub) connection: ConnectionInfo,
    pub(in crate::hub) subscriptions: Page<SubscriptionInfo>,
}

impl Shared {
    /// The next connections, of all or of one user, by id.
    pub(in crate::hub) fn own_connections(
        &self,
        user: Option<&str>,
        after: Option<Uuid>,
        max: usize,
    ) -> Page<ConnectionInfo> {
        let entries = match user {
            Some(user) => self.directory.page_of(user, after, max + 1),
            None => self.directory.page(after, max + 1),
        };
        let page = Page::of(entries, max);
        Page { entries: page.entries.iter().map(|entry| self.info(entry)).collect(), more: page.more }
    }

    /// A connection with its subscriptions after this channel, at most `max` of them, by name. Waits for the fan-out task
    /// of its shard.
    ///
    /// # Errors
    /// `not_found`.
    pub(in crate::hub) async fn own_connection(
        &self,
        id: Uuid,
        after: Option<&str>,
        max: usize,
    ) -> Result<Details, ErrorBody> {
        let entry = self.own_entry(id)?;
        let mut subscriptions: Vec<Arc<Subscription>> =
            entry.subscriptions.lock().iter().flat_map(|all| all.iter().cloned()).collect();
        subscriptions.retain(|subscription| after.is_none_or(|after| subscription.channel().name() > after));
        subscriptions.sort_unstable_by(|one, other| one.channel().name().cmp(other.channel().name()));
        let Page { entries: subscriptions, more } = Page::of(subscriptions, max);
        let (answer, cursors) = oneshot::channel();
        self.shards[entry.shard].notify(Notice::Cursors(subscriptions.clone(), answer));
        let cursors = cursors.await.unwrap_or_else(|_| vec![None; subscriptions.len()]);
        let entries = subscriptions.iter().zip(cursors).map(|(subscription, at)| describe(subscription, at)).collect();
        Ok(Details { connection: self.info(&entry), subscriptions: Page { entries, more } })
    }

    /// Closes one connection.
    ///
    /// # Errors
    /// `not_found`.
    pub(in crate::hub) fn close_own(&self, id: Uuid, code: u16, reason: &str) -> Result<(), ErrorBody> {
        self.own_entry(id)?.close_with(code, reason);
        Ok(())
    }

    /// Closes all connections of a user, those whose login is under way too. Returns how many there were, without these.
    ///
    /// # Errors
    /// `overloaded` (nothing was closed).
    pub(in crate::hub) fn close_own_user(&self, user: &str, code: u16, reason: &str) -> Result<u64, ErrorBody> {
        self.logins.record(user, Operation::Close(code, reason.into()))?;
        let entries = self.own_entries(user);
        entries.iter().for_each(|entry| entry.close_with(code, reason));
        Ok(entries.len() as u64)
    }

    /// # Errors
    /// `not_found`.
    pub(in crate::hub) fn own_entry(&self, id: Uuid) -> Result<Arc<Entry>, ErrorBody> {
        let none = || ErrorBody::new(ErrorCode::NotFound, "there is no connection with this id");
        self.directory.get(id).ok_or_else(none)
    }

    /// All connections of a user, without logins under way: record the operation for these first.
    pub(super) fn own_entries(&self, user: &str) -> Vec<Arc<Entry>> {
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        loop {
            let after = entries.last().map(|entry| entry.connection.id());
            let slice = self.directory.page_of(user, after, DIRECTORY_SLICE);
            let is_last = slice.len() < DIRECTORY_SLICE;
            entries.extend(slice);
            if is_last {
                return entries;
            }
        }
    }

    fn info(&self, entry: &Entry) -> ConnectionInfo {
        let connection = &entry.connection;
        let blocked_ms = connection.full_since_ms().map(|since| self.clock.now_ms().saturating_sub(since));
        ConnectionInfo {
            connection_id: connection.id(),
            user: connection.identity().map(|identity| identity.user().to_string()),
            remote_addr: entry.peer,
            connected_at: entry.connected_at_ms,
            channels: entry.subscriptions.lock().as_ref().map_or(0, |subscriptions| subscriptions.len() as u64),
            outbox_bytes: connection.outbox_bytes() as u64,
            blocked_ms,
            node: self.node_name(),
        }
    }
}

fn describe(subscription: &Subscription, at: Option<u64>) -> SubscriptionInfo {
    let channel = subscription.channel();
    let state = channel.lock();
    let (epoch, end) = (state.epoch, state.end.offset);
    drop(state);
    SubscriptionInfo {
        channel: channel.name().to_owned(),
        epoch: epoch.map(|epoch| epoch.to_string()),
        offset: epoch.map(|_| end),
        after: at.filter(|_| epoch.is_some()),
        lag: at.map(|at| end.saturating_sub(at)),
    }
}
