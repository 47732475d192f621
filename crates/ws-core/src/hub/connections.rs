//! Connections, as the server API sees and closes them, on whatever server they are. The caller has checked the rights.
//!
//! Connections that still have to authenticate are not there yet. Where there are other servers, each of them has to
//! answer within 2 s, or the answer is `engine_unavailable`; about a connection of this server they are not asked.

use uuid::Uuid;
use ws_proto::api::{ConnectionDetails, ConnectionPage};
use ws_proto::limits::CLOSE_REASON_BYTES_MAX;
use ws_proto::{CloseCode, ErrorBody, ErrorCode};

use super::handle::Hub;
use super::own::Details;
use crate::cluster::{Question, merged};
use crate::state::page_limit;

impl Hub {
    /// A page of connections, of all or of one user. `after` is `next` of the page before. Pages have no connection
    /// twice, and leave out none that was there throughout; they take short locks on small parts of the table.
    ///
    /// # Errors
    /// `invalid_payload`: the limit is not 1 to 1,000, or `after` is no cursor. `engine_unavailable`, `overloaded`.
    pub async fn list_connections(
        &self,
        user: Option<&str>,
        limit: Option<u32>,
        after: Option<&str>,
    ) -> Result<ConnectionPage, ErrorBody> {
        let (max, after) = (page_limit(limit)?, after.map(cursor).transpose()?);
        let question = Question::Connections { user: user.map(Into::into), after, max };
        let mut pages = self.shared.asking.all(&question).await?;
        pages.push(self.shared.own_connections(user, after, max));
        let page = merged(pages, max, |one, other| one.connection_id.cmp(&other.connection_id), |_, _| {});
        let last = page.entries.last().filter(|_| page.more);
        let next = last.map(|last| last.connection_id.simple().to_string());
        Ok(ConnectionPage { connections: page.entries, next })
    }

    /// A connection with its subscriptions and their cursors. Waits for the fan-out task of its shard.
    ///
    /// # Errors
    /// `not_found`; `engine_unavailable`, `overloaded`.
    pub async fn connection(&self, id: Uuid) -> Result<ConnectionDetails, ErrorBody> {
        let own = self.shared.own_connection(id, None, usize::MAX).await;
        let Details { connection, mut subscriptions } =
            self.shared.asking.or_elsewhere(own, &Question::Connection { id, after: None }).await?;
        // Only of another server, whose answers have a bound.
        while let Some(last) = subscriptions.entries.last().filter(|_| subscriptions.more) {
            let rest = Question::Connection { id, after: Some(last.channel.as_str().into()) };
            let rest: Option<Details> = self.shared.asking.one(&rest).await?;
            let rest = rest.ok_or_else(|| ErrorBody::new(ErrorCode::NotFound, "the connection has ended"))?;
            subscriptions.entries.extend(rest.subscriptions.entries);
            subscriptions.more = rest.subscriptions.more;
        }
        Ok(ConnectionDetails { connection, subscriptions: subscriptions.entries })
    }

    /// Asks a connection to close, with this code (4000 to 4999; 4503 if there is none) and reason (at most 123 bytes).
    /// To callers it is gone at once, although its socket may take until the end of its close handshake.
    ///
    /// # Errors
    /// `not_found`, `invalid_payload`; `engine_unavailable`, `overloaded`: it may have been closed, and to repeat it is
    /// safe.
    pub async fn close_connection(&self, id: Uuid, code: Option<u16>, reason: Option<&str>) -> Result<(), ErrorBody> {
        let (code, reason) = close_frame(code, reason)?;
        let own = self.shared.close_own(id, code, reason);
        self.shared.asking.or_elsewhere(own, &Question::Close { id, code, reason: reason.into() }).await
    }

    /// The same for all connections of a user: each whose login is answered before this is called, or under way. Returns
    /// how many there were, those under way left out.
    ///
    /// # Errors
    /// `invalid_payload`; `engine_unavailable`, `overloaded`: some may have been closed, and to repeat it is safe.
    pub async fn close_user(&self, user: &str, code: Option<u16>, reason: Option<&str>) -> Result<u64, ErrorBody> {
        let (code, reason) = close_frame(code, reason)?;
        let own = self.shared.close_own_user(user, code, reason)?;
        let question = Question::CloseUser { user: user.into(), code, reason: reason.into() };
        let others: Vec<u64> = self.shared.asking.all(&question).await?;
        Ok(own + others.iter().sum::<u64>())
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
