//! `get_history`: a page of what is retained in a channel.

use serde_json::value::RawValue;
use ws_proto::action::{GetHistory, HistoryData};
use ws_proto::publication::encode_history_entry;
use ws_proto::{ErrorBody, ErrorCode, Request, RequestId};

use super::answer::{respond, unavailable};
use super::held::{Held, HeldHistory};
use super::page;
use super::state::{Ended, Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::engine::{EngineError, Epoch, History, HistoryQuery, Pending, Publication};
use crate::options::ChannelOptions;

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<GetHistory<'_>>()?;
    let limit = page::limit(payload.limit)?;
    let channel = session.channel(&payload.channel)?;
    let options = session.options(channel)?;
    session.check(AccessCheck { right: Right::ReadHistory, channel: Some(channel), access: options.read_history })?;
    if !options.has_history() {
        return Err(ErrorBody::new(ErrorCode::NotAvailable, "this channel keeps no history").into());
    }
    let pending = ask(session, &payload, limit, &options);
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
    let history = result.map_err(|error| unavailable(&error))?;
    if epoch.is_some_and(|epoch| Epoch::parse(epoch) != Some(history.epoch)) {
        let message = format!("`payload.since.epoch` is another epoch; the channel is in {}", history.epoch);
        return Err(ErrorBody::new(ErrorCode::StalePosition, message));
    }
    let mut publications = entries(&history)?;
    let lengths = publications.iter().map(|entry| entry.get().len());
    let fitting = page::fitting(lengths, session.membership.shared().limits.outbox_bytes_max);
    let more = history.more || fitting < publications.len();
    publications.truncate(fitting);
    let data = HistoryData {
        channel: channel.into(),
        epoch: history.epoch.to_string().into(),
        offset: history.top,
        publications,
        more,
    };
    respond(id, &data, out);
    Ok(())
}

fn ask(session: &Session, payload: &GetHistory<'_>, limit: usize, options: &ChannelOptions) -> Pending<History> {
    let query = HistoryQuery {
        channel: &payload.channel,
        retention: options.retention(),
        after: payload.since.as_ref().map_or(0, |since| since.offset),
        before: payload.before,
        reverse: payload.reverse.unwrap_or(false),
        limit,
        bytes_max: session.membership.shared().limits.outbox_bytes_max,
    };
    session.ask(|engine, done| engine.history(query, done))
}

fn entries(history: &History) -> Result<Vec<Box<RawValue>>, ErrorBody> {
    let entry = |publication: &Publication| {
        let mut entry = Vec::new();
        encode_history_entry(publication.offset.unwrap_or_default(), &publication.body, &mut entry);
        serde_json::from_slice(&entry)
    };
    let entries = history.publications.iter().map(entry).collect::<Result<_, _>>();
    entries.map_err(|error| ErrorBody::new(ErrorCode::Internal, format!("a stored publication is no JSON: {error}")))
}
