//! `broadcast`: the value goes to every connection.

use serde_json::value::RawValue;
use ws_proto::Request;
use ws_proto::action::{Broadcast, BroadcastData};
use ws_proto::event::BroadcastEvent;

use super::{Session, Stop, respond};

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Broadcast { message } = request.payload::<Broadcast<&RawValue>>()?;
    let shared = session.membership.shared();
    if !shared.may_broadcast(session.connection()) {
        return Err(Stop::Hold);
    }
    let recipients = shared.connections() as u64;
    shared.broadcast(&BroadcastEvent { message, from: Some(session.sender()) });
    respond(request.id, &BroadcastData { recipients }, out);
    Ok(())
}
