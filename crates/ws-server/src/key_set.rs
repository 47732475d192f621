//! The key set that an identity provider publishes (`auth.jwks_url`, RFC 7517): fetched before the server listens, and
//! again from time to time and when a token names a key that is not in it, for providers change their keys.
//!
//! What was fetched last and is in order stays until there is something newer: a provider that is away locks nobody
//! out. The answer has a time and a size that it must keep to, and redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use ws_auth::{KEY_SET_BYTES_MAX, KeySetError, Verifier, read_key_set};
use ws_core::Counters;

use crate::config::SecureUrl;
use crate::renewal::{Renewals, Renewing};

/// Time for one fetch, from the name of the host to the last byte. Handshakes may wait for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a fetch that failed; it doubles with each, up to the time between two fetches.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The provider cannot be reached, or does not answer in time. Without the URL, which may have a secret in it.
    #[error("cannot be fetched: {}", causes(.0))]
    Http(reqwest::Error),
    /// It answers with something else.
    #[error("cannot be fetched: the answer is {0}")]
    Status(StatusCode),
    /// It answers with too much.
    #[error("is longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    /// What it answers is no key set.
    #[error("cannot be used: {0}")]
    Content(#[from] KeySetError),
    /// None of the keys can be used.
    #[error("has {skipped} keys, none of which can be used")]
    Useless {
        /// How many there are.
        skipped: usize,
    },
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        FetchError::Http(error.without_url())
    }
}

/// Keeps the published keys of a verifier up to date.
#[derive(Debug)]
pub struct KeySource {
    client: Client,
    url: SecureUrl,
    every: Duration,
    verifier: Arc<Verifier>,
    renewals: Arc<Renewals>,
}

impl KeySource {
    /// Fetches `url` every so often, for `verifier`. Nothing is fetched yet.
    ///
    /// # Errors
    /// The system has no roots of trust, for example.
    pub fn new(url: &SecureUrl, every: Duration, verifier: Arc<Verifier>) -> Result<Self, FetchError> {
        // Another part of the process may have done so; it is the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(Policy::none())
            .user_agent(concat!("ws-server/", env!("CARGO_PKG_VERSION")));
        // In clear it is for this machine alone, whatever proxy the environment names.
        let is_here = url.reveal().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let client = if is_here { client.no_proxy() } else { client }.build()?;
        Ok(KeySource { client, url: url.clone(), every, verifier, renewals: Arc::default() })
    }

    /// What checks tokens with these keys, and lets them be fetched out of turn.
    pub(crate) fn authenticator(&self) -> Renewing {
        Renewing { verifier: self.verifier.clone(), renewals: self.renewals.clone() }
    }

    /// Fetches the key set once, and hands it over.
    ///
    /// # Errors
    /// See [`FetchError`]; the keys from before stay.
    pub async fn fetch(&self) -> Result<(), FetchError> {
        let mut response = self.client.get(self.url.reveal()).header("accept", "application/json").send().await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > KEY_SET_BYTES_MAX {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let set = read_key_set(&body)?;
        if set.keys.is_empty() {
            return Err(FetchError::Useless { skipped: set.skipped });
        }
        tracing::info!(url = %self.url, keys = set.keys.len(), skipped = set.skipped, "key set fetched");
        self.verifier.set_published(set.keys);
        Ok(())
    }

    /// Fetches it again and again, and counts. Never ends.
    pub async fn refresh(self, counters: Arc<Counters>) {
        let mut failures = 0;
        loop {
            let pause = pause(failures, self.every);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.renewals.asked() => {}
            }
            counters.key_set_fetches.add(1);
            failures = match self.fetch().await {
                Ok(()) => 0,
                Err(error) => {
                    counters.key_set_failures.add(1);
                    tracing::warn!(url = %self.url, "the key set {error}; the one from before stays");
                    failures + 1
                }
            };
            self.renewals.fetched();
        }
    }
}

/// Until the next fetch, after so many that failed.
fn pause(failures: u32, every: Duration) -> Duration {
    match failures.checked_sub(1) {
        None => every,
        Some(doublings) => RETRY_MIN.saturating_mul(1 << doublings.min(16)).min(every),
    }
}

/// An error of reqwest says little by itself.
fn causes(error: &reqwest::Error) -> String {
    let mut causes = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push_str(": ");
        causes.push_str(&cause.to_string());
        next = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_usual_one() {
        let seconds = |failures| pause(failures, Duration::from_secs(600)).as_secs();
        assert_eq!([0, 1, 2, 3, 9, 10, 11, 1000].map(seconds), [600, 1, 2, 4, 256, 512, 600, 600]);
        assert_eq!(pause(1, Duration::from_millis(10)), Duration::from_millis(10));
    }
}
