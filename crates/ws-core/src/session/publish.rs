//! `publish`: one more publication in a channel.

use serde_json::value::RawValue;
use ws_proto::action::Publish;
use ws_proto::publication::Tags;
use ws_proto::{ErrorBody, Request, RequestId};

use super::answer::respond;
use super::held::{Held, HeldPublish};
use super::state::{Ended, Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::state::{Draft, Repeat, check_msg_id, unavailable};
use crate::waiter::Waiter;

/// Submits the publication to the engine. If the engine answers within the call, so does this; otherwise
/// [`Session::go_on`] appends the answer in its turn, and the next publication need not wait for it.
pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<Publish<'_, &RawValue>>()?;
    check_msg_id(payload.msg_id.as_deref())?;
    let repeat = Repeat::of(&payload, session.arrived_ms())?;
    let channel = session.channel(&payload.channel)?;
    let options = session.options(channel)?;
    session
        .check(request.id, AccessCheck { right: Right::Publish, channel: Some(channel), access: options.publish })?;
    let draft = Draft {
        channel: &payload.channel,
        options: &options,
        data: payload.data,
        from: None,
        msg_id: payload.msg_id.as_deref(),
        shows_id: true,
        is_last: false,
        repeat,
        tags: payload.tags.as_ref(),
        read_us: session.timing.read_us(),
    };
    let mut waiter = Waiter::default();
    if submit(session, request.id, draft, &mut waiter, out)? {
        return Ok(());
    }
    let held = HeldPublish {
        id: request.id.into(),
        channel: payload.channel.into(),
        data: payload.data.to_owned(),
        msg_id: payload.msg_id.map(Into::into),
        repeat,
        tags: payload.tags.map(owned),
        options,
        waiter,
    };
    Err(Held::Publish(held).into())
}

pub(super) fn go_on(mut held: HeldPublish, session: &mut Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    if let Err(error) = session.membership.shared().check_held(&held.channel, &held.options, session.timing.read_us()) {
        return Err(Ended::new(held.id, unavailable(&error)));
    }
    let draft = Draft {
        channel: &held.channel,
        options: &held.options,
        data: &held.data,
        from: None,
        msg_id: held.msg_id.as_deref(),
        shows_id: true,
        is_last: false,
        repeat: held.repeat,
        tags: held.tags.as_ref(),
        read_us: session.timing.read_us(),
    };
    match submit(session, held.id.as_id(), draft, &mut held.waiter, out) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Ended::held(Held::Publish(held))),
        Err(error) => Err(Ended::new(held.id, error)),
    }
}

/// False if it has to wait.
fn submit(
    session: &mut Session,
    id: RequestId<'_>,
    draft: Draft<'_>,
    waiter: &mut Waiter,
    out: &mut Vec<u8>,
) -> Result<bool, ErrorBody> {
    if session.unanswered.is_full() {
        return Ok(false);
    }
    let sender = session.sender();
    let (channel, draft) = (draft.channel, Draft { from: Some(&sender), ..draft });
    let shared = session.membership.shared();
    let Some(publishing) = shared.publish(&draft, waiter, || session.waker()) else { return Ok(false) };
    if session.unanswered.is_empty()
        && let Some(result) = publishing.poll(|| session.waker())
    {
        respond(id, &shared.published(channel, result)?, out);
        return Ok(true);
    }
    let read_us = session.timing.defer();
    session.unanswered.push(id.into(), channel.into(), read_us, publishing);
    Ok(true)
}

fn owned(tags: Tags<'_>) -> Tags<'static> {
    tags.into_iter().map(|(name, value)| (name.into_owned().into(), value.into_owned().into())).collect()
}
