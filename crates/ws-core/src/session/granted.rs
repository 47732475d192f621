//! Subscriptions that follow from a token: those that the server begins because it lists them, and those that end
//! because it no longer grants them (PROTOCOL section 7).

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
    /// Subscribes the connection to what its token lists, whatever the modes are: the token comes from whom the server
    /// trusts. What is not possible, the client is told.
    pub(super) fn begin_listed(&mut self, channels: &[String], out: &mut Vec<u8>) {
        for name in channels {
            match self.attach_listed(name) {
                Ok(attached) => self.go_on_with(attached, out),
                // The client has done it already.
                Err(error) if error.code == ErrorCode::AlreadySubscribed => {}
                Err(error) => tell_not_begun(name, &error, out),
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

    /// Goes on with those whose position the engine has found in the meantime, as long as there is room.
    pub(super) fn go_on_joining(&mut self, out: &mut Vec<u8>) {
        let Some(login) = &mut self.login else { return };
        let joining = std::mem::take(&mut login.joining);
        for attached in joining {
            if self.has_room(out) {
                self.go_on_with(attached, out);
            } else {
                self.login.get_or_insert_default().joining.push(attached);
            }
        }
    }

    fn go_on_with(&mut self, attached: Attached, out: &mut Vec<u8>) {
        let name = attached.channel().to_owned();
        match attaching::go_on(attached, self, &StartAt::Now, |data, out| append_event(data, out), out) {
            Ok(None) => {}
            Ok(Some(attached)) => self.login.get_or_insert_default().joining.push(attached),
            // The client has ended it itself.
            Err(error) if error.code == ErrorCode::NotSubscribed => {}
            Err(error) => tell_not_begun(&name, &error, out),
        }
    }

    /// Ends the subscriptions that a refreshed token neither lists nor grants, where one has to.
    pub(super) fn end_lost(&mut self, identity: &Arc<Identity>, listed: &[String], out: &mut Vec<u8>) {
        for subscription in self.membership.subscriptions() {
            let name = subscription.channel().name();
            let Ok(channel) = ChannelName::parse(name) else { continue };
            let access = subscription.channel().options().subscribe;
            let check = AccessCheck { right: Right::Subscribe, channel: Some(channel), access };
            let decision = check.decide(Some(identity), self.pass(name), || true);
            if let Err(rule) = decision
                && !listed.iter().any(|listed| listed == name)
            {
                tracing::debug!(connection = %self.connection().id(), channel = name, ?rule, "no longer granted");
                let reason = "the token does not grant this channel any longer";
                self.revoke(name, ErrorCode::PermissionDenied, reason, false, out);
            }
        }
    }
}

fn tell_not_begun(channel: &str, error: &ErrorBody, out: &mut Vec<u8>) {
    let (code, retryable) = (error.code, error.retryable);
    append_event(&Unsubscribed { channel: channel.into(), code, reason: (&*error.message).into(), retryable }, out);
}
