//! How a subscription starts: the engine is asked for the position of the stream, then the fan-out takes over.

use std::sync::Arc;

use ws_proto::action::SubscribeData;
use ws_proto::{ErrorBody, ErrorCode};

use super::attached::Attached;
use super::state::Session;
use super::subscription_grant::SubscriptionGrant;
use crate::engine::pending::Pending;
use crate::engine::{Done, History, HistoryQuery};
use crate::limits::ATTACH_ROUNDS_MAX;
use crate::registry::Named;
use crate::state::{Subscription, unavailable};
use crate::subscription::{StartAt, asks_engine};

/// Asks the engine for the position, if it is needed.
pub(super) fn attach(
    session: &Session,
    subscription: Arc<Subscription>,
    grant: Option<Box<SubscriptionGrant>>,
) -> Attached {
    let position =
        asks_engine(subscription.channel(), &*session.membership.shared().engine).then(|| ask(session, &subscription));
    Attached { subscription, position, grant }
}

/// Starts the subscription if the engine has answered: appends the answer with `tell`, and notifies the fan-out.
/// Returns `attached` if the answer is still pending.
///
/// # Errors
/// The engine failed, the token has expired, or the subscription has ended in the meantime.
pub(super) fn go_on(
    mut attached: Attached,
    session: &mut Session,
    start: &StartAt<'_>,
    tell: impl FnOnce(&SubscribeData<'_>, &mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Result<Option<Attached>, ErrorBody> {
    if attached.subscription.has_ended() {
        let message = "the subscription ended before it had started";
        return Err(ErrorBody::new(ErrorCode::NotSubscribed, message));
    }
    for _ in 0..ATTACH_ROUNDS_MAX {
        let history = match attached.position.as_ref().map(|position| position.poll(|| session.waker())) {
            None => None,
            Some(None) => return Ok(Some(attached)),
            Some(Some(Ok(history))) => history,
            Some(Some(Err(error))) => {
                attached.subscription.set_failed();
                session.membership.unsubscribe(attached.channel());
                session.end_streams_of(attached.channel(), out);
                session.look_at_calls_again();
                return Err(unavailable(&error));
            }
        };
        if !attached.subscription.is_assigned()
            && attached.grant.as_ref().is_some_and(|grant| grant.has_expired(session.time_of_day()))
        {
            session.membership.unsubscribe(attached.channel());
            session.end_streams_of(attached.channel(), out);
            return Err(ErrorBody::new(ErrorCode::TokenExpired, "the token has expired in the meantime"));
        }
        if let Some((started, data)) = session.membership.start(&attached.subscription, start, history.as_ref()) {
            let counters = &session.membership.shared().counters;
            counters.recovered.add(u64::from(data.recovered == Some(true)));
            counters.not_recovered.add(u64::from(data.recovered == Some(false)));
            tell(&data, out);
            // It goes out before what the fan-out delivers from now on, and after earlier answers.
            session.connection().queue(out);
            out.clear();
            session.membership.follow(attached.subscription.clone(), &started);
            if let Some(grant) = attached.grant.take() {
                session.set_subscription_grant(attached.subscription.channel().name(), *grant);
            }
            session.look_at_calls_again();
            return Ok(None);
        }
        // The stream has started a new epoch since the engine answered: ask again.
        attached.position = Some(ask(session, &attached.subscription));
    }
    // Others have their turn first.
    session.connection().call();
    Ok(Some(attached))
}

/// Asks for the position; a channel without history has none, and waits until what is published arrives.
fn ask(session: &Session, subscription: &Subscription) -> Pending<Option<History>> {
    let (shared, channel) = (session.membership.shared(), subscription.channel());
    if !channel.options().has_history() {
        return Pending::call(|done: Done<Option<History>>| {
            shared.engine.following(channel.name(), Box::new(|result| done(result.map(|()| None))));
        });
    }
    let query = HistoryQuery {
        channel: channel.name(),
        retention: channel.options().retention(),
        after: 0,
        before: None,
        reverse: false,
        limit: 0,
        bytes_max: 0,
    };
    Pending::call(|done: Done<Option<History>>| {
        shared.read_history(query, Box::new(|result| done(result.map(Some))));
    })
}
