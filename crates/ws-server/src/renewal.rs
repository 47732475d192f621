//! Newer keys, when a token names one that is not at hand: providers sign with a new key as soon as they publish it, and
//! the next fetch in turn may be minutes away. Who sends such a token waits for a fetch out of turn. Anybody can make up
//! the names of keys, so there is a rest between two fetches; in it nobody waits.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use ws_auth::Verifier;
use ws_core::{Authenticator, Claims, TokenError};

/// Least time from the end of a fetch to one that is out of turn.
const REST: Duration = Duration::from_secs(10);

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
    /// At most one for each connection: it reads nothing more until it is called.
    waiting: Vec<Box<dyn FnOnce() + Send>>,
    rests_until: Option<Instant>,
}

impl Renewals {
    fn ask(&self, done: Box<dyn FnOnce() + Send>) {
        let mut state = self.state.lock();
        if state.rests_until.is_some_and(|until| Instant::now() < until) {
            drop(state);
            return done();
        }
        state.waiting.push(done);
        drop(state);
        self.asked.notify_one();
    }

    /// Ready when somebody waits.
    pub(crate) async fn asked(&self) {
        while self.state.lock().waiting.is_empty() {
            self.asked.notified().await;
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
    async fn all_wait_for_one_fetch_and_nobody_in_the_rest_behind_it() {
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
        assert_eq!([ask(), ask()], [4, 5], "it is not fetched again at once");
        advance(REST).await;
        assert_eq!(ask(), 5);
        timeout(MOMENT, renewals.asked()).await.expect("somebody waits");
    }
}
