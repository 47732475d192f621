//! `get_history`: a page of a channel's history.

use ws_proto::action::GetHistory;
use ws_proto::{ErrorBody, Request, RequestId};

use super::answer::respond;
use super::held::{Held, HeldHistory};
use super::state::{Ended, Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::engine::{EngineError, History};
use crate::state::page_limit;

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<GetHistory<'_>>()?;
    page_limit(payload.limit)?;
    let channel = session.channel(&payload.channel)?;
    let options = session.options(channel)?;
    session.check(
        request.id,
        AccessCheck { right: Right::ReadHistory, channel: Some(channel), access: options.read_history },
    )?;
    let pending = session.membership.shared().history(&payload, &options)?;
    let epoch = payload.since.as_ref().map(|since| &*since.epoch);
    if let Some(result) = pending.poll(|| session.waker()) {
        return Ok(answer(session, request.id, channel.as_str(), epoch, result, out)?);
    }
    let (id, channel, epoch) = (request.id.into(), channel.as_str().into(), epoch.map(Into::into));
    Err(Held::History(HeldHistory { id, channel, epoch, pending }).into())
}

pub(super) fn go_on(held: HeldHistory, session: &Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    let Some(result) = held.pending.poll(|| session.waker()) else {
        return Err(Ended::held(Held::History(held)));
    };
    answer(session, held.id.as_id(), &held.channel, held.epoch.as_deref(), result, out)
        .map_err(|error| Ended::new(held.id, error))
}

fn answer(
    session: &Session,
    id: RequestId<'_>,
    channel: &str,
    epoch: Option<&str>,
    result: Result<History, EngineError>,
    out: &mut Vec<u8>,
) -> Result<(), ErrorBody> {
    respond(id, &session.membership.shared().history_data(channel, epoch, result)?, out);
    Ok(())
}
