//! What the handle, the listener and the connections share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::link::Link;
use super::plan::Plan;
use super::record::Record;

/// The lock is held for a few instructions only, and no other is taken under it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) record: Arc<Record>,
    pub(super) listening: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) upstream: SocketAddr,
    pub(super) plan: Plan,
    pub(super) accepts: Vec<Instant>,
    pub(super) open: BTreeMap<u64, Arc<Link>>,
}

impl Shared {
    pub(super) fn new(upstream: SocketAddr, plan: Plan) -> Self {
        let state = State { upstream, plan, accepts: Vec::new(), open: BTreeMap::new() };
        Shared { record: Arc::new(Record::new()), listening: watch::Sender::new(false), state: Mutex::new(state) }
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
