//! Where tokens come from.

use std::future::Future;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use thiserror::Error;

use crate::machine::Why;

/// Gives the client its tokens, whenever it needs one. Any function that returns a future is one:
///
/// ```no_run
/// # use ws_client::{Client, TokenError, Why};
/// # async fn ask_my_backend() -> Result<String, std::io::Error> { unimplemented!() }
/// # fn start() -> Result<Client, ws_client::StartError> {
/// let client = Client::builder("wss://example.com/ws")
///     .token(|_why: Why| async {
///         let token = ask_my_backend().await.map_err(|error| TokenError::retry(error.to_string()))?;
///         Ok(Some(token))
///     })
///     .start()?;
/// # Ok(client)
/// # }
/// ```
pub trait TokenProvider: Send + Sync + 'static {
    /// A token, or `None` to be anonymous. After [`Timers::token`](crate::Timers::token) the future is dropped.
    ///
    /// # Errors
    /// [`TokenError::Denied`] closes the client, everything else is tried again.
    fn token(&self, why: Why) -> BoxFuture<'_, Result<Option<String>, TokenError>>;
}

impl<F, R> TokenProvider for F
where
    F: Fn(Why) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<String>, TokenError>> + Send + 'static,
{
    fn token(&self, why: Why) -> BoxFuture<'_, Result<Option<String>, TokenError>> {
        self(why).boxed()
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There will be none: the client closes.
    #[error("no token is given: {0}")]
    Denied(String),
    /// Not now.
    #[error("no token at the moment: {message}")]
    Retry {
        /// Why.
        message: String,
        /// How long to wait at least.
        after: Option<Duration>,
    },
}

impl TokenError {
    /// Not now, because of this.
    pub fn retry(message: impl Into<String>) -> Self {
        TokenError::Retry { message: message.into(), after: None }
    }
}

/// What a JSON Web Token says, as far as it can be read.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Claims {
    #[serde(default)]
    pub(crate) sub: Option<String>,
    #[serde(default)]
    exp: Option<f64>,
}

impl Claims {
    /// Nothing is checked: the server does that.
    pub(crate) fn of(token: &str) -> Claims {
        let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
        payload.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }

    /// When it expires, in milliseconds since 1970.
    pub(crate) fn expires(&self) -> Option<u64> {
        // Beyond what a date can be, `as` takes the nearest number.
        self.exp.map(|seconds| (seconds * 1_000.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_of_tokens_and_of_what_is_none() {
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"sub":"ann","exp":1795900000,"x":1}"#));
        let claims = Claims::of(&token);
        assert_eq!((claims.sub.as_deref(), claims.expires()), (Some("ann"), Some(1_795_900_000_000)));
        assert_eq!(Claims::of("opaque"), Claims::default());
        assert_eq!(Claims::of("a.!.c"), Claims::default());
    }
}
