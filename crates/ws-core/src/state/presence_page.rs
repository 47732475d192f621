//! Pages of a channel's presence. The caller has checked the rights.

use ws_proto::action::{GetPresence, PresenceData};
use ws_proto::{ErrorBody, ErrorCode};

use super::client::{PresenceInfo, client};
use super::page;
use super::shared::Shared;
use crate::options::ChannelOptions;

/// A query whose fields are valid.
#[derive(Debug)]
pub(crate) struct PresenceQuery<'a> {
    channel: &'a str,
    after: Option<u64>,
    limit: usize,
}

impl<'a> PresenceQuery<'a> {
    /// # Errors
    /// `invalid_payload`.
    pub(crate) fn new(payload: &'a GetPresence<'_>) -> Result<Self, ErrorBody> {
        let after = payload.after.as_deref().map(cursor).transpose()?;
        Ok(PresenceQuery { channel: &payload.channel, after, limit: page::limit(payload.limit)? })
    }
}

impl Shared {
    /// A page with as many entries as fit.
    ///
    /// # Errors
    /// `not_available`.
    pub(crate) fn presence<'a>(
        &self,
        query: &PresenceQuery<'a>,
        options: &ChannelOptions,
    ) -> Result<PresenceData<'a, PresenceInfo>, ErrorBody> {
        if !options.presence {
            return Err(ErrorBody::new(ErrorCode::NotAvailable, "presence is off in this channel"));
        }
        let channel = query.channel.into();
        let Some(present) = self.channels.get(query.channel) else {
            return Ok(PresenceData { channel, connections: 0, users: 0, clients: Vec::new(), next: None });
        };
        let state = present.lock();
        let counts = state.presence.counts();
        // One more than was asked for, to know whether there are more.
        let found = state.presence.page(query.after, query.limit + 1);
        let found: Vec<_> = found.map(|(at, connection)| (at, connection.clone())).collect();
        drop(state);
        let mut clients: Vec<_> = found.iter().map(|(_, connection)| client(connection)).collect();
        let lengths = clients.iter().map(|client| serde_json::to_vec(client).map_or(0, |encoded| encoded.len()));
        let fitting = page::fitting(lengths, self.limits.outbox_bytes_max).min(query.limit);
        clients.truncate(fitting);
        let next = found.get(fitting).map(|_| found[fitting - 1].0.to_string().into());
        Ok(PresenceData { channel, connections: counts.connections, users: counts.users, clients, next })
    }
}

fn cursor(after: &str) -> Result<u64, ErrorBody> {
    let message = "`payload.after` is not a cursor: pass `next` of the page before, unchanged";
    after.parse().map_err(|_| ErrorBody::new(ErrorCode::InvalidPayload, message))
}
