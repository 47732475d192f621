//! `broadcast`: sends a value to every connection.

use serde_json::value::RawValue;
use ws_proto::action::Broadcast;
use ws_proto::event::BroadcastEvent;
use ws_proto::{ErrorBody, Request, RequestId};

use super::answer::respond;
use super::held::{Held, HeldBroadcast};
use super::state::{Ended, Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::state::Broadcasting;

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Broadcast { message } = request.payload::<Broadcast<&RawValue>>()?;
    let access = session.membership.shared().actions.broadcast;
    session.check(request.id, AccessCheck { right: Right::Broadcast, channel: None, access })?;
    let mut broadcasting = Broadcasting::default();
    match submit(session, request.id, message, &mut broadcasting, out) {
        Some(result) => Ok(result?),
        None => {
            let (id, message) = (request.id.into(), message.to_owned());
            Err(Held::Broadcast(HeldBroadcast { id, message, broadcasting }).into())
        }
    }
}

pub(super) fn go_on(mut held: HeldBroadcast, session: &Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    match submit(session, held.id.as_id(), &held.message, &mut held.broadcasting, out) {
        Some(result) => result.map_err(|error| Ended::new(held.id, error)),
        None => Err(Ended::held(Held::Broadcast(held))),
    }
}

/// `None` if it has to wait.
fn submit(
    session: &Session,
    id: RequestId<'_>,
    message: &RawValue,
    broadcasting: &mut Broadcasting,
    out: &mut Vec<u8>,
) -> Option<Result<(), ErrorBody>> {
    let shared = session.membership.shared();
    let event = BroadcastEvent { message, from: Some(session.sender()) };
    let sent = shared.broadcast(&event, session.timing.read_us(), broadcasting, || session.waker())?;
    Some(sent.map(|data| respond(id, &data, out)))
}
