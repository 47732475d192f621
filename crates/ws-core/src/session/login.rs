//! What a session keeps of tokens: how long each holds, what those of subscriptions grant, and the subscriptions that
//! the server is about to begin. Most connections have none of it.

use std::collections::HashMap;

use super::attached::Attached;
use super::pass::Pass;
use crate::access::Auth;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Login {
    /// A connection that has to authenticate is closed then, on the hub's clock.
    pub(super) authenticate_by_ms: Option<u64>,
    /// The end of the token that logged in.
    pub(super) token: Option<End>,
    /// By channel, what it was subscribed to with.
    pub(super) passes: HashMap<Box<str>, Pass>,
    /// Subscriptions that wait for the engine.
    pub(super) joining: Vec<Attached>,
}

/// When a token runs out.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// In milliseconds since 1970.
    pub(super) expires_at_ms: u64,
    /// The client has been told.
    pub(super) told: bool,
}

impl End {
    /// When there is something to do about it, in milliseconds since 1970.
    pub(super) fn next_ms(self, auth: &Auth) -> u64 {
        if self.told || auth.expiry_notice.is_zero() {
            self.expires_at_ms.saturating_add(millis(auth.expiry_grace))
        } else {
            self.expires_at_ms.saturating_sub(millis(auth.expiry_notice))
        }
    }
}

impl Login {
    /// The earliest time of day at which there is something to do about a token.
    pub(super) fn next_ms(&self, auth: &Auth) -> Option<u64> {
        let passes = self.passes.values().filter_map(|pass| pass.ends_ms);
        passes.chain(self.token.map(|end| end.next_ms(auth))).min()
    }

    /// A pass that has run out, and its channel.
    pub(super) fn take_ended(&mut self, unix_ms: u64) -> Option<Box<str>> {
        let channel =
            self.passes.iter().find(|(_, pass)| pass.has_ended(unix_ms)).map(|(channel, _)| channel.clone())?;
        self.passes.remove(&channel);
        Some(channel)
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
