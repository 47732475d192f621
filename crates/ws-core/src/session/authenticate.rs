//! `authenticate`: a token names the user, or takes the place of the one that did.

use std::sync::Arc;

use ws_proto::action::{Authenticate, AuthenticateData};
use ws_proto::{CloseCode, ErrorBody, ErrorCode, Request};

use super::answer::respond;
use super::state::{Session, Stop};
use crate::access::{Claims, Identity, Refusal};
use crate::limits::RETRY_PLACE_MS;

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Authenticate { token } = request.payload()?;
    let before = session.connection().identity();
    let before = before.as_ref().map(|identity| &**identity.user());
    let unix_ms = session.time_of_day();
    let mut claims = session.claims(request, |auth| auth.log_in(&token, before, unix_ms))?;
    let listed = std::mem::take(&mut claims.channels);
    let identity = identify(session, claims)?;
    let data = AuthenticateData { user: (&**identity.user()).into(), expires_at: identity.expires_at_ms() };
    respond(request.id, &data, out);
    // The answer goes out before what the connection gets from now on.
    session.connection().queue(out);
    out.clear();
    session.membership.count_in();
    session.keep_token(&identity);
    session.membership.shared().counters.logins.add(1);
    session.end_lost(&identity, &listed, out);
    session.begin_listed(&listed, out);
    Ok(())
}

/// The user is named once; a later token is of the same one.
fn identify(session: &mut Session, claims: Claims) -> Result<Arc<Identity>, Stop> {
    let identity = Arc::new(Identity::new(claims));
    let is_new = session.connection().identity().is_none();
    if is_new {
        let permit = session.membership.permit();
        permit.take_slot().map_err(|refusal| full(&refusal))?;
        let named = permit.claim_user(identity.user());
        named.map_err(|_| Stop::Last(too_many(), CloseCode::UserConnectionLimit))?;
    }
    session.connection().auth_state().identify(identity.clone());
    if is_new {
        session.membership.name_subscriptions(identity.user());
    }
    Ok(identity)
}

/// What a connection is told that there is no place for yet. Until its time to authenticate is over, it may ask again.
fn full(refusal: &Refusal) -> ErrorBody {
    let mut error = ErrorBody::new(ErrorCode::Overloaded, refusal.to_string());
    error.retry_after_ms = Some(RETRY_PLACE_MS);
    error
}

/// What the one connection too many is told.
pub(super) fn too_many() -> ErrorBody {
    ErrorBody::new(ErrorCode::LimitExceeded, "this user has as many connections as one may have")
}
