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
            let message = "presence is off in this channel (`presence = false`)";
            return Err(ErrorBody::new(ErrorCode::NotAvailable, message));
        }
        self.knows_all("the presence")?;
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
        let fitting = page::fitting(lengths, page::bytes_max(self.limits.outbox_bytes_max)).min(query.limit);
        clients.truncate(fitting);
        let next = found.get(fitting).map(|_| found[fitting - 1].0.to_string().into());
        Ok(PresenceData { channel, connections: counts.connections, users: counts.users, clients, next })
    }
}

fn cursor(after: &str) -> Result<u64, ErrorBody> {
    // Only as a page writes it: `+7` and `007` are numbers, too.
    let cursor = after.parse::<u64>().ok().filter(|cursor| cursor.to_string() == after);
    let message = "`payload.after` is not a cursor: pass `next` of the page before, unchanged";
    cursor.ok_or_else(|| ErrorBody::new(ErrorCode::InvalidPayload, message))
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
