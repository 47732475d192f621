//! That Redis is there and refuses what is published, as when it is full. The log has a line when that has lasted for a
//! moment, and one when it is over; and who is refused is told why.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use ws_core::LogLimit;

use crate::limits::{LOGGED_PER_SECOND, REFUSED_SAY_AFTER, REFUSED_WITHIN};

static BEGINS: LogLimit = LogLimit::new(LOGGED_PER_SECOND);
static ENDS: LogLimit = LogLimit::new(LOGGED_PER_SECOND);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Refusing {
    /// So that a publication which is taken costs no lock; changed under it.
    is_on: AtomicBool,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    why: String,
    since: Instant,
    last: Instant,
    is_said: bool,
}

impl Refusing {
    /// Redis has refused something for the moment, with these words.
    pub(crate) fn refused(&self, why: &str) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let state = state.get_or_insert_with(|| State { why: String::new(), since: now, last: now, is_said: false });
        if state.last.elapsed() >= REFUSED_WITHIN {
            state.since = now;
        }
        (state.why, state.last) = (why.to_owned(), now);
        self.is_on.store(true, Ordering::Release);
    }

    /// Redis has taken something.
    pub(crate) fn taken(&self, title: impl FnOnce() -> String) {
        if !self.is_on.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state.lock();
        self.is_on.store(false, Ordering::Release);
        if state.take().is_some_and(|state| state.is_said)
            && let Some(left_out) = ENDS.pass(Instant::now().into_std())
        {
            tracing::info!(left_out, "{}Redis takes publications again", title());
        }
    }

    /// Tells the log, if it has lasted.
    pub(crate) fn say(&self, title: impl FnOnce() -> String) {
        if !self.is_on.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state.lock();
        let Some(state) = state.as_mut().filter(|state| !state.is_said && state.since.elapsed() > REFUSED_SAY_AFTER)
        else {
            return;
        };
        state.is_said = true;
        if let Some(left_out) = BEGINS.pass(Instant::now().into_std()) {
            tracing::warn!(left_out, "{}Redis refuses what is published: {}", title(), state.why);
        }
    }

    /// Why something that was not stored in time was not, if Redis has refused it.
    pub(crate) fn current(&self) -> Option<String> {
        self.why(|_| true)
    }

    /// Why nothing is stored for the moment, if that has lasted.
    pub(crate) fn lasting(&self) -> Option<String> {
        self.why(|state| state.since.elapsed() > REFUSED_SAY_AFTER)
    }

    fn why(&self, holds: impl Fn(&State) -> bool) -> Option<String> {
        let is_why = |state: &&State| state.last.elapsed() < REFUSED_WITHIN && holds(state);
        self.state.lock().as_ref().filter(is_why).map(|state| format!("Redis refuses it: {}", state.why))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_a_reason_and_one_that_lasts_keeps_others_out() {
        let refusing = Refusing::default();
        let is = |current, lasting| {
            assert_eq!((refusing.current().is_some(), refusing.lasting().is_some()), (current, lasting))
        };
        is(false, false);
        refusing.refused("OOM");
        is(true, false);
        advance(REFUSED_SAY_AFTER + Duration::from_millis(1)).await;
        refusing.refused("OOM");
        is(true, true);
        assert_eq!(refusing.lasting().as_deref(), Some("Redis refuses it: OOM"));
        refusing.taken(String::new);
        is(false, false);
        refusing.refused("OOM");
        is(true, false);
        advance(REFUSED_WITHIN).await;
        is(false, false);
        // It has not lasted: nobody knows what would have been taken between.
        refusing.refused("OOM");
        is(true, false);
    }
}
