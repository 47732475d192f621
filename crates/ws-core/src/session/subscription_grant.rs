//! What a subscription token grants.

use crate::access::{Claims, Grants};

/// The grants of a subscription token, valid only in its channel.
#[derive(Debug)]
pub(super) struct SubscriptionGrant {
    grants: Grants,
    /// When it expires, in milliseconds since 1970; `None`: never.
    pub(super) expires_at_ms: Option<u64>,
}

impl SubscriptionGrant {
    /// The grant of claims that are for this channel.
    pub(super) fn new(claims: Claims, channel: &str) -> Self {
        let subscribe = [channel].into_iter().collect();
        SubscriptionGrant { grants: Grants { subscribe, ..claims.grants }, expires_at_ms: claims.expires_at_ms }
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether the token has expired.
    pub(super) fn has_expired(&self, unix_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= unix_ms)
    }
}
