//! What an operator sets.

use std::time::Duration;

use super::base_url::BaseUrl;
use super::key::Key;

/// How the provider is asked (CONFIG `[claude]`). How long an answer may take in all is up to the caller, who drops its
/// [`Call`](super::Call).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub base_url: BaseUrl,
    /// In which header the key goes.
    pub auth: Auth,
    /// The key.
    pub key: Key,
    /// From each request to its first token. Begun thinking is one, a ping is not.
    pub first_token_timeout: Duration,
    /// From the first token on: without a byte.
    pub idle_timeout: Duration,
    /// How often a request that failed before its first token is sent again.
    pub retries_max: u32,
    /// Whether prompt caching is asked for.
    pub cache: bool,
}

/// The header that carries the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Auth {
    /// `x-api-key`, as the provider wants it.
    #[default]
    XApiKey,
    /// `authorization: Bearer`, as gateways do.
    Bearer,
}
