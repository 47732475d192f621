//! What a subscription token grants.

use crate::access::{Claims, Grants};

/// What a subscription token grants, in its channel alone.
#[derive(Debug)]
pub(super) struct Pass {
    grants: Grants,
    /// When it ends, in milliseconds since 1970; `None`: never.
    pub(super) ends_ms: Option<u64>,
}

impl Pass {
    /// Of claims that are for this channel.
    pub(super) fn new(claims: Claims, channel: &str) -> Self {
        let subscribe = [channel].into_iter().collect();
        Pass { grants: Grants { subscribe, ..claims.grants }, ends_ms: claims.expires_at_ms }
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether the token has run out.
    pub(super) fn has_ended(&self, unix_ms: u64) -> bool {
        self.ends_ms.is_some_and(|ends_ms| ends_ms <= unix_ms)
    }
}
