//! What a session keeps about tokens: when each expires, what subscription tokens grant, and the subscriptions that the
//! server is about to start. Most connections have none of it.

use std::collections::{HashMap, VecDeque};

use super::attached::Called;
use super::listed::Listed;
use super::subscription_grant::SubscriptionGrant;
use crate::access::Auth;

/// The token state of a session; see the module.
#[derive(Debug, Default)]
pub(super) struct Login {
    /// The auth deadline, on the hub's clock: an unauthenticated connection is closed then.
    pub(super) authenticate_by_ms: Option<u64>,
    /// The expiry of the login token.
    pub(super) token: Option<TokenExpiry>,
    /// By channel, what the subscription token grants that it was subscribed to with.
    pub(super) subscription_grants: HashMap<Box<str>, SubscriptionGrant>,
    /// The channels that login tokens list and that the client has not been told about yet, in their order.
    pub(super) listed: VecDeque<Listed>,
    /// Subscriptions from the server API that wait for the engine.
    pub(super) called: Vec<Called>,
}

/// When the login token expires.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenExpiry {
    /// `exp`, which the client is told ahead of time; in milliseconds since 1970.
    pub(super) expires_at_ms: u64,
    /// The same with the leeway on top: the grace counts from here.
    pub(super) valid_until_ms: u64,
    /// The client has been notified.
    pub(super) client_notified: bool,
}

impl TokenExpiry {
    /// When the next step is due (the notice, or the close), in milliseconds since 1970.
    pub(super) fn next_ms(self, auth: &Auth) -> u64 {
        if self.client_notified || auth.expiry_notice.is_zero() {
            self.valid_until_ms.saturating_add(millis(auth.expiry_grace))
        } else {
            self.expires_at_ms.saturating_sub(millis(auth.expiry_notice))
        }
    }
}

impl Login {
    /// The earliest time of day at which something is due about a token.
    pub(super) fn next_ms(&self, auth: &Auth) -> Option<u64> {
        let grants = self.subscription_grants.values().filter_map(|grant| grant.valid_until_ms);
        grants.chain(self.token.map(|end| end.next_ms(auth))).min()
    }

    /// Takes the listed channel that the client is told about next.
    pub(super) fn take_listed(&mut self) -> Option<Listed> {
        let listed = self.listed.pop_front();
        if self.listed.is_empty() {
            // An idle connection should hold no buffer.
            self.listed = VecDeque::new();
        }
        listed
    }

    /// Removes a grant that has expired, and returns its channel.
    pub(super) fn take_expired(&mut self, unix_ms: u64) -> Option<Box<str>> {
        let channel = self
            .subscription_grants
            .iter()
            .find(|(_, grant)| grant.has_expired(unix_ms))
            .map(|(channel, _)| channel.clone())?;
        self.subscription_grants.remove(&channel);
        Some(channel)
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
