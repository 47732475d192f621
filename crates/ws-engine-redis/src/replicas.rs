//! Waiting for replicas: what was written is acknowledged once enough of them have it.
//!
//! `WAIT` holds up everything behind it, so it has a connection of its own. Replicas take everything in one order: each
//! `WAIT` follows a write of its own, and whoever has that has what was written before it on any connection. One is in
//! flight, and what comes meanwhile goes with the next one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::REPLICAS_KEY_TTL;
use crate::link::{Batch, Failure, Link};
use crate::resp::Value;

/// Called when enough replicas have everything that was written before, or with why that is not known.
pub(crate) type Then = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Who waits, and until when.
struct Waiting {
    by: Instant,
    then: Then,
}

/// The connection that belongs to a writer.
pub(crate) struct Replicas {
    writer: Link,
    link: Link,
    key: String,
    min: usize,
    within: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those for whom a `WAIT` is in flight.
    in_flight: Option<Vec<Waiting>>,
    waiting: Vec<Waiting>,
}

impl Replicas {
    /// `key`: what it writes to.
    pub(crate) fn new(writer: Link, link: Link, key: String, min: usize, within: Duration) -> Arc<Self> {
        Arc::new(Replicas { writer, link, key, min, within, state: Mutex::default() })
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Whether it can wait for what this link has written: another one may have written to another server.
    pub(crate) fn is_of(&self, writer: &Link) -> bool {
        self.writer.is(writer)
    }

    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.in_flight.is_none() && state.waiting.is_empty()
    }

    /// Call it when the writer has the answer of what is waited for.
    pub(crate) fn wait(self: &Arc<Self>, by: Instant, then: Then) {
        self.state.lock().waiting.push(Waiting { by, then });
        self.next();
    }

    /// Answers those whose time is over, whatever becomes of the `WAIT`.
    pub(crate) fn give_up_late(&self) {
        let (now, mut state) = (Instant::now(), self.state.lock());
        let State { in_flight, waiting } = &mut *state;
        let all = in_flight.iter_mut().chain([waiting]);
        let late: Vec<_> = all.flat_map(|all| all.extract_if(.., move |waiting| waiting.by <= now)).collect();
        drop(state);
        late.into_iter().for_each(|late| (late.then)(Err("replicas have not answered in time".to_owned())));
    }

    fn next(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.in_flight.is_some() || state.waiting.is_empty() {
            return;
        }
        state.in_flight = Some(std::mem::take(&mut state.waiting));
        drop(state);
        if let Err(reason) = self.link.send(|batch| self.ask(batch)) {
            self.answered(&Err(reason));
        }
    }

    fn ask(self: &Arc<Self>, batch: &mut Batch<'_>) {
        let ttl_ms = REPLICAS_KEY_TTL.as_millis().to_string();
        let marked = Arc::new(Mutex::new(Err("nothing was marked".to_owned())));
        let mark = marked.clone();
        batch.command(["SET", &self.key, "", "PX", &ttl_ms], move |result| {
            *mark.lock() = result.map(drop).map_err(|failure| failure.to_string());
        });
        let (min, within_ms) = (self.min.to_string(), self.within.as_millis().to_string());
        let replicas = self.clone();
        batch.command(["WAIT", &min, &within_ms], move |result| {
            let marked = std::mem::replace(&mut *marked.lock(), Ok(()));
            replicas.answered(&marked.and_then(|()| replicas.judge(result)));
        });
    }

    fn judge(&self, result: Result<Value, Failure>) -> Result<(), String> {
        let n = result.map_err(|failure| failure.to_string())?.as_int().unwrap_or_default();
        match usize::try_from(n).is_ok_and(|n| n >= self.min) {
            true => Ok(()),
            false => Err(format!("{n} of {} replicas have it within {:?}", self.min, self.within)),
        }
    }

    fn answered(self: &Arc<Self>, result: &Result<(), String>) {
        let all = self.state.lock().in_flight.as_mut().map(std::mem::take);
        all.into_iter().flatten().for_each(|waiting| (waiting.then)(result.clone()));
        self.state.lock().in_flight = None;
        self.next();
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas").field("link", &self.link).finish_non_exhaustive()
    }
}
