//! `broadcast`: the value goes to every connection.

use serde_json::value::RawValue;
use ws_proto::Request;
use ws_proto::action::{Broadcast, BroadcastData};
use ws_proto::event::BroadcastEvent;

use super::{Session, Stop, respond};
use crate::access::{Right, Wish};

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Broadcast { message } = request.payload::<Broadcast<&RawValue>>()?;
    let shared = session.membership.shared();
    session.check(Wish { right: Right::Broadcast, channel: None, access: shared.actions.broadcast })?;
    if !shared.may_broadcast(session.connection()) {
        return Err(Stop::Hold);
    }
    let recipients = shared.connections() as u64;
    shared.broadcast(&BroadcastEvent { message, from: Some(session.sender()) });
    respond(request.id, &BroadcastData { recipients }, out);
    Ok(())
}
