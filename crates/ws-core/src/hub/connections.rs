//! Connections, as the server API sees and closes them. The caller has checked the rights.
//!
//! Connections that still have to authenticate are not there yet.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;
use ws_proto::api::{ConnectionDetails, ConnectionInfo, ConnectionPage, SubscriptionInfo};
use ws_proto::limits::CLOSE_REASON_BYTES_MAX;
use ws_proto::{CloseCode, ErrorBody, ErrorCode};

use super::handle::Hub;
use crate::limits::DIRECTORY_SLICE;
use crate::registry::Named;
use crate::state::{Entry, Notice, Operation, Subscription, page_limit};

impl Hub {
    /// A page of connections, of all or of one user. `after` is `next` of the page before. Pages have no connection
    /// twice, and leave out none that was there throughout; they take short locks on small parts of the table.
    ///
    /// # Errors
    /// `invalid_payload`: the limit is not 1 to 1,000, or `after` is no cursor.
    pub fn list_connections(
        &self,
        user: Option<&str>,
        limit: Option<u32>,
        after: Option<&str>,
    ) -> Result<ConnectionPage, ErrorBody> {
        self.shared.knows_all("a list of the connections")?;
        let (max, after) = (page_limit(limit)?, after.map(cursor).transpose()?);
        let entries = match user {
            Some(user) => self.shared.directory.page_of(user, after, max + 1),
            None => self.shared.directory.page(after, max + 1),
        };
        let connections: Vec<_> = entries.iter().take(max).map(|entry| self.info(entry)).collect();
        let next = (entries.len() > max).then(|| entries[max - 1].connection.id().simple().to_string());
        Ok(ConnectionPage { connections, next })
    }

    /// A connection with its subscriptions and their cursors. Waits for the fan-out task of its shard.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn connection(&self, id: Uuid) -> Result<ConnectionDetails, ErrorBody> {
        self.shared.knows_all("to find a connection")?;
        let entry = self.entry(id)?;
        let mut subscriptions: Vec<Arc<Subscription>> =
            entry.subscriptions.lock().iter().flat_map(|all| all.iter().cloned()).collect();
        subscriptions.sort_unstable_by(|one, other| one.channel().name().cmp(other.channel().name()));
        let (answer, cursors) = oneshot::channel();
        self.shared.shards[entry.shard].notify(Notice::Cursors(subscriptions.clone(), answer));
        let cursors = cursors.await.unwrap_or_else(|_| vec![None; subscriptions.len()]);
        let subscriptions = subscriptions.iter().zip(cursors).map(|(subscription, at)| describe(subscription, at));
        Ok(ConnectionDetails { connection: self.info(&entry), subscriptions: subscriptions.collect() })
    }

    /// Asks a connection to close, with this code (4000 to 4999; 4503 if there is none) and reason (at most 123 bytes).
    /// To callers it is gone at once, although its socket may take until the end of its close handshake.
    ///
    /// # Errors
    /// `not_found`, `invalid_payload`.
    pub fn close_connection(&self, id: Uuid, code: Option<u16>, reason: Option<&str>) -> Result<(), ErrorBody> {
        self.shared.knows_all("to find a connection")?;
        let (code, reason) = close_frame(code, reason)?;
        self.entry(id)?.close_with(code, reason);
        Ok(())
    }

    /// The same for all connections of a user: each whose login is answered before this is called, or under way. Returns
    /// how many there were, those under way left out.
    ///
    /// # Errors
    /// `invalid_payload`; `overloaded` (nothing was closed).
    pub fn close_user(&self, user: &str, code: Option<u16>, reason: Option<&str>) -> Result<usize, ErrorBody> {
        self.shared.knows_all("to find the connections of a user")?;
        let (code, reason) = close_frame(code, reason)?;
        self.shared.logins.record(user, Operation::Close(code, reason.into()))?;
        let entries = self.entries_of(user);
        entries.iter().for_each(|entry| entry.close_with(code, reason));
        Ok(entries.len())
    }

    fn info(&self, entry: &Entry) -> ConnectionInfo {
        let connection = &entry.connection;
        let blocked_ms = connection.full_since_ms().map(|since| self.shared.clock.now_ms().saturating_sub(since));
        ConnectionInfo {
            connection_id: connection.id(),
            user: connection.identity().map(|identity| identity.user().to_string()),
            remote_addr: entry.peer,
            connected_at: entry.connected_at_ms,
            channels: entry.subscriptions.lock().as_ref().map_or(0, |subscriptions| subscriptions.len() as u64),
            outbox_bytes: connection.outbox_bytes() as u64,
            blocked_ms,
        }
    }

    /// # Errors
    /// `not_found`.
    pub(super) fn entry(&self, id: Uuid) -> Result<Arc<Entry>, ErrorBody> {
        self.shared.directory.get(id).ok_or_else(no_connection)
    }

    /// All connections of a user, without logins under way: record the operation for these first.
    pub(super) fn entries_of(&self, user: &str) -> Vec<Arc<Entry>> {
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        loop {
            let after = entries.last().map(|entry| entry.connection.id());
            let slice = self.shared.directory.page_of(user, after, DIRECTORY_SLICE);
            let is_last = slice.len() < DIRECTORY_SLICE;
            entries.extend(slice);
            if is_last {
                return entries;
            }
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

fn cursor(after: &str) -> Result<Uuid, ErrorBody> {
    let is_simple = after.len() == 32 && after.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let error = || ErrorBody::new(ErrorCode::InvalidPayload, "`after` is not a cursor: pass `next` of the page before");
    Uuid::parse_str(after).ok().filter(|_| is_simple).ok_or_else(error)
}

fn close_frame(code: Option<u16>, reason: Option<&str>) -> Result<(u16, &str), ErrorBody> {
    let code = code.unwrap_or(CloseCode::Disconnected.as_u16());
    let of_code = CloseCode::from_u16(code).map_or("", CloseCode::reason);
    let reason = reason.unwrap_or(of_code);
    let message = match () {
        () if !(4000..=4999).contains(&code) => format!("`code` is {code}; it must be 4000 to 4999"),
        () if reason.len() > CLOSE_REASON_BYTES_MAX => {
            format!("`reason` has {} bytes, more than {CLOSE_REASON_BYTES_MAX}", reason.len())
        }
        () => return Ok((code, reason)),
    };
    Err(ErrorBody::new(ErrorCode::InvalidPayload, message))
}

pub(super) fn no_connection() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, "there is no connection with this id")
}
