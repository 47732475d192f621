//! Streams that a connection reads because it is in the channel where Claude was asked: they end with that, unless
//! something else gives the right to them.

use ws_proto::event::{EndCode, Unsubscribed};
use ws_proto::{ChannelName, ErrorCode};

use super::answer::append_event;
use super::state::Session;
use crate::access::{AccessCheck, Right};
use crate::registry::Named;

impl Session {
    /// The connection is in a channel no more, for whatever reason.
    pub(super) fn end_streams_of(&mut self, channel: &str, out: &mut Vec<u8>) {
        for subscription in self.membership.subscriptions() {
            let name = subscription.channel().name();
            let Ok(stream) = ChannelName::parse(name) else { continue };
            if stream.stream().is_none_or(|stream| stream.channel.as_str() != channel) || subscription.is_assigned() {
                continue;
            }
            let access = subscription.channel().options().subscribe;
            let check = AccessCheck { right: Right::Subscribe, channel: Some(stream), access };
            let identity = self.connection().identity();
            if check.decide(identity.as_deref(), self.subscription_grants(name), || false).is_ok() {
                continue;
            }
            self.remove_subscription_grant(name);
            if self.membership.unsubscribe(name) {
                self.membership.shared().counters.revoked.add(1);
                let (code, reason) = (EndCode::Error(ErrorCode::PermissionDenied), "it ended with its channel".into());
                append_event(&Unsubscribed { channel: name.into(), code, reason, retryable: false }, out);
            }
        }
    }
}
