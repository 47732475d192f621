//! Early fetches of the key set, when a token names an unknown key. Providers sign with a new key as soon as they
//! publish it, and the next regular fetch may be minutes away, so the sender of such a token waits for an early one. As
//! anybody can make up names of keys, early fetches have a cooldown, and requests during it wait until it is over.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use ws_auth::Verifier;
use ws_core::{Authenticator, Claims, TokenError};

/// Least time from the end of a fetch to the next early one.
const COOLDOWN: Duration = Duration::from_secs(5);

/// Checks tokens with a verifier whose published keys can be refreshed early.
#[derive(Debug)]
pub(crate) struct RefreshingVerifier {
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) refresh: Arc<KeyRefresh>,
}

impl Authenticator for RefreshingVerifier {
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError> {
        self.verifier.check(token, unix_ms)
    }

    fn renew_keys(&self, done: Box<dyn FnOnce() + Send>) {
        self.refresh.request(done);
    }
}

/// The waiters for an early fetch.
#[derive(Debug, Default)]
pub(crate) struct KeyRefresh {
    state: Mutex<State>,
    requested: Notify,
}

#[derive(Default)]
struct State {
    /// One for each waiting connection, which reads nothing until it is called. That of a closed connection stays until
    /// the next fetch.
    waiting: Vec<Box<dyn FnOnce() + Send>>,
    cooldown_until: Option<Instant>,
}

impl KeyRefresh {
    fn request(&self, done: Box<dyn FnOnce() + Send>) {
        self.state.lock().waiting.push(done);
        self.requested.notify_one();
    }

    /// Ready when somebody waits and the cooldown is over.
    pub(crate) async fn requested(&self) {
        while self.state.lock().waiting.is_empty() {
            self.requested.notified().await;
        }
        let cooldown_until = self.state.lock().cooldown_until;
        if let Some(until) = cooldown_until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Wakes all waiters after a fetch, whether it succeeded or not, and starts the cooldown.
    pub(crate) fn fetched(&self) {
        let mut state = self.state.lock();
        state.cooldown_until = Some(Instant::now() + COOLDOWN);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|done| done());
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("waiting", &self.waiting.len())
            .field("cooldown_until", &self.cooldown_until)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{advance, timeout};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn waiters_share_a_fetch_and_later_ones_wait_for_the_cooldown() {
        let (refresh, called) = (KeyRefresh::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let counts = called.clone();
            refresh.request(Box::new(move || {
                counts.fetch_add(1, Ordering::Relaxed);
            }));
            called.load(Ordering::Relaxed)
        };
        assert!(timeout(MOMENT, refresh.requested()).await.is_err(), "nobody has asked");
        assert_eq!([ask(), ask()], [0, 0]);
        timeout(MOMENT, refresh.requested()).await.expect("somebody waits");
        assert_eq!(ask(), 0, "the fetch is under way");
        refresh.fetched();
        assert_eq!(called.load(Ordering::Relaxed), 3);
        assert!(timeout(MOMENT, refresh.requested()).await.is_err(), "all have been served");
        assert_eq!(ask(), 3);
        assert!(timeout(COOLDOWN - 2 * MOMENT, refresh.requested()).await.is_err(), "it is not fetched again at once");
        advance(2 * MOMENT).await;
        timeout(MOMENT, refresh.requested()).await.expect("somebody waits");
        refresh.fetched();
        assert_eq!(called.load(Ordering::Relaxed), 4);
    }
}
