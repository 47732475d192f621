//! The hub: what connections, sessions, the engine and the fan-out share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use ws_proto::{CloseCode, ErrorBody};

use crate::admission::Permit;
use crate::auth::Auth;
use crate::channel::{Channel, Shards};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::drain::DrainPlan;
use crate::engine::Engine;
use crate::fanout::Fanout;
use crate::gate::{EngineRoom, Gate};
use crate::heartbeat::Heartbeat;
use crate::identity::Claims;
use crate::limits::{Limits, SHARDS_MAX};
use crate::options::{Actions, Namespaces};
use crate::publishing::Sink;
use crate::quota::Quota;
use crate::rate::Rate;
use crate::registry::Registry;
use crate::shard::{Notice, Shard};
use crate::supervisor::Supervisor;

/// A cheap handle on the hub. Its fan-out tasks, one per shard, end with the last handle.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

/// What a hub is started with.
#[derive(Debug)]
pub struct HubOptions {
    /// What one connection, and all, may use.
    pub limits: Limits,
    /// How dead connections are found.
    pub heartbeat: Heartbeat,
    /// What channels offer.
    pub namespaces: Namespaces,
    /// Who may do what is no channel's.
    pub actions: Actions,
    /// On what terms connections authenticate.
    pub auth: Auth,
    /// Fan-out tasks, best one per core; 1 to 64.
    pub shards: usize,
}

/// What sessions, connections and fan-out tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) namespaces: Namespaces,
    pub(crate) actions: Actions,
    pub(crate) request_rate: Rate,
    pub(crate) handshake_rate: Rate,
    /// The bucket of that rate.
    pub(crate) handshakes: AtomicU64,
    pub(crate) auth: Auth,
    /// Connections by address.
    pub(crate) addresses: Quota<IpAddr>,
    /// Connections by user.
    pub(crate) users: Quota<Arc<str>>,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) engine: Arc<dyn Engine>,
    /// What is sent to every connection.
    pub(crate) broadcasts: Arc<Channel>,
    /// Those with subscribers.
    pub(crate) channels: Registry<Channel>,
    pub(crate) gate: Gate,
    pub(crate) engine_room: Arc<EngineRoom>,
    /// Channels that owe their subscribers counts; each once.
    pub(crate) counts_due: Mutex<Vec<Arc<Channel>>>,
    pub(crate) shards: Box<[Shard]>,
    pub(crate) next_shard: AtomicUsize,
    /// Connections that are let in.
    pub(crate) admitted: AtomicUsize,
    /// Those of them that `connections_max` is about.
    pub(crate) places: AtomicUsize,
    /// Those of them that count.
    pub(crate) connections: AtomicUsize,
    /// Those of them that have to authenticate first.
    pub(crate) strangers: AtomicUsize,
    draining: AtomicBool,
    supervisor: Supervisor,
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
        let HubOptions { limits, heartbeat, namespaces, actions, auth, shards } = options;
        let shards = shards.clamp(1, SHARDS_MAX);
        let gate = Gate::new(&limits);
        let shared = Arc::new(Shared {
            limits,
            heartbeat,
            namespaces,
            actions,
            request_rate: Rate::new(limits.requests_per_second, limits.requests_burst),
            handshake_rate: Rate::new(limits.handshakes_per_second, 0),
            handshakes: AtomicU64::new(0),
            auth,
            addresses: Quota::new(limits.connections_per_ip_max),
            users: Quota::new(limits.connections_per_user_max),
            clock,
            counters: Arc::default(),
            engine_room: Arc::new(EngineRoom::new(engine.clone())),
            engine,
            broadcasts: Arc::new(Channel::broadcast(&gate)),
            channels: Registry::new(),
            gate,
            counts_due: Mutex::default(),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            next_shard: AtomicUsize::new(0),
            admitted: AtomicUsize::new(0),
            places: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            strangers: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            supervisor: Supervisor::default(),
        });
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
    pub fn admit(&self, peer: IpAddr, has_token: bool) -> Result<Permit, crate::Refusal> {
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
            Err(unfit) if unfit.has_unknown_key => {
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

impl Shared {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Tells shards that there is something new in a channel.
    pub(crate) fn tell(&self, channel: &Arc<Channel>, shards: Shards) {
        shards.iter().for_each(|shard| self.shards[shard].notify(Notice::Dirty(channel.clone())));
    }

    fn notify_all(&self, notice: impl Fn() -> Notice) {
        self.shards.iter().for_each(|shard| shard.notify(notice()));
    }
}
