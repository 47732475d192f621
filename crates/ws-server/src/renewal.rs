//! Newer keys, when a token names one that is not at hand: providers sign with a new key as soon as they publish it, and
//! the next fetch in turn may be minutes away. Who sends such a token waits for a fetch out of turn. Anybody can make up
//! the names of keys, so there is a rest between two fetches; who comes in it waits until it is over.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use ws_auth::Verifier;
use ws_core::{Authenticator, Claims, TokenError};

/// Least time from the end of a fetch to one that is out of turn.
const REST: Duration = Duration::from_secs(5);

/// Checks tokens by a verifier whose published keys are renewed.
#[derive(Debug)]
pub(crate) struct Renewing {
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) renewals: Arc<Renewals>,
}

impl Authenticator for Renewing {
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError> {
        self.verifier.check(token, unix_ms)
    }

    fn renew_keys(&self, done: Box<dyn FnOnce() + Send>) {
        self.renewals.ask(done);
    }
}

/// Who waits for a fetch.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    state: Mutex<State>,
    asked: Notify,
}

#[derive(Default)]
struct State {
    /// One for each connection, which reads nothing more until it is called; of one that has gone, until the next fetch.
    waiting: Vec<Box<dyn FnOnce() + Send>>,
    rests_until: Option<Instant>,
}

impl Renewals {
    fn ask(&self, done: Box<dyn FnOnce() + Send>) {
        self.state.lock().waiting.push(done);
        self.asked.notify_one();
    }

    /// Ready when somebody waits, and the rest is over.
    pub(crate) async fn asked(&self) {
        while self.state.lock().waiting.is_empty() {
            self.asked.notified().await;
        }
        let rests_until = self.state.lock().rests_until;
        if let Some(until) = rests_until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// A fetch is over, whatever has come of it.
    pub(crate) fn fetched(&self) {
        let mut state = self.state.lock();
        state.rests_until = Some(Instant::now() + REST);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|done| done());
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("waiting", &self.waiting.len()).field("rests_until", &self.rests_until).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{advance, timeout};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn all_wait_for_one_fetch_and_the_rest_behind_it() {
        let (renewals, called) = (Renewals::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let counts = called.clone();
            renewals.ask(Box::new(move || {
                counts.fetch_add(1, Ordering::Relaxed);
            }));
            called.load(Ordering::Relaxed)
        };
        assert!(timeout(MOMENT, renewals.asked()).await.is_err(), "nobody has asked");
        assert_eq!([ask(), ask()], [0, 0]);
        timeout(MOMENT, renewals.asked()).await.expect("somebody waits");
        assert_eq!(ask(), 0, "the fetch is under way");
        renewals.fetched();
        assert_eq!(called.load(Ordering::Relaxed), 3);
        assert!(timeout(MOMENT, renewals.asked()).await.is_err(), "all have been served");
        assert_eq!(ask(), 3);
        assert!(timeout(REST - 2 * MOMENT, renewals.asked()).await.is_err(), "it is not fetched again at once");
        advance(2 * MOMENT).await;
        timeout(MOMENT, renewals.asked()).await.expect("somebody waits");
        renewals.fetched();
        assert_eq!(called.load(Ordering::Relaxed), 4);
    }
}
