//! `get_connections`: how many connections there are.

use ws_proto::Request;
use ws_proto::action::{ConnectionsData, GetConnections};

use super::answer::respond;
use super::state::{Session, Stop};
use crate::access::{AccessCheck, Right};

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let GetConnections {} = request.payload()?;
    let access = session.membership.shared().actions.get_connections;
    session.check(request.id, AccessCheck { right: Right::GetConnections, channel: None, access })?;
    session.membership.shared().knows_all("the number of connections")?;
    let count = session.membership.shared().connections() as u64;
    respond(request.id, &ConnectionsData { count }, out);
    Ok(())
}
