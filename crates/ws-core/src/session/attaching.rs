//! How a subscription begins: the engine is asked where the stream is, and then the fan-out follows it.

use std::sync::Arc;

use ws_proto::action::SubscribeData;
use ws_proto::{ErrorBody, ErrorCode};

use super::attached::Attached;
use super::pass::Pass;
use super::state::Session;
use crate::engine::{History, HistoryQuery, Pending};
use crate::hub::unavailable;
use crate::registry::Named;
use crate::subscription::{StartAt, Subscription, needs_position};

/// Asks the engine, if it has to be asked.
pub(super) fn attach(session: &Session, subscription: Arc<Subscription>, pass: Option<Box<Pass>>) -> Attached {
    let position = needs_position(subscription.channel()).then(|| ask(session, &subscription));
    Attached { subscription, position, pass }
}

/// Begins, if the engine has answered: appends what `tell` says of it, and lets the fan-out follow. Itself, if the
/// answer is still to come.
///
/// # Errors
/// The engine could not, or the subscription has ended in the meantime.
pub(super) fn go_on(
    mut attached: Attached,
    session: &mut Session,
    start: &StartAt<'_>,
    tell: impl FnOnce(&SubscribeData<'_>, &mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Result<Option<Attached>, ErrorBody> {
    if attached.subscription.has_ended() {
        let message = "the subscription was ended before it had begun";
        return Err(ErrorBody::new(ErrorCode::NotSubscribed, message));
    }
    loop {
        let history = match attached.position.as_ref().map(|position| position.poll(|| session.waker())) {
            None => None,
            Some(None) => return Ok(Some(attached)),
            Some(Some(Ok(history))) => Some(history),
            Some(Some(Err(error))) => {
                session.membership.unsubscribe(attached.channel());
                return Err(unavailable(&error));
            }
        };
        if attached.pass.as_ref().is_some_and(|pass| pass.has_ended(session.time_of_day())) {
            session.membership.unsubscribe(attached.channel());
            return Err(ErrorBody::new(ErrorCode::TokenExpired, "the token has expired in the meantime"));
        }
        if let Some((begun, data)) = session.membership.begin(&attached.subscription, start, history.as_ref()) {
            let counters = &session.membership.shared().counters;
            counters.recovered.add(u64::from(data.recovered == Some(true)));
            counters.not_recovered.add(u64::from(data.recovered == Some(false)));
            tell(&data, out);
            // It goes out before what the fan-out delivers from now on, and behind the answers before it.
            session.connection().queue(out);
            out.clear();
            session.membership.follow(attached.subscription.clone(), &begun);
            if let Some(pass) = attached.pass.take() {
                session.keep_pass(attached.subscription.channel().name(), *pass);
            }
            return Ok(None);
        }
        // The stream has begun again since the engine answered; its second answer says so.
        attached.position = Some(ask(session, &attached.subscription));
    }
}

fn ask(session: &Session, subscription: &Subscription) -> Pending<History> {
    let query = HistoryQuery {
        channel: subscription.channel().name(),
        retention: subscription.channel().options().retention(),
        after: 0,
        before: None,
        reverse: false,
        limit: 0,
        bytes_max: 0,
    };
    session.ask(|engine, done| engine.history(query, done))
}
