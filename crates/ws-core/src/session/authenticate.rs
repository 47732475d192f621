//! `authenticate`: a token names the user, or replaces the one that did.

use std::sync::Arc;

use ws_proto::action::{Authenticate, AuthenticateData};
use ws_proto::limits::SINCE_CHANNELS_MAX;
use ws_proto::{CloseCode, ErrorBody, ErrorCode, Positions, Request};

use super::answer::respond;
use super::state::{Session, Stop};
use crate::access::{Authentication, Claims, Identity, Refusal};
use crate::limits::RETRY_SLOT_MS;

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let done = log_in(session, request, out);
    let result = match &done {
        Ok(()) => Some(Authentication::Ok),
        Err(Stop::Refused(refused)) => Authentication::refused(refused.error.code),
        Err(Stop::Close(error, _)) => Authentication::refused(error.code),
        Err(Stop::Hold(_)) => None,
    };
    if let Some(result) = result {
        session.membership.shared().counters.authentications(result).add(1);
    }
    done
}

fn log_in(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Authenticate { token, since } = request.payload()?;
    check_since(session, since.as_ref())?;
    let before = session.connection().identity();
    let before = before.as_ref().map(|identity| &**identity.user());
    let unix_ms = session.time_of_day();
    let mut claims = session.claims(request, |auth| auth.log_in(&token, before, unix_ms))?;
    let listed = std::mem::take(&mut claims.channels);
    let identity = identify(session, claims)?;
    let data = AuthenticateData { user: (&**identity.user()).into(), expires_at: identity.expires_at_ms() };
    respond(request.id, &data, out);
    // The answer goes out before anything that follows from it.
    session.connection().queue(out);
    out.clear();
    session.membership.count_in();
    session.set_token(&identity);
    session.end_ungranted(&identity, &listed, out);
    session.subscribe_listed(&listed, since, out);
    Ok(())
}

/// Its positions have a bound: as many as the connection may have subscriptions, and at least [`SINCE_CHANNELS_MAX`].
fn check_since(session: &Session, since: Option<&Positions<'_>>) -> Result<(), ErrorBody> {
    let channels = since.map_or(0, Positions::len);
    let max = session.membership.shared().limits.channels_per_connection_max.max(SINCE_CHANNELS_MAX);
    if channels <= max {
        return Ok(());
    }
    let message = format!("`payload.since`: {channels} channels, more than {max}");
    Err(ErrorBody::new(ErrorCode::InvalidPayload, message))
}

/// Sets the identity. Only the first token names the user; a later one is for the same user.
fn identify(session: &mut Session, claims: Claims) -> Result<Arc<Identity>, Stop> {
    let identity = Arc::new(Identity::new(claims));
    let is_new = session.connection().identity().is_none();
    if is_new {
        let permit = session.membership.permit();
        permit.take_slot().map_err(|refusal| full(&refusal))?;
        let named = permit.claim_user(identity.user());
        named.map_err(|_| Stop::Close(too_many(), CloseCode::UserConnectionLimit))?;
    }
    session.connection().auth_state().identify(identity.clone());
    if is_new {
        session.membership.set_user_in_presence(identity.user());
        // Before it is answered: whoever acts on this user's connections afterwards finds it.
        session.membership.enter_directory();
    }
    Ok(identity)
}

/// The error for a connection that there is no slot for yet. It may try again until its auth deadline.
fn full(refusal: &Refusal) -> ErrorBody {
    let mut error = ErrorBody::new(ErrorCode::Overloaded, refusal.to_string());
    error.retry_after_ms = Some(RETRY_SLOT_MS);
    error
}

/// The error for a connection over the limit of its user.
pub(super) fn too_many() -> ErrorBody {
    let message = "this user has reached the limit of connections per user (limits.connections_per_user_max)";
    ErrorBody::new(ErrorCode::LimitExceeded, message)
}
