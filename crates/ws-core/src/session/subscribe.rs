//! `subscribe`: reads a channel from a position on.

use std::sync::Arc;

use ws_proto::action::Subscribe;
use ws_proto::{ChannelName, ErrorBody, ErrorCode, Request};

use super::answer::respond;
use super::attached::Attached;
use super::attaching;
use super::held::{Held, HeldSubscribe};
use super::state::{Ended, Session, Stop};
use super::subscription_grant::SubscriptionGrant;
use crate::access::{AccessCheck, Right};
use crate::options::ChannelOptions;
use crate::subscription::StartAt;

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<Subscribe<'_>>()?;
    let start = start(&payload)?;
    let channel = session.channel(&payload.channel)?;
    if renews(session, channel, &payload) {
        return renew(session, request, channel, &payload, out);
    }
    let attached = attach(session, request, channel, &payload)?;
    match attaching::go_on(attached, session, &start, |data, out| respond(request.id, data, out), out)? {
        None => Ok(()),
        Some(attached) => {
            let held = HeldSubscribe { id: request.id.into(), start: start.into_owned(), attached };
            Err(Held::Subscribe(held).into())
        }
    }
}

pub(super) fn go_on(held: HeldSubscribe, session: &mut Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    let HeldSubscribe { id, start, attached } = held;
    match attaching::go_on(attached, session, &start, |data, out| respond(id.as_id(), data, out), out) {
        Ok(None) => Ok(()),
        Ok(Some(attached)) => Err(Ended::held(Held::Subscribe(HeldSubscribe { id, start, attached }))),
        Err(error) => Err(Ended::new(id, error)),
    }
}

/// Whether the request only replaces the subscription token of an existing subscription.
fn renews(session: &Session, channel: ChannelName<'_>, payload: &Subscribe<'_>) -> bool {
    payload.token.is_some()
        && payload.since.is_none()
        && payload.rewind.is_none()
        && session.subscription_grants(channel.as_str()).is_some()
}

fn renew(
    session: &mut Session,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    payload: &Subscribe<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let (_, grant) = right(session, request, channel, payload)?;
    if let Some(grant) = grant {
        session.set_subscription_grant(channel.as_str(), *grant);
    }
    respond(request.id, &session.membership.position(channel.as_str()), out);
    Ok(())
}

fn attach(
    session: &mut Session,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    payload: &Subscribe<'_>,
) -> Result<Attached, Stop> {
    let (options, grant) = right(session, request, channel, payload)?;
    let asks_for_history = payload.since.is_some() || payload.rewind.is_some();
    if !options.has_history() && asks_for_history {
        let message = "this channel keeps no history (`history_size = 0`), so neither `since` nor `rewind` is possible";
        return Err(ErrorBody::new(ErrorCode::NotAvailable, message).into());
    }
    session.check_engine(Some(channel))?;
    let subscription = session.membership.attach(channel, &options)?;
    Ok(attaching::attach(session, subscription, grant))
}

/// Checks whether the connection may subscribe. Returns what the subscription token of the request grants, if it has
/// one.
fn right(
    session: &mut Session,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    payload: &Subscribe<'_>,
) -> Result<(Arc<ChannelOptions>, Option<Box<SubscriptionGrant>>), Stop> {
    let options = session.options(channel)?;
    let grant = payload.token.as_deref().map(|token| grant(session, request, channel, token)).transpose()?;
    let check = AccessCheck { right: Right::Subscribe, channel: Some(channel), access: options.subscribe };
    let is_in_its_channel = channel.stream().is_some_and(|stream| session.is_subscribed(stream.channel));
    if !is_in_its_channel || grant.is_some() {
        session.check_with(request.id, check, grant.as_deref().map(SubscriptionGrant::grants))?;
    }
    Ok((options, grant))
}

/// What a subscription token grants.
fn grant(
    session: &mut Session,
    request: &Request<'_>,
    channel: ChannelName<'_>,
    token: &str,
) -> Result<Box<SubscriptionGrant>, Stop> {
    let identity = session.connection().identity();
    let user = identity.as_ref().map(|identity| &**identity.user());
    let unix_ms = session.time_of_day();
    // A token for a channel opens its streams too.
    let channel = channel.asking().as_str();
    let claims = session.claims(request, |auth| auth.subscribe(token, channel, user, unix_ms))?;
    Ok(Box::new(SubscriptionGrant::new(claims, channel)))
}

fn start<'a>(payload: &Subscribe<'a>) -> Result<StartAt<'a>, ErrorBody> {
    match (&payload.since, payload.rewind) {
        (Some(_), Some(_)) => {
            let message = "`payload.since` and `payload.rewind` exclude each other";
            Err(ErrorBody::new(ErrorCode::InvalidPayload, message))
        }
        (Some(since), None) => Ok(StartAt::Since { epoch: since.epoch.clone(), offset: since.offset }),
        (None, Some(n)) if n > 0 => Ok(StartAt::Last(n.into())),
        (None, _) => Ok(StartAt::Now),
    }
}
