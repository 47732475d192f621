//! Subscriptions that depend on the login token: the server starts those that it lists, and ends those that it no
//! longer grants (PROTOCOL section 7).

use std::sync::Arc;

use ws_proto::event::Unsubscribed;
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::answer::append_event;
use super::attached::Attached;
use super::attaching;
use super::state::Session;
use crate::access::{AccessCheck, Identity, Right};
use crate::registry::Named;
use crate::subscription::StartAt;

impl Session {
    /// Subscribes the connection to the channels that its token lists, whatever their access modes are: the issuer of
    /// the token is trusted. The client is notified of each channel where that fails.
    pub(super) fn subscribe_listed(&mut self, channels: &[String], out: &mut Vec<u8>) {
        for name in channels {
            match self.attach_listed(name) {
                Ok(attached) => self.go_on_with(attached, out),
                // The client has subscribed itself.
                Err(error) if error.code == ErrorCode::AlreadySubscribed => {}
                Err(error) => append_not_subscribed(name, &error, out),
            }
        }
    }

    fn attach_listed(&self, name: &str) -> Result<Attached, ErrorBody> {
        let channel = ChannelName::parse(name)?;
        let options = self.options(channel)?;
        let identity = self.connection().identity();
        if !channel.is_for(identity.as_ref().map(|identity| &**identity.user())) {
            let message = "the token lists a channel that is for other users";
            return Err(ErrorBody::new(ErrorCode::PermissionDenied, message));
        }
        let subscription = self.membership.attach(channel, &options)?;
        Ok(attaching::attach(self, subscription, None))
    }

    /// Continues those whose position the engine has reported in the meantime, as long as there is room in the outbox.
    pub(super) fn go_on_attaching(&mut self, out: &mut Vec<u8>) {
        let Some(login) = &mut self.login else { return };
        let attaching = std::mem::take(&mut login.attaching);
        for attached in attaching {
            if self.has_room(out) {
                self.go_on_with(attached, out);
            } else {
                self.login.get_or_insert_default().attaching.push(attached);
            }
        }
    }

    fn go_on_with(&mut self, attached: Attached, out: &mut Vec<u8>) {
        let name = attached.channel().to_owned();
        match attaching::go_on(attached, self, &StartAt::Now, |data, out| append_event(data, out), out) {
            Ok(None) => {}
            Ok(Some(attached)) => self.login.get_or_insert_default().attaching.push(attached),
            // The client has unsubscribed in the meantime.
            Err(error) if error.code == ErrorCode::NotSubscribed => {}
            Err(error) => append_not_subscribed(&name, &error, out),
        }
    }

    /// Ends the subscriptions that need a grant and that a refreshed token neither lists nor grants.
    pub(super) fn end_ungranted(&mut self, identity: &Arc<Identity>, listed: &[String], out: &mut Vec<u8>) {
        for subscription in self.membership.subscriptions() {
            let name = subscription.channel().name();
            let Ok(channel) = ChannelName::parse(name) else { continue };
            let access = subscription.channel().options().subscribe;
            let check = AccessCheck { right: Right::Subscribe, channel: Some(channel), access };
            let decision = check.decide(Some(identity), self.subscription_grants(name), || true);
            if let Err(denial) = decision
                && !listed.iter().any(|listed| listed == name)
            {
                tracing::debug!(connection = %self.connection().id(), channel = name, ?denial, "no longer granted");
                let reason = "the token no longer grants this channel";
                self.revoke(name, ErrorCode::PermissionDenied, reason, false, out);
            }
        }
    }
}

fn append_not_subscribed(channel: &str, error: &ErrorBody, out: &mut Vec<u8>) {
    let (code, retryable) = (error.code, error.retryable);
    append_event(&Unsubscribed { channel: channel.into(), code, reason: (&*error.message).into(), retryable }, out);
}
