//! `get_connections`: how many connections there are.

use ws_proto::action::{ConnectionsData, GetConnections};
use ws_proto::{ErrorBody, Request, RequestId};

use super::answer::respond;
use super::held::{Held, HeldConnections};
use super::state::{Ended, Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::engine::EngineError;
use crate::state::unavailable;

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let GetConnections {} = request.payload()?;
    let shared = session.membership.shared();
    let access = shared.actions.get_connections;
    session.check(request.id, AccessCheck { right: Right::GetConnections, channel: None, access })?;
    let Some(elsewhere) = shared.connections_elsewhere()? else {
        return Ok(answer(session, request.id, Ok(0), out)?);
    };
    if let Some(result) = elsewhere.poll(|| session.waker()) {
        return Ok(answer(session, request.id, result, out)?);
    }
    Err(Held::Connections(HeldConnections { id: request.id.into(), elsewhere }).into())
}

pub(super) fn go_on(held: HeldConnections, session: &Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    let Some(result) = held.elsewhere.poll(|| session.waker()) else {
        return Err(Ended::held(Held::Connections(held)));
    };
    answer(session, held.id.as_id(), result, out).map_err(|error| Ended::new(held.id, error))
}

fn answer(
    session: &Session,
    id: RequestId<'_>,
    elsewhere: Result<u64, EngineError>,
    out: &mut Vec<u8>,
) -> Result<(), ErrorBody> {
    let elsewhere = elsewhere.map_err(|error| unavailable(&error))?;
    let count = session.membership.shared().connections() as u64 + elsewhere;
    respond(id, &ConnectionsData { count }, out);
    Ok(())
}
