//! `broadcast`: sends a value to every connection.

use serde_json::value::RawValue;
use ws_proto::action::{Broadcast, BroadcastData};
use ws_proto::event::BroadcastEvent;
use ws_proto::{Request, RequestId};

use super::answer::respond;
use super::held::{Held, HeldBroadcast};
use super::state::{Ended, Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::limits::PUBLICATION_ENVELOPE_BYTES;
use crate::waiter::Waiter;

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Broadcast { message } = request.payload::<Broadcast<&RawValue>>()?;
    let access = session.membership.shared().actions.broadcast;
    session.check(request.id, AccessCheck { right: Right::Broadcast, channel: None, access })?;
    session.membership.shared().knows_all("`broadcast` to the connections")?;
    let mut waiter = Waiter::default();
    if submit(session, request.id, message, &mut waiter, out) {
        return Ok(());
    }
    Err(Held::Broadcast(HeldBroadcast { id: request.id.into(), message: message.to_owned(), waiter }).into())
}

pub(super) fn go_on(mut held: HeldBroadcast, session: &Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    if submit(session, held.id.as_id(), &held.message, &mut held.waiter, out) {
        return Ok(());
    }
    Err(Ended::held(Held::Broadcast(held)))
}

/// False if it has to wait.
fn submit(session: &Session, id: RequestId<'_>, message: &RawValue, waiter: &mut Waiter, out: &mut Vec<u8>) -> bool {
    let shared = session.membership.shared();
    let recipients = shared.connections() as u64;
    let bytes = message.get().len() + PUBLICATION_ENVELOPE_BYTES;
    let event = BroadcastEvent { message, from: Some(session.sender()) };
    let is_sent = shared.broadcast(&event, bytes, session.timing.read_us(), waiter, || session.waker());
    if is_sent {
        respond(id, &BroadcastData { recipients }, out);
    }
    is_sent
}
