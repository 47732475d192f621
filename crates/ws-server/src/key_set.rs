//! The key set that an identity provider publishes (`auth.jwks_url`, RFC 7517). Providers change their keys, so it is
//! fetched before the server listens, then at intervals, and when a token names an unknown key.
//!
//! The last good key set stays in use until there is a newer one: a provider that is down locks nobody out. The answer
//! has a limit on its time and size, and redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use ws_auth::{KEY_SET_BYTES_MAX, KeySetError, Verifier, read_key_set};
use ws_core::Counters;

use crate::config::SecureUrl;
use crate::error_causes::causes;
use crate::key_refresh::{KeyRefresh, RefreshingVerifier};

/// Time for one fetch, from resolving the host to the last byte. Handshakes may wait for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a failed fetch. It doubles with each failure, up to the refresh interval.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// Why a key set cannot be fetched or used.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The provider cannot be reached or does not answer in time. Without the URL, which may contain a secret.
    #[error("cannot be fetched: {}", causes(.0))]
    Http(reqwest::Error),
    /// It answers with another status than 200.
    #[error("cannot be fetched: the answer is {0}")]
    Status(StatusCode),
    /// Its answer is too large.
    #[error("is longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    /// Its answer is not a key set.
    #[error("cannot be used: {0}")]
    Content(#[from] KeySetError),
    /// It contains no usable key.
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
    refresh: Arc<KeyRefresh>,
}

impl KeySource {
    /// Fetches `url` at this interval, for `verifier`. Nothing is fetched yet.
    ///
    /// # Errors
    /// When the system has no root certificates, for example.
    pub fn new(url: &SecureUrl, every: Duration, verifier: Arc<Verifier>) -> Result<Self, FetchError> {
        // If another part of the process has done so already, it is the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(Policy::none())
            .user_agent(concat!("ws-server/", env!("CARGO_PKG_VERSION")));
        // Plain HTTP is for this machine only, whatever proxy the environment names.
        let is_http = url.reveal().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let client = if is_http { client.no_proxy() } else { client }.build()?;
        Ok(KeySource { client, url: url.clone(), every, verifier, refresh: Arc::default() })
    }

    /// Checks tokens with these keys, and can ask for an early fetch.
    pub(crate) fn authenticator(&self) -> RefreshingVerifier {
        RefreshingVerifier { verifier: self.verifier.clone(), refresh: self.refresh.clone() }
    }

    /// Fetches the key set once, and hands it to the verifier.
    ///
    /// # Errors
    /// See [`FetchError`]. The previous keys then stay in use.
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

    /// Fetches it at intervals and on request, and counts the fetches. Never ends.
    pub async fn refresh(self, counters: Arc<Counters>) {
        let mut failures = 0;
        loop {
            let pause = pause(failures, self.every);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.refresh.requested() => {}
            }
            counters.key_set_fetches.add(1);
            failures = match self.fetch().await {
                Ok(()) => 0,
                Err(error) => {
                    counters.key_set_failures.add(1);
                    tracing::warn!(url = %self.url, "the key set {error}; the previous one stays in use");
                    failures + 1
                }
            };
            self.refresh.fetched();
        }
    }
}

/// Time until the next fetch, after this many failures in a row.
fn pause(failures: u32, every: Duration) -> Duration {
    match failures.checked_sub(1) {
        None => every,
        Some(doublings) => RETRY_MIN.saturating_mul(1 << doublings.min(16)).min(every),
    }
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
