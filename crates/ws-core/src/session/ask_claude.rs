//! `ask_claude` and `cancel_claude`: handed to whoever runs Claude, and answered when that has answered.

use ws_proto::action::{AskClaude, CancelClaude};
use ws_proto::{ChannelName, ErrorBody, OwnedRequestId, Request, RequestId};

use super::answer::respond;
use super::held::{Held, HeldRun};
use super::state::{Ended, Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::runs::{Asker, AskerKey};
use crate::state::{Asked, check_ask, check_run_id, unavailable};

/// Starts a run.
pub(super) fn ask(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<AskClaude<'_>>()?;
    check_ask(&payload)?;
    let channel = ChannelName::parse_asking(&payload.channel)?;
    let options = session.options(channel)?;
    let check = AccessCheck { right: Right::Publish, channel: Some(channel), access: options.publish };
    session.check(request.id, check)?;
    let asker = asker(session);
    let asked = session.membership.shared().ask_claude(payload.into_owned(), &options, asker)?;
    answer(session, request, asked, out, HeldRun::Ask)
}

/// Ends a run.
pub(super) fn cancel(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<CancelClaude<'_>>()?;
    check_run_id(Some(&payload.run_id))?;
    let channel = ChannelName::parse_asking(&payload.channel)?;
    let options = session.options(channel)?;
    let check = AccessCheck { right: Right::Publish, channel: Some(channel), access: options.publish };
    session.check(request.id, check)?;
    let asked = session.membership.shared().cancel_claude(&payload, &options)?;
    answer(session, request, asked, out, HeldRun::Cancel)
}

pub(super) fn go_on(held: HeldRun, session: &Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    match held {
        HeldRun::Ask(id, asked) => match given(&asked, session, id.as_id(), out) {
            None => Err(Ended::held(Held::Run(HeldRun::Ask(id, asked)))),
            Some(given) => given.map_err(|error| Ended::new(id, error)),
        },
        HeldRun::Cancel(id, asked) => match given(&asked, session, id.as_id(), out) {
            None => Err(Ended::held(Held::Run(HeldRun::Cancel(id, asked)))),
            Some(given) => given.map_err(|error| Ended::new(id, error)),
        },
    }
}

fn answer<T: serde::Serialize + Send + 'static>(
    session: &Session,
    request: &Request<'_>,
    asked: Asked<T>,
    out: &mut Vec<u8>,
    held: impl FnOnce(OwnedRequestId, Asked<T>) -> HeldRun,
) -> Result<(), Stop> {
    match given(&asked, session, request.id, out) {
        None => Err(Held::Run(held(request.id.into(), asked)).into()),
        Some(given) => Ok(given?),
    }
}

/// The answer, if it has come.
fn given<T: serde::Serialize + Send + 'static>(
    asked: &Asked<T>,
    session: &Session,
    id: RequestId<'_>,
    out: &mut Vec<u8>,
) -> Option<Result<(), ErrorBody>> {
    let result = asked.poll(|| session.waker())?;
    let result = result.map_err(|error| unavailable(&error)).and_then(|result| result);
    Some(result.map(|data| respond(id, &data, out)))
}

fn asker(session: &Session) -> Asker {
    let connection = session.connection();
    let user = connection.identity().map(|identity| identity.user().clone());
    let key = user.clone().map_or_else(|| AskerKey::Connection(connection.id()), AskerKey::User);
    Asker { user, key }
}
