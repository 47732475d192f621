//! The hub: the handle on it, who is admitted, and what is published. What is shared below it is in `shared`.

mod admission;
mod error;
mod history;
mod operations;
mod options;
mod page;
mod presence;
mod publishing;
mod shard;
mod shared;

pub use self::admission::{Membership, Permit};
pub(crate) use self::error::{clip, unavailable};
pub use self::options::HubOptions;
pub(crate) use self::page::limit as page_limit;
pub(crate) use self::presence::PresenceQuery;
pub(crate) use self::publishing::{Draft, Publishing, check_msg_id, encoded};
pub(crate) use self::shard::{Notice, Start};
pub(crate) use self::shared::Shared;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use ws_proto::{CloseCode, ErrorBody};

use self::publishing::Sink;
use crate::access::{Claims, Refusal};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::drain::DrainPlan;
use crate::engine::Engine;
use crate::fanout::Fanout;
use crate::heartbeat::Heartbeat;
use crate::limits::Limits;
use crate::supervisor::Supervisor;

/// A cheap handle on the hub. Its fan-out tasks, one per shard, end with the last handle.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

#[derive(Debug)]
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Hub {
    /// Starts a hub over an engine that has not been started yet. Call it within a tokio runtime.
    pub fn start(options: HubOptions, engine: Arc<dyn Engine>) -> Self {
        Hub::start_at(Clock::start(), options, engine)
    }

    /// The same, with this clock.
    pub fn start_at(clock: Clock, options: HubOptions, engine: Arc<dyn Engine>) -> Self {
        let shared = Arc::new(Shared::new(clock, options, engine));
        let shards = shared.shards.len();
        shared.engine.start(Arc::new(Sink::new(&shared)));
        let tasks = (0..shards).map(|shard| {
            let fanout = Fanout::new(shared.clone(), shard);
            tokio::spawn(shared.supervisor.clone().watch("a fan-out task", fanout.run())).abort_handle()
        });
        Hub { _tasks: Arc::new(Tasks(tasks.collect())), shared }
    }

    /// Room for a connection from this address, which has sent a token along or has not.
    ///
    /// # Errors
    /// When there are too many already, altogether, from there or without a user, they come too fast, or the server is
    /// draining.
    pub fn admit(&self, peer: IpAddr, has_token: bool) -> Result<Permit, Refusal> {
        Permit::take(&self.shared, peer, has_token)
    }

    /// What a token says that logs in: for [`Session::open`](crate::Session::open). It waits for nothing, unless the
    /// token names a key that is not at hand: then for newer keys.
    ///
    /// # Errors
    /// `invalid_token`, `token_expired`.
    pub async fn log_in(&self, token: &str) -> Result<Claims, ErrorBody> {
        let auth = &self.shared.auth;
        match auth.log_in(token, None, self.shared.clock.time_of_day()) {
            Err(rejection) if rejection.has_unknown_key => {
                let (over, is_over) = oneshot::channel::<()>();
                // Dropping the one end readies the other.
                auth.renew_keys(Box::new(move || drop(over)));
                let _ = is_over.await;
                Ok(auth.log_in(token, None, self.shared.clock.time_of_day())?)
            }
            checked => Ok(checked?),
        }
    }

    /// How many connections there are, less those that have to authenticate first.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// How many connections have to authenticate before they count.
    pub fn strangers(&self) -> usize {
        self.shared.strangers.load(Ordering::Acquire)
    }

    /// How many connections there are, all of them.
    pub fn admitted(&self) -> usize {
        self.shared.admitted.load(Ordering::Acquire)
    }

    /// How many channels have subscribers.
    pub fn channels(&self) -> usize {
        self.shared.channels.len()
    }

    /// Bytes that are kept for subscribers who have not been offered them yet, or are behind, and those that the engine is
    /// still to deliver to subscribers.
    pub fn log_bytes(&self) -> u64 {
        self.shared.gate.bytes()
    }

    /// What keeps the publications.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.shared.engine
    }

    /// What has failed that the server cannot do without, here or in the engine.
    pub fn failure(&self) -> Option<&str> {
        self.shared.supervisor.failure().or_else(|| self.shared.engine.supervisor()?.failure())
    }

    /// Ready when there is such a [`failure`](Self::failure).
    pub async fn failed(&self) {
        match self.shared.engine.supervisor() {
            None => _ = self.shared.supervisor.failed().await,
            Some(engine) => tokio::select! {
                _ = self.shared.supervisor.failed() => {}
                _ = engine.failed() => {}
            },
        }
    }

    /// What watches the tasks that the hub, or its transport, cannot do without.
    pub fn supervisor(&self) -> &Supervisor {
        &self.shared.supervisor
    }

    /// Counts since the start.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }

    /// The hub's clock.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// The limits it was started with.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// The heartbeat it was started with.
    pub fn heartbeat(&self) -> &Heartbeat {
        &self.shared.heartbeat
    }

    /// Whether [`drain`](Self::drain) has been called.
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }

    /// Admits nobody any more and tells everybody, with a slot of `spread` for each to reconnect in.
    pub fn drain(&self, spread: Duration) {
        self.shared.draining.store(true, Ordering::Release);
        let plan = Arc::new(DrainPlan::new(self.admitted(), spread));
        self.shared.notify_all(|| Notice::Drain(plan.clone()));
    }

    /// Asks every connection to close with this code, those that are just being opened too.
    pub fn close_all(&self, code: CloseCode) {
        self.shared.notify_all(|| Notice::Close(code));
    }
}
