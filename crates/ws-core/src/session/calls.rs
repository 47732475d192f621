//! What the server API asks of a connection: subscriptions that start and end from the server's side.

use std::sync::Arc;

use ws_proto::event::{EndCode, Unsubscribed};
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::answer::append_event;
use super::attached::{Attached, Called};
use super::attaching;
use super::state::Session;
use crate::options::ChannelOptions;
use crate::state::{Call, What};
use crate::subscription::StartAt;

impl Session {
    /// Whether there are calls to be answered.
    pub(super) fn is_called(&self) -> bool {
        self.membership.entry.calls.any() || self.login.as_ref().is_some_and(|login| !login.called.is_empty())
    }

    /// Continues what waits for the engine, then takes new calls, as long as there is room in the outbox.
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
        while self.membership.entry.calls.any()
            && self.has_room(out)
            && let Some(Call { what, channel, answer }) = self.membership.entry.calls.pop()
        {
            match what {
                What::Subscribe(options) => match self.attach_called(&channel, &options) {
                    Ok(attached) => self.go_on_with_called(Called { attached, answer }, out),
                    Err(error) => drop(answer.send(Err(error))),
                },
                What::Unsubscribe => drop(answer.send(self.unsubscribe_called(&channel, out))),
            }
        }
    }

    fn attach_called(&self, channel: &str, options: &Arc<ChannelOptions>) -> Result<Attached, ErrorBody> {
        let subscription = self.membership.attach(ChannelName::parse(channel)?, options)?;
        subscription.assign();
        Ok(attaching::attach(self, subscription, None))
    }

    fn go_on_with_called(&mut self, Called { attached, answer }: Called, out: &mut Vec<u8>) {
        match attaching::go_on(attached, self, &StartAt::Now, |data, out| append_event(data, out), out) {
            Ok(None) => drop(answer.send(Ok(()))),
            Ok(Some(attached)) => self.login.get_or_insert_default().called.push(Called { attached, answer }),
            Err(error) => drop(answer.send(Err(error))),
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
        Ok(())
    }
}
