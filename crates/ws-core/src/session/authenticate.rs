//! `authenticate`: a token names the user, or replaces the one that did.

use std::sync::Arc;

use ws_proto::action::{Authenticate, AuthenticateData};
use ws_proto::limits::SINCE_CHANNELS_MAX;
use ws_proto::{CloseCode, ErrorBody, ErrorCode, Position, Positions, Request, RequestId};

use super::answer::respond;
use super::held::{Held, HeldLogin};
use super::state::{Ended, Session, Stop};
use crate::access::{Authentication, Claims, Identity, Refusal, too_many_of_user};
use crate::limits::RETRY_SLOT_MS;
use crate::state::{Claiming, NotClaimed, unavailable};

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let done = log_in(session, request, out);
    count(session, &done);
    done
}

/// The cluster may have answered whether the user has room for one more connection.
pub(super) fn go_on(held: HeldLogin, session: &mut Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    let HeldLogin { id, claims, since, claiming } = held;
    let Some(claimed) = poll(session, &claiming) else {
        return Err(Ended::held(Held::Login(HeldLogin { id, claims, since, claiming }.into())));
    };
    let done = claimed.map(|()| complete(session, id.as_id(), claims, since, out));
    count(session, &done);
    done.map_err(|stop| Ended::new(id, stop))
}

/// Counts how it ended, if it has.
fn count(session: &Session, done: &Result<(), Stop>) {
    let result = match done {
        Ok(()) => Some(Authentication::Ok),
        Err(Stop::Refused(refused)) => Authentication::refused(refused.error.code),
        Err(Stop::Close(error, _)) => Authentication::refused(error.code),
        Err(Stop::Hold(_)) => None,
    };
    if let Some(result) = result {
        session.membership.shared().counters.authentications(result).add(1);
    }
}

fn log_in(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Authenticate { token, since } = request.payload()?;
    check_since(session, since.as_ref())?;
    let before = session.connection().identity();
    let before = before.as_ref().map(|identity| &**identity.user());
    let unix_ms = session.time_of_day();
    let claims = session.claims(request, |auth| auth.log_in(&token, before, unix_ms))?;
    if let Some(claiming) = claim(session, &claims)? {
        let Some(claimed) = poll(session, &claiming) else {
            let since = since.map(owned);
            return Err(Held::Login(HeldLogin { id: request.id.into(), claims, since, claiming }.into()).into());
        };
        claimed?;
    }
    complete(session, request.id, claims, since, out);
    Ok(())
}

/// A new user needs a slot, and has a limit of its own. What is returned is to be polled.
fn claim(session: &mut Session, claims: &Claims) -> Result<Option<Claiming>, Stop> {
    if session.connection().identity().is_some() {
        return Ok(None);
    }
    let permit = session.membership.permit();
    permit.take_slot().map_err(|refusal| full(&refusal))?;
    permit.claim_user(&claims.user.as_str().into()).map_err(|_| not_claimed(NotClaimed::Exhausted))
}

fn poll(session: &mut Session, claiming: &Claiming) -> Option<Result<(), Stop>> {
    let waker = session.waker();
    session.membership.permit().poll_claim(claiming, || waker).map(|claimed| claimed.map_err(not_claimed))
}

fn not_claimed(why: NotClaimed) -> Stop {
    match why {
        NotClaimed::Exhausted => Stop::Close(too_many_of_user(), CloseCode::UserConnectionLimit),
        NotClaimed::Unknown(error) => unavailable(&error).into(),
    }
}

/// The token is good, and there is room for its user: sets the identity, and answers.
fn complete(
    session: &mut Session,
    id: RequestId<'_>,
    mut claims: Claims,
    since: Option<Positions<'_>>,
    out: &mut Vec<u8>,
) {
    let listed = std::mem::take(&mut claims.channels);
    let identity = identify(session, claims);
    let data = AuthenticateData { user: (&**identity.user()).into(), expires_at: identity.expires_at_ms() };
    respond(id, &data, out);
    // The answer goes out before anything that follows from it.
    session.connection().queue(out);
    out.clear();
    session.membership.count_in();
    session.set_token(&identity);
    session.end_ungranted(&identity, &listed, out);
    session.subscribe_listed(&listed, since, out);
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
fn identify(session: &mut Session, claims: Claims) -> Arc<Identity> {
    let identity = Arc::new(Identity::new(claims));
    let is_new = session.connection().identity().is_none();
    session.connection().auth_state().identify(identity.clone());
    if is_new {
        session.membership.set_user_in_presence(identity.user());
        // Before it is answered: whoever acts on this user's connections afterwards finds it.
        session.membership.enter_directory();
    }
    identity
}

/// The same positions without borrowing from the frame that they came in.
fn owned(positions: Positions<'_>) -> Positions<'static> {
    let owned = |Position { epoch, offset }: Position<'_>| Position { epoch: epoch.into_owned().into(), offset };
    positions.into_iter().map(|(channel, position)| (channel.into_owned().into(), owned(position))).collect()
}

/// The error for a connection that there is no slot for yet. It may try again until its auth deadline.
fn full(refusal: &Refusal) -> ErrorBody {
    let mut error = ErrorBody::new(ErrorCode::Overloaded, refusal.to_string());
    error.retry_after_ms = Some(RETRY_SLOT_MS);
    error
}
