//! A subscription that has its place in a channel, and waits for the engine to say where the stream is.

use std::sync::Arc;

use ws_proto::action::SubscribeData;
use ws_proto::{ErrorBody, ErrorCode};

use super::login::Pass;
use super::{Session, unavailable};
use crate::engine::{History, HistoryQuery, Pending};
use crate::registry::Named;
use crate::subscribing::{From, needs_position};
use crate::subscription::Subscription;

/// See the module.
#[derive(Debug)]
pub(super) struct Attached {
    subscription: Arc<Subscription>,
    /// Nothing where the engine need not be asked.
    position: Option<Pending<History>>,
    /// The token that it was asked for with.
    pass: Option<Box<Pass>>,
}

impl Attached {
    /// Asks the engine, if it has to be asked.
    pub(super) fn new(session: &Session, subscription: Arc<Subscription>, pass: Option<Box<Pass>>) -> Self {
        let position = needs_position(subscription.channel()).then(|| ask(session, &subscription));
        Attached { subscription, position, pass }
    }

    pub(super) fn channel(&self) -> &str {
        self.subscription.channel().name()
    }

    /// Begins, if the engine has answered: appends what `tell` says of it, and lets the fan-out follow. Itself, if the
    /// answer is still to come.
    ///
    /// # Errors
    /// The engine could not, or the subscription has ended in the meantime.
    pub(super) fn go_on(
        mut self,
        session: &mut Session,
        from: &From<'_>,
        tell: impl FnOnce(&SubscribeData<'_>, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<Option<Self>, ErrorBody> {
        if self.subscription.has_ended() {
            let message = "the subscription was ended before it had begun";
            return Err(ErrorBody::new(ErrorCode::NotSubscribed, message));
        }
        loop {
            let history = match self.position.as_ref().map(|position| position.poll(|| session.waker())) {
                None => None,
                Some(None) => return Ok(Some(self)),
                Some(Some(Ok(history))) => Some(history),
                Some(Some(Err(error))) => {
                    session.membership.unsubscribe(self.channel());
                    return Err(unavailable(&error));
                }
            };
            if self.pass.as_ref().is_some_and(|pass| pass.has_ended(session.time_of_day())) {
                session.membership.unsubscribe(self.channel());
                return Err(ErrorBody::new(ErrorCode::TokenExpired, "the token has expired in the meantime"));
            }
            if let Some((begun, data)) = session.membership.begin(&self.subscription, from, history.as_ref()) {
                let counters = &session.membership.shared().counters;
                counters.recovered.add(u64::from(data.recovered == Some(true)));
                counters.not_recovered.add(u64::from(data.recovered == Some(false)));
                tell(&data, out);
                // It goes out before what the fan-out delivers from now on, and behind the answers before it.
                session.connection().queue(out);
                out.clear();
                session.membership.follow(self.subscription.clone(), &begun);
                if let Some(pass) = self.pass.take() {
                    session.keep_pass(self.subscription.channel().name(), *pass);
                }
                return Ok(None);
            }
            // The stream has begun again since the engine answered; its second answer says so.
            self.position = Some(ask(session, &self.subscription));
        }
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
