//! What the server API asks of a connection: subscriptions that start and end from the server's side.

use std::sync::Arc;

use ws_proto::event::{EndCode, Unsubscribed};
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::answer::append_event;
use super::attached::{Attached, Called};
use super::attaching;
use super::state::Session;
use crate::options::ChannelOptions;
use crate::state::{Answer, Call, What};
use crate::subscription::{StartAt, already_subscribed};

impl Session {
    /// Whether there are calls to be answered.
    pub(super) fn is_called(&self) -> bool {
        self.membership.entry.calls.any() || self.login.as_ref().is_some_and(|login| !login.called.is_empty())
    }

    /// Continues what waits for the engine, then takes new calls, as long as there is room in the outbox. What ends a
    /// subscription needs none: a client that reads nothing cannot fend it off, and each subscription ends only once.
    pub(super) fn go_on_with_calls(&mut self, out: &mut Vec<u8>) {
        if self.closing.is_some() {
            return;
        }
        let called = self.login.as_mut().map(|login| std::mem::take(&mut login.called)).unwrap_or_default();
        for called in called {
            if self.has_room(out) {
                self.go_on_with_called(called, out);
            } else {
                self.login.get_or_insert_default().called.push(called);
            }
        }
        let entry = self.membership.entry.clone();
        while entry.calls.any()
            && let Some(Call { what, channel, answer }) =
                if self.has_room(out) { entry.calls.pop() } else { entry.calls.pop_unsubscribe() }
        {
            match what {
                What::Subscribe { options, or_keep } => self.subscribe_called(&channel, &options, or_keep, answer, out),
                What::Unsubscribe => {
                    let result = self.unsubscribe_called(&channel, out);
                    answer.send(result);
                }
            }
        }
    }

    fn subscribe_called(
        &mut self,
        channel: &str,
        options: &Arc<ChannelOptions>,
        or_keep: bool,
        answer: Answer,
        out: &mut Vec<u8>,
    ) {
        let existing = self.membership.subscription(channel);
        existing.iter().for_each(|subscription| subscription.assign());
        match existing {
            Some(subscription) if or_keep => self.go_on_with_called(Called::Kept(subscription, answer), out),
            Some(_) => answer.send(Err(already_subscribed())),
            None => match self.attach_called(channel, options) {
                Ok(attached) => self.go_on_with_called(Called::New(attached, answer), out),
                Err(error) => answer.send(Err(error)),
            },
        }
    }

    fn attach_called(&self, channel: &str, options: &Arc<ChannelOptions>) -> Result<Attached, ErrorBody> {
        let subscription = self.membership.attach(ChannelName::parse(channel)?, options)?;
        subscription.assign();
        Ok(attaching::attach(self, subscription, None))
    }

    fn go_on_with_called(&mut self, called: Called, out: &mut Vec<u8>) {
        let waiting = match called {
            Called::New(attached, answer) => {
                match attaching::go_on(attached, self, &StartAt::Now, |data, out| append_event(data, out), out) {
                    Ok(None) => return answer.send(Ok(())),
                    Err(error) => return answer.send(Err(error)),
                    Ok(Some(attached)) => {
                        answer.asks_engine();
                        Called::New(attached, answer)
                    }
                }
            }
            Called::Kept(subscription, answer) if subscription.has_failed() => {
                let message = "the engine could not say where the subscription starts";
                return answer.send(Err(ErrorBody::new(ErrorCode::EngineUnavailable, message)));
            }
            Called::Kept(subscription, answer) if subscription.has_ended() => {
                let message = "the subscription ended before it had started";
                return answer.send(Err(ErrorBody::new(ErrorCode::NotSubscribed, message)));
            }
            Called::Kept(subscription, answer) if subscription.has_started() => return answer.send(Ok(())),
            // Whoever waits for what is there already may give up at any time.
            Called::Kept(_, answer) if !answer.is_wanted() => return,
            Called::Kept(subscription, answer) => {
                answer.asks_engine();
                Called::Kept(subscription, answer)
            }
        };
        self.login.get_or_insert_default().called.push(waiting);
    }

    /// A subscription has started, or has not: calls may wait for it.
    pub(super) fn look_at_calls_again(&self) {
        if self.login.as_ref().is_some_and(|login| !login.called.is_empty()) {
            self.connection().call();
        }
    }

    fn unsubscribe_called(&mut self, channel: &str, out: &mut Vec<u8>) -> Result<(), ErrorBody> {
        self.remove_subscription_grant(channel);
        if !self.membership.unsubscribe(channel) {
            let message = "the connection is not subscribed to the channel";
            return Err(ErrorBody::new(ErrorCode::NotSubscribed, message));
        }
        let reason = "the server has ended the subscription".into();
        let event = Unsubscribed { channel: channel.into(), code: EndCode::Unsubscribed, reason, retryable: false };
        append_event(&event, out);
        self.end_streams_of(channel, out);
        // Before the caller is answered: whatever it causes then comes after the event.
        self.connection().queue(out);
        out.clear();
        Ok(())
    }
}
