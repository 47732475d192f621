//! `get_history`: a page of what is retained in a channel.

use serde_json::value::RawValue;
use ws_proto::action::{GetHistory, HistoryData};
use ws_proto::publication::encode_history_entry;
use ws_proto::{ErrorBody, ErrorCode, Request};

use super::{Asked, Session, Stop, page, respond, unavailable};
use crate::access::{Right, Wish};
use crate::engine::{Epoch, History, HistoryQuery, Pending, Publication};
use crate::options::ChannelOptions;

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<GetHistory<'_>>()?;
    let limit = page::limit(payload.limit)?;
    let channel = session.channel(&payload.channel)?;
    let pending = match session.asked.take() {
        Some(Asked::History(pending)) => pending,
        _ => {
            let options = session.options(channel)?;
            session.check(Wish { right: Right::ReadHistory, channel: Some(channel), access: options.read_history })?;
            if !options.has_history() {
                return Err(ErrorBody::new(ErrorCode::NotAvailable, "this channel keeps no history").into());
            }
            ask(session, &payload, limit, &options)
        }
    };
    let Some(result) = pending.take() else {
        session.asked = Some(Asked::History(pending));
        return Err(Stop::Hold);
    };
    let history = result.map_err(|error| unavailable(&error))?;
    if payload.since.as_ref().is_some_and(|since| Epoch::parse(&since.epoch) != Some(history.epoch)) {
        let message = format!("payload: `since` is in another epoch; the channel is in {}", history.epoch);
        return Err(ErrorBody::new(ErrorCode::StalePosition, message).into());
    }
    let mut publications = entries(&history)?;
    let lengths = publications.iter().map(|entry| entry.get().len());
    let fitting = page::fitting(lengths, session.membership.shared().limits.outbox_bytes_max);
    let more = history.more || fitting < publications.len();
    publications.truncate(fitting);
    let data = HistoryData {
        channel: channel.as_str().into(),
        epoch: history.epoch.to_string().into(),
        offset: history.top,
        publications,
        more,
    };
    respond(request.id, &data, out);
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
