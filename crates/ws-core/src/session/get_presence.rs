//! `get_presence`: who is in a channel, page by page.

use ws_proto::action::{GetPresence, PresenceData};
use ws_proto::{ErrorBody, ErrorCode, Request};

use super::answer::respond;
use super::page;
use super::state::{Session, Stop};
use crate::access::{AccessCheck, Right};
use crate::subscription::client;

pub(super) fn run(session: &Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<GetPresence<'_>>()?;
    let (after, limit) = (payload.after.as_deref().map(cursor).transpose()?, page::limit(payload.limit)?);
    let channel = session.channel(&payload.channel)?;
    let options = session.options(channel)?;
    session.check(AccessCheck { right: Right::ReadPresence, channel: Some(channel), access: options.read_presence })?;
    if !options.presence {
        return Err(ErrorBody::new(ErrorCode::NotAvailable, "this channel does not say who is there").into());
    }
    let channel = channel.as_str().into();
    let Some(present) = session.membership.shared().channels.get(&payload.channel) else {
        let data = PresenceData::<()> { channel, connections: 0, users: 0, clients: Vec::new(), next: None };
        respond(request.id, &data, out);
        return Ok(());
    };
    let state = present.lock();
    let counts = state.presence.counts();
    // One more than asked for tells whether there are more.
    let found: Vec<_> = state.presence.page(after, limit + 1).map(|(at, entry)| (at, entry.clone())).collect();
    drop(state);
    let mut clients: Vec<_> = found.iter().map(|(_, connection)| client(connection)).collect();
    let lengths = clients.iter().map(|client| serde_json::to_vec(client).map_or(0, |encoded| encoded.len()));
    let fitting = page::fitting(lengths, session.membership.shared().limits.outbox_bytes_max).min(limit);
    clients.truncate(fitting);
    let next = found.get(fitting).map(|_| found[fitting - 1].0.to_string().into());
    let data = PresenceData { channel, connections: counts.connections, users: counts.users, clients, next };
    respond(request.id, &data, out);
    Ok(())
}

fn cursor(after: &str) -> Result<u64, ErrorBody> {
    let message = "`payload.after` is not a cursor: pass `next` of the page before, unchanged";
    after.parse().map_err(|_| ErrorBody::new(ErrorCode::InvalidPayload, message))
}
