//! Subscriptions that depend on the login token: the server starts those that it lists, and ends those that it no
//! longer grants (PROTOCOL section 7).

use std::collections::HashSet;
use std::sync::Arc;

use ws_proto::event::Unsubscribed;
use ws_proto::{ChannelName, ErrorBody, ErrorCode, Position, Positions};

use super::answer::append_event;
use super::attached::Attached;
use super::attaching;
use super::listed::Listed;
use super::state::Session;
use crate::access::{AccessCheck, Identity, Right};
use crate::registry::Named;
use crate::subscription::StartAt;

impl Session {
    /// Subscribes the connection to the channels that its token lists, whatever their access modes are: the issuer of
    /// the token is trusted. The client is told about each, in the order of the list, also where that fails. `since`:
    /// where the subscriptions start, if not now.
    pub(super) fn subscribe_listed(&mut self, channels: &[String], since: Option<Positions<'_>>, out: &mut Vec<u8>) {
        let mut since = since.unwrap_or_default();
        let mut failed = self.failed_listed();
        // Streams follow the channels they belong to; a token says nothing of them.
        let is_stream = |name: &&String| ChannelName::parse(name).is_ok_and(|channel| channel.stream().is_some());
        for name in channels.iter().filter(|name| !is_stream(name)) {
            let listed = match self.attach_listed(name) {
                Ok(attached) => {
                    let start = start(since.remove(name.as_str()), &attached);
                    Listed::Attached(attached, start)
                }
                // The client has subscribed itself.
                Err(error) if error.code == ErrorCode::AlreadySubscribed => continue,
                // The client will be told, as soon as those before it in the list have started.
                Err(_) if !failed.insert(name.as_str().into()) => continue,
                Err(error) => Listed::Failed(name.as_str().into(), error),
            };
            self.login.get_or_insert_default().listed.push_back(listed);
        }
        self.go_on_with_listed(out);
    }

    /// The channels that the client is still to be told about as failed. Forgets those that it has ended itself, about
    /// which there is nothing to be told: the list grows only with what is there.
    fn failed_listed(&mut self) -> HashSet<Box<str>> {
        let Some(login) = &mut self.login else { return HashSet::new() };
        login.listed.retain(|listed| !matches!(listed, Listed::Attached(at, _) if at.subscription.has_ended()));
        let failed = login.listed.iter().filter_map(|listed| match listed {
            Listed::Failed(name, _) => Some(name.clone()),
            Listed::Attached(..) => None,
        });
        failed.collect()
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

    /// Tells the client about listed channels in their order, up to the first whose position the engine has not
    /// reported, and as long as there is room in the outbox.
    pub(super) fn go_on_with_listed(&mut self, out: &mut Vec<u8>) {
        while self.has_room(out)
            && let Some(listed) = self.login.as_mut().and_then(|login| login.take_listed())
        {
            if let Some(pending) = self.go_on_with(listed, out) {
                self.login.get_or_insert_default().listed.push_front(pending);
                return;
            }
        }
    }

    /// Returns it if it still waits for the engine.
    fn go_on_with(&mut self, listed: Listed, out: &mut Vec<u8>) -> Option<Listed> {
        let (attached, start) = match listed {
            Listed::Attached(attached, start) => (attached, start),
            Listed::Failed(name, error) => {
                append_not_subscribed(&name, &error, out);
                return None;
            }
        };
        let name = attached.channel().to_owned();
        match attaching::go_on(attached, self, &start, |data, out| append_event(data, out), out) {
            Ok(attached) => return attached.map(|attached| Listed::Attached(attached, start)),
            // The client has unsubscribed in the meantime.
            Err(error) if error.code == ErrorCode::NotSubscribed => {}
            Err(error) => append_not_subscribed(&name, &error, out),
        }
        None
    }

    /// Ends the subscriptions that need a grant and that a refreshed token neither lists nor grants.
    pub(super) fn end_ungranted(&mut self, identity: &Arc<Identity>, listed: &[String], out: &mut Vec<u8>) {
        for subscription in self.membership.subscriptions() {
            let name = subscription.channel().name();
            let Ok(channel) = ChannelName::parse(name) else { continue };
            // A stream ends with its channel.
            let is_in_its_channel = channel.stream().is_some_and(|stream| self.is_subscribed(stream.channel));
            if subscription.is_assigned() || is_in_its_channel {
                continue;
            }
            let access = subscription.channel().options().subscribe;
            let check = AccessCheck { right: Right::Subscribe, channel: Some(channel), access };
            let decision = check.decide(Some(identity), self.subscription_grants(name), || true);
            if let Err(denial) = decision
                && !listed.iter().any(|listed| listed == channel.asking().as_str())
            {
                tracing::debug!(connection = %self.connection().id(), channel = name, ?denial, "no longer granted");
                let reason = "the token no longer grants this channel";
                self.revoke(name, ErrorCode::PermissionDenied, reason, false, out);
            }
        }
    }
}

/// Where a listed subscription starts. Without history there are no positions.
fn start(since: Option<Position<'_>>, attached: &Attached) -> StartAt<'static> {
    match since {
        Some(Position { epoch, offset }) if attached.subscription.channel().options().has_history() => {
            StartAt::Since { epoch: epoch.into_owned().into(), offset }
        }
        _ => StartAt::Now,
    }
}

fn append_not_subscribed(channel: &str, error: &ErrorBody, out: &mut Vec<u8>) {
    let (code, retryable) = (error.code.into(), error.retryable);
    append_event(&Unsubscribed { channel: channel.into(), code, reason: (&*error.message).into(), retryable }, out);
}
