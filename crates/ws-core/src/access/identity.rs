//! Who a connection is, and what its token grants.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::grants::Grants;

/// What is known about the user of a connection. A connection without one is anonymous.
#[derive(Debug, Clone)]
pub struct Identity {
    user: Arc<str>,
    info: Option<Box<RawValue>>,
    grants: Grants,
    expires_at_ms: Option<u64>,
}

impl Identity {
    /// The identity that a token's claims describe.
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

    /// What its token grants.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// When its token expires, in milliseconds since 1970; `None`: never.
    pub fn expires_at_ms(&self) -> Option<u64> {
        self.expires_at_ms
    }
}

/// The claims of a token that has been checked (PROTOCOL section 7).
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// `sub`: the user; never empty.
    pub user: String,
    /// `info`: what others see in presence.
    pub info: Option<Box<RawValue>>,
    /// `exp`: when it expires, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
    /// It has expired, by more than the leeway for clock skew.
    pub has_expired: bool,
    /// `channels`: the channels that the server subscribes the connection to.
    pub channels: Vec<String>,
    /// `subscribe`, `publish`, `presence`, `history`, `actions`.
    pub grants: Grants,
    /// `channel`: it is a subscription token, for this channel alone, and cannot log in.
    pub channel: Option<String>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not valid. The text is for its sender, and contains no part of the token or of a key.
    #[error("{0}")]
    Invalid(String),
    /// It names an unknown key. A published key set may have newer keys: see [`Authenticator::renew_keys`]. If they do
    /// not include it, treat this as `Invalid`; the text follows the same rules.
    #[error("{0}")]
    UnknownKey(String),
}

/// Checks tokens.
///
/// Called during handshakes and requests, so it must not block.
pub trait Authenticator: std::fmt::Debug + Send + Sync {
    /// The claims of a token, including one that has expired: the caller first looks for other errors. `unix_ms` is the
    /// time, in milliseconds since 1970.
    ///
    /// # Errors
    /// The token is malformed, is not meant for this server, or has no valid signature.
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError>;

    /// Fetches newer keys, because a token names an unknown one. `done` is called afterwards, whether that succeeded or
    /// not: within the call if there is nowhere to fetch them from, or if they were fetched a moment ago.
    fn renew_keys(&self, done: Box<dyn FnOnce() + Send>) {
        done();
    }
}
