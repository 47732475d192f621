//! Who a connection is, and what its token grants.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Grants;

/// What is known of the one behind a connection. A connection without one is anonymous.
#[derive(Debug, Clone)]
pub struct Identity {
    user: Arc<str>,
    info: Option<Box<RawValue>>,
    grants: Grants,
    expires_at_ms: Option<u64>,
}

impl Identity {
    /// What a token says of its user.
    pub(crate) fn new(claims: Claims) -> Self {
        let Claims { user, info, grants, expires_at_ms, .. } = claims;
        Identity { user: user.into(), info, grants, expires_at_ms }
    }

    /// The user's name.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// What others see in presence.
    pub fn info(&self) -> Option<&RawValue> {
        self.info.as_deref()
    }

    /// What it may do where a token has to say so.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// When its token runs out, in milliseconds since 1970; `None`: never.
    pub fn expires_at_ms(&self) -> Option<u64> {
        self.expires_at_ms
    }
}

/// What a token says that has been checked (PROTOCOL section 7).
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// `sub`: the user; never empty.
    pub user: String,
    /// `info`: what others see in presence.
    pub info: Option<Box<RawValue>>,
    /// `exp`: when it runs out, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
    /// It has run out, longer ago than clocks may differ.
    pub has_expired: bool,
    /// `channels`: what the server subscribes the connection to.
    pub channels: Vec<String>,
    /// `subscribe`, `publish`, `presence`, `history`, `actions`.
    pub grants: Grants,
    /// `channel`: it is a subscription token, for this channel alone, and cannot log in.
    pub channel: Option<String>,
}

/// Why a token is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not valid, and never was as far as can be seen. The text is for the one who sent it, and holds nothing of
    /// the token or of a key.
    #[error("{0}")]
    Invalid(String),
    /// It names a key that is not at hand. Where keys are published, there may be newer ones: see
    /// [`Authenticator::renew_keys`]. The text is as with `Invalid`, which it is where none are found.
    #[error("{0}")]
    UnknownKey(String),
}

/// Checks tokens.
///
/// Called within a handshake and within a request, so it must not wait for anything.
pub trait Authenticator: std::fmt::Debug + Send + Sync {
    /// What a token says, also of one that has run out: whether it is wrong besides, others know. `unix_ms` is the
    /// time, in milliseconds since 1970.
    ///
    /// # Errors
    /// The token is not in order, is not meant for this server, or has no valid signature.
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError>;

    /// Looks for newer keys, because a token names one that is not at hand. `done` is called when that is over,
    /// whatever has come of it: within the call where there is nobody to ask, or where that was done a moment ago.
    fn renew_keys(&self, done: Box<dyn FnOnce() + Send>) {
        done();
    }
}
