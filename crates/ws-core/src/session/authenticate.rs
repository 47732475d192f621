//! `authenticate`: a token names the user, or takes the place of the one that did.

use std::sync::Arc;

use ws_proto::action::{Authenticate, AuthenticateData};
use ws_proto::{CloseCode, ErrorBody, ErrorCode, Request};

use super::{Session, Stop, respond};
use crate::identity::{Claims, Identity};

pub(super) fn run(session: &mut Session, request: &Request<'_>, now_ms: u64, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Authenticate { token } = request.payload()?;
    let mut claims = session.claims(|auth| auth.log_in(&token))?;
    let listed = std::mem::take(&mut claims.channels);
    let identity = identify(session, claims)?;
    let data = AuthenticateData { user: (&**identity.user()).into(), expires_at: identity.expires_at_ms() };
    respond(request.id, &data, out);
    // The answer goes out before what the connection gets from now on.
    session.connection().queue(out);
    out.clear();
    session.membership.count();
    session.keep_token(&identity, now_ms);
    session.membership.shared().counters.logins.add(1);
    session.end_lost(&identity, &listed, out);
    session.begin_listed(&listed, out);
    Ok(())
}

/// The user is named once; a later token is one of the same user.
fn identify(session: &mut Session, claims: Claims) -> Result<Arc<Identity>, Stop> {
    let before = session.connection().identity();
    let identity = Arc::new(Identity::new(claims));
    match before {
        Some(before) if before.user() != identity.user() => {
            let message = "the token is for another user; a connection keeps the one that it has";
            return Err(ErrorBody::new(ErrorCode::InvalidToken, message).into());
        }
        Some(_) => session.connection().standing().identify(identity.clone()),
        None => {
            let named = session.membership.name(identity.user());
            named.map_err(|_| Stop::Last(too_many(), CloseCode::UserConnectionLimit))?;
            session.connection().standing().identify(identity.clone());
            session.membership.name_subscriptions(identity.user());
        }
    }
    Ok(identity)
}

/// What the one connection too many is told.
pub(super) fn too_many() -> ErrorBody {
    ErrorBody::new(ErrorCode::LimitExceeded, "this user has as many connections as one may have")
}
