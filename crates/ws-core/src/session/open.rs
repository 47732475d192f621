//! How a session starts: the login of the handshake, and the greeting.

use std::sync::Arc;

use ws_proto::event::{Connected, HeartbeatTerms, LimitTerms};
use ws_proto::{CloseCode, ErrorBody, ErrorCode, PROTOCOL_VERSION, encode_error};

use super::answer::{append, append_event};
use super::state::Session;
use super::timing::Timing;
use crate::access::{Authentication, Claims, Identity};
use crate::connection::Connection;
use crate::state::{Permit, Shared};

impl Session {
    /// Opens the session of a connection that has completed its handshake. `login` is the result of
    /// [`Hub::log_in`](crate::Hub::log_in) if the handshake had a token. Sends `first` (the answer to the handshake)
    /// before anything else, then the greeting (PROTOCOL section 1), then what follows from the token. Everything is
    /// left in the outbox: call [`Connection::flush`] afterwards.
    ///
    /// # Errors
    /// The code to close the connection with; its outbox has an error instead of the greeting. The token is not valid,
    /// or the user has too many connections.
    pub fn open(
        permit: Permit,
        connection: &Arc<Connection>,
        login: Option<Result<Claims, ErrorBody>>,
        server: &str,
        mut first: Vec<u8>,
    ) -> Result<Self, CloseCode> {
        let shared = permit.shared().clone();
        let mut claims = login.transpose().map_err(|error| {
            tracing::debug!(connection = %connection.id(), error = &*error.message, "a token was refused");
            refuse(&shared, connection, &error, &mut first)
        })?;
        let listed = claims.as_mut().map(|claims| std::mem::take(&mut claims.channels)).unwrap_or_default();
        let identity = claims.map(Identity::new).map(Arc::new);
        if let Some(identity) = &identity {
            connection.auth_state().identify(identity.clone());
            shared.counters.authentications(Authentication::Ok).add(1);
        }
        greet(&shared, connection, server, &mut first);
        // The greeting is queued before the connection joins, so nothing can overtake it, and it joins before the
        // greeting is sent, so nothing is missed after it.
        connection.queue(&first);
        let mut session = Session::new(permit.join(connection.clone()));
        if let Some(identity) = &identity {
            session.membership.count_in();
            session.set_token(identity);
            let mut out = Vec::new();
            session.subscribe_listed(&listed, None, &mut out);
            connection.queue(&out);
        }
        Ok(session)
    }

    /// A session without a greeting, of a connection that has joined the hub.
    pub fn new(membership: crate::state::Membership) -> Self {
        let now_us = membership.shared().clock.now_us();
        let has_to_authenticate = !membership.is_counted();
        let mut session = Session {
            membership,
            budgets: None,
            held: None,
            unanswered: Default::default(),
            login: None,
            closing: None,
            rate_bucket: 0,
            token_bucket: 0,
            has_bad_token: false,
            has_renewed_keys: false,
            out_of_room: false,
            unread_since_ms: None,
            timing: Timing::new(now_us),
        };
        if has_to_authenticate {
            session.start_auth_deadline(now_us / 1000);
        }
        session
    }
}

fn greet(shared: &Shared, connection: &Connection, server: &str, out: &mut Vec<u8>) {
    let identity = connection.identity();
    let is_unauthenticated = !shared.auth.anonymous && identity.is_none();
    let connected = Connected {
        connection_id: connection.id(),
        protocol: PROTOCOL_VERSION,
        server: server.to_owned(),
        time: shared.clock.time_of_day(),
        user: identity.as_ref().map(|identity| identity.user().to_string()),
        expires_at: identity.as_ref().and_then(|identity| identity.expires_at_ms()),
        heartbeat: HeartbeatTerms {
            interval_ms: shared.heartbeat.interval_ms,
            timeout_ms: shared.heartbeat.timeout_ms,
        },
        limits: LimitTerms {
            message_bytes_max: shared.limits.message_bytes_max as u64,
            channels_max: shared.limits.channels_per_connection_max as u64,
            unauthenticated_message_bytes_max: is_unauthenticated
                .then(|| shared.limits.unauthenticated_message_bytes_max() as u64),
        },
    };
    append_event(&connected, out);
}

/// Puts an error into the outbox instead of the greeting.
fn refuse(shared: &Shared, connection: &Connection, error: &ErrorBody, first: &mut Vec<u8>) -> CloseCode {
    append(first, |out| encode_error(None, error, out));
    connection.queue(first);
    shared.counters.errors(error.code).add(1);
    if let Some(result) = Authentication::refused(error.code) {
        shared.counters.authentications(result).add(1);
    }
    match error.code {
        ErrorCode::TokenExpired => CloseCode::TokenExpired,
        ErrorCode::LimitExceeded => CloseCode::UserConnectionLimit,
        _ => CloseCode::InvalidToken,
    }
}
