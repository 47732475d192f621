//! `get_presence`: a page of a channel's presence.

use ws_proto::Request;
use ws_proto::action::GetPresence;

use super::answer::respond;
use super::state::{Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::state::PresenceQuery;

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<GetPresence<'_>>()?;
    let query = PresenceQuery::new(&payload)?;
    let channel = session.channel(&payload.channel)?;
    let options = session.options(channel)?;
    session.check(
        request.id,
        AccessCheck { right: Right::ReadPresence, channel: Some(channel), access: options.read_presence },
    )?;
    respond(request.id, &session.membership.shared().presence(&query, &options)?, out);
    Ok(())
}
