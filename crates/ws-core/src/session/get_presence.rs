//! `get_presence`: a page of a channel's presence.

use ws_proto::Request;
use ws_proto::action::GetPresence;

use super::answer::respond;
use super::held::{Held, HeldPresence};
use super::state::{Ended, Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::state::PresencePage;

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<GetPresence<'_>>()?;
    let shared = session.membership.shared();
    let query = shared.presence_query(&payload)?;
    let channel = session.channel(&payload.channel)?;
    let options = session.options(channel)?;
    session.check(
        request.id,
        AccessCheck { right: Right::ReadPresence, channel: Some(channel), access: options.read_presence },
    )?;
    let pending = match shared.presence(&query, &options)? {
        PresencePage::Here(data) => {
            respond(request.id, &data, out);
            return Ok(());
        }
        PresencePage::Asked(pending) => pending,
    };
    if let Some(result) = pending.poll(|| session.waker()) {
        respond(request.id, &shared.presence_data(channel.as_str(), result)?, out);
        return Ok(());
    }
    Err(Held::Presence(HeldPresence { id: request.id.into(), channel: channel.as_str().into(), pending }).into())
}

pub(super) fn go_on(held: HeldPresence, session: &Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    let Some(result) = held.pending.poll(|| session.waker()) else {
        return Err(Ended::held(Held::Presence(held)));
    };
    match session.membership.shared().presence_data(&held.channel, result) {
        Ok(data) => respond(held.id.as_id(), &data, out),
        Err(error) => return Err(Ended::new(held.id, error)),
    }
    Ok(())
}
