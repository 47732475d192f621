//! `publish`: one publication more in a channel.

use serde_json::value::RawValue;
use ws_proto::action::{Ack, Publish, PublishData};
use ws_proto::publication::{BODY_DATA_START, encode_publication_body};
use ws_proto::{ErrorBody, ErrorCode, Request, limits};

use super::unanswered::Publishing;
use super::{Session, Stop, respond, unavailable};
use crate::access::{Right, Wish};
use crate::clock::Clock;
use crate::engine::{Append, Appended, EngineError, Pending};
use crate::hub::Shared;
use crate::options::ChannelOptions;
use crate::publishing::encoded;

/// Gives the publication to the engine. An answer that comes within the call is given at once; one that
/// comes later, in its turn, by [`Session::answers`]: the next publication need not wait for it.
pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<Publish<'_, &RawValue>>()?;
    check_id(payload.msg_id.as_deref())?;
    let channel = session.channel(&payload.channel)?;
    let options = session.options(channel)?;
    session.check(Wish { right: Right::Publish, channel: Some(channel), access: options.publish })?;
    let shared = session.membership.shared();
    if session.unanswered.is_full() || !shared.may_publish(channel.as_str(), &options, session.connection()) {
        return Err(Stop::Hold);
    }
    let pending = append(session, &payload, &options);
    if session.unanswered.is_empty()
        && let Some(result) = pending.take()
    {
        respond(request.id, &published(shared, channel.as_str(), result)?, out);
        return Ok(());
    }
    let (id, channel) = (request.id.into(), channel.as_str().into());
    session.unanswered.push(Publishing { id, channel, pending }, session.membership.connection());
    Ok(())
}

/// The answer to a publication, as the engine's result has it.
pub(super) fn published<'a>(
    shared: &Shared,
    channel: &'a str,
    result: Result<Appended, EngineError>,
) -> Result<PublishData<'a>, ErrorBody> {
    match result {
        Ok(Appended { position, duplicate }) => {
            let count = if duplicate { &shared.counters.duplicates } else { &shared.counters.publications };
            count.add(1);
            let epoch = position.map(|(epoch, _)| epoch.to_string().into());
            let offset = position.map(|(_, offset)| offset);
            let ack = if position.is_some() { shared.engine.ack() } else { Ack::Memory };
            Ok(PublishData { channel: channel.into(), epoch, offset, ack, duplicate })
        }
        Err(EngineError::Conflict) => {
            let message =
                "payload: `msg_id` stands for a publication with other data in this channel; choose another one";
            Err(ErrorBody::new(ErrorCode::Conflict, message))
        }
        Err(error) => Err(unavailable(&error)),
    }
}

fn check_id(msg_id: Option<&str>) -> Result<(), ErrorBody> {
    let bytes = msg_id.map_or(0, str::len);
    if bytes > limits::MSG_ID_BYTES_MAX {
        let message = format!("payload: `msg_id` has {bytes} bytes, more than {}", limits::MSG_ID_BYTES_MAX);
        return Err(ErrorBody::new(ErrorCode::InvalidPayload, message));
    }
    Ok(())
}

fn append(session: &Session, payload: &Publish<'_, &RawValue>, options: &ChannelOptions) -> Pending<Appended> {
    let (time, sender, msg_id) = (Clock::unix_ms(), session.sender(), payload.msg_id.as_deref());
    let mut data = 0;
    let encode = |out: &mut Vec<u8>| {
        data = encode_publication_body(payload.data, time, Some(&sender), msg_id, payload.tags.as_ref(), out);
    };
    let body = encoded(encode, |body| body.into());
    let append = Append {
        channel: &payload.channel,
        retention: options.retention(),
        body,
        data: BODY_DATA_START..BODY_DATA_START + data,
        msg_id,
    };
    Pending::quietly(|done| session.membership.shared().engine.append(append, done))
}
