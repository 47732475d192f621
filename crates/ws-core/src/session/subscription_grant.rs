//! What a subscription token grants.

use crate::access::{Claims, Grants};

/// The grants of a subscription token, valid only in its channel.
#[derive(Debug)]
pub(super) struct SubscriptionGrant {
    grants: Grants,
    /// Until when the token is valid, in milliseconds since 1970; `None`: for ever.
    pub(super) valid_until_ms: Option<u64>,
}

impl SubscriptionGrant {
    /// The grant of claims that are for this channel.
    pub(super) fn new(claims: Claims, channel: &str) -> Self {
        let subscribe = [channel].into_iter().collect();
        SubscriptionGrant { grants: Grants { subscribe, ..claims.grants }, valid_until_ms: claims.valid_until_ms }
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether the token has expired.
    pub(super) fn has_expired(&self, unix_ms: u64) -> bool {
        self.valid_until_ms.is_some_and(|until_ms| until_ms <= unix_ms)
    }
}
