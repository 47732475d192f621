//! Pages of a channel's presence: of the whole cluster where there is one, of this node otherwise. The caller has checked
//! the rights.

use ws_proto::action::{GetPresence, PresenceClient, PresenceData};
use ws_proto::{ErrorBody, ErrorCode};

use super::client::{PresenceInfo, client, stored};
use super::error::unavailable;
use super::page;
use super::shared::Shared;
use crate::engine::EngineError;
use crate::engine::cluster::{Cluster, MemberKey, Members, MembersQuery};
use crate::engine::pending::Pending;
use crate::options::ChannelOptions;

/// A query whose fields are valid.
#[derive(Debug)]
pub(crate) struct PresenceQuery<'a> {
    channel: &'a str,
    after: Option<After>,
    limit: usize,
}

/// Where a page begins.
#[derive(Debug)]
enum After {
    /// After this number.
    Here(u64),
    /// After this member of the cluster.
    Cluster(MemberKey),
}

/// A page, or who was asked for it.
pub(crate) enum PresencePage<'a> {
    Here(PresenceData<'a, PresenceInfo>),
    Asked(Pending<Members>),
}

impl Shared {
    /// Checks the fields of a query.
    ///
    /// # Errors
    /// `invalid_payload`.
    pub(crate) fn presence_query<'a>(&self, payload: &'a GetPresence<'_>) -> Result<PresenceQuery<'a>, ErrorBody> {
        let is_clustered = self.engine.cluster().is_some();
        let cursor = |after| if is_clustered { cluster_cursor(after) } else { cursor(after).map(After::Here) };
        let after = payload.after.as_deref().map(cursor).transpose()?;
        Ok(PresenceQuery { channel: &payload.channel, after, limit: page::limit(payload.limit)? })
    }

    /// A page with as many entries as fit. What the cluster answers goes to [`presence_data`](Self::presence_data).
    ///
    /// # Errors
    /// `not_available`.
    pub(crate) fn presence<'a>(
        &self,
        query: &PresenceQuery<'a>,
        options: &ChannelOptions,
    ) -> Result<PresencePage<'a>, ErrorBody> {
        if !options.presence {
            let message = "presence is off in this channel (`presence = false`)";
            return Err(ErrorBody::new(ErrorCode::NotAvailable, message));
        }
        if let Some(cluster) = self.engine.cluster() {
            return Ok(PresencePage::Asked(ask(cluster, query)));
        }
        self.knows_all("the presence")?;
        Ok(PresencePage::Here(self.presence_here(query)))
    }

    fn presence_here<'a>(&self, query: &PresenceQuery<'a>) -> PresenceData<'a, PresenceInfo> {
        let channel = query.channel.into();
        let Some(present) = self.channels.get(query.channel) else {
            return PresenceData { channel, connections: 0, users: 0, clients: Vec::new(), next: None };
        };
        let after = match query.after {
            Some(After::Here(number)) => Some(number),
            Some(After::Cluster(_)) | None => None,
        };
        let state = present.lock();
        let counts = state.presence.counts();
        // One more than was asked for, to know whether there are more.
        let found = state.presence.page(after, query.limit + 1);
        let found: Vec<_> = found.map(|(at, connection)| (at, connection.clone())).collect();
        drop(state);
        let mut clients: Vec<_> = found.iter().map(|(_, connection)| client(connection)).collect();
        let lengths = clients.iter().map(|client| serde_json::to_vec(client).map_or(0, |encoded| encoded.len()));
        let fitting = self.fitting(lengths).min(query.limit);
        clients.truncate(fitting);
        let next = found.get(fitting).map(|_| found[fitting - 1].0.to_string().into());
        PresenceData { channel, connections: counts.connections, users: counts.users, clients, next }
    }

    /// The page that the cluster has answered with, as many entries as fit.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) fn presence_data<'a>(
        &self,
        channel: &'a str,
        result: Result<Members, EngineError>,
    ) -> Result<PresenceData<'a, PresenceInfo>, ErrorBody> {
        let Members { counts, mut members, more } = result.map_err(|error| unavailable(&error))?;
        let fitting = self.fitting(members.iter().map(|(_, member)| member.client.len())).min(members.len());
        let more = more || fitting < members.len();
        members.truncate(fitting);
        let clients = members.iter().map(|(_, member)| stored(member)).collect::<Result<Vec<PresenceClient<_>>, _>>();
        let clients = clients.map_err(|error| {
            ErrorBody::new(ErrorCode::Internal, format!("a stored member of the presence is not one: {error}"))
        })?;
        let last = members.pop().filter(|_| more);
        let next = last.map(|(node, member)| MemberKey { node, connection: member.connection }.to_string().into());
        let channel = channel.into();
        Ok(PresenceData { channel, connections: counts.connections, users: counts.users, clients, next })
    }

    /// How many clients of these lengths go into one answer.
    fn fitting(&self, lengths: impl Iterator<Item = usize>) -> usize {
        page::fitting(lengths, page::bytes_max(self.limits.outbox_bytes_max))
    }
}

fn ask(cluster: &dyn Cluster, query: &PresenceQuery<'_>) -> Pending<Members> {
    let after = match query.after {
        Some(After::Cluster(key)) => Some(key),
        Some(After::Here(_)) | None => None,
    };
    let query = MembersQuery { channel: query.channel, after, limit: query.limit };
    Pending::call(|done| cluster.members(query, done))
}

fn cursor(after: &str) -> Result<u64, ErrorBody> {
    // Only as a page writes it: `+7` and `007` are numbers, too.
    after.parse::<u64>().ok().filter(|cursor| cursor.to_string() == after).ok_or_else(no_cursor)
}

fn cluster_cursor(after: &str) -> Result<After, ErrorBody> {
    MemberKey::parse(after).map(After::Cluster).ok_or_else(no_cursor)
}

fn no_cursor() -> ErrorBody {
    let message = "`payload.after` is not a cursor: pass `next` of the page before, unchanged";
    ErrorBody::new(ErrorCode::InvalidPayload, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_a_page_gave_out() {
        for (after, expect) in [("0", Some(0)), ("17", Some(17)), ("18446744073709551615", Some(u64::MAX))] {
            assert_eq!(cursor(after).ok(), expect);
            assert!(after.bytes().all(|byte| byte.is_ascii_alphanumeric()), "it can stand in a URL as it is");
        }
        for other in ["", "+7", "007", "-1", " 7", "7 ", "7.0", "x", ".", "..", "18446744073709551616"] {
            let code = cursor(other).map_err(|error| error.code);
            assert_eq!(code, Err(ErrorCode::InvalidPayload), "{other:?}");
        }
    }
}
