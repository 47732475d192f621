//! The handle of a hub.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::AbortHandle;
use ws_proto::{CloseCode, ErrorBody};

use super::{answering, broadcasts, runtime_lag};
use crate::access::{Authentication, Claims, Refusal, too_many_of_user};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::drain::DrainPlan;
use crate::engine::Engine;
use crate::fanout::Fanout;
use crate::heartbeat::Heartbeat;
use crate::limits::Limits;
use crate::state::{ClusterSide, HubOptions, NotClaimed, Notice, Permit, Shared, Sink};
use crate::supervisor::Supervisor;

/// A cheap handle on the hub. Its fan-out tasks, one per shard, end with the last handle.
#[derive(Debug, Clone)]
pub struct Hub {
    pub(super) shared: Arc<Shared>,
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

    /// Like [`start`](Self::start), with this clock.
    pub fn start_at(clock: Clock, options: HubOptions, engine: Arc<dyn Engine>) -> Self {
        let shared = Arc::new(Shared::new(clock, options, engine));
        let shards = shared.shards.len();
        shared.engine.start(Arc::new(Sink::new(&shared)));
        if let Some(cluster) = shared.engine.cluster() {
            cluster.start(Arc::new(ClusterSide::new(&shared)));
            shared.follow_broadcasts();
        }
        let tasks = (0..shards).map(|shard| {
            let fanout = Fanout::new(shared.clone(), shard);
            tokio::spawn(shared.supervisor.clone().watch("a fan-out task", fanout.run())).abort_handle()
        });
        let lag = shared.supervisor.clone().watch("the task that measures lag", runtime_lag::measure(shared.clone()));
        let mut tasks: Vec<_> = tasks.chain([tokio::spawn(lag).abort_handle()]).collect();
        if shared.feed.is_some() {
            let follow =
                shared.supervisor.clone().watch("the task that reads broadcasts", broadcasts::follow(shared.clone()));
            let answer = answering::answer_all(shared.clone());
            let answer = shared.supervisor.clone().watch("the task that answers other servers", answer);
            tasks.extend([tokio::spawn(follow).abort_handle(), tokio::spawn(answer).abort_handle()]);
        }
        Hub { _tasks: Arc::new(Tasks(tasks)), shared }
    }

    /// Admits a connection from this address. `has_token`: its handshake has a token.
    ///
    /// # Errors
    /// If there are too many connections already (in total, from this address, or unauthenticated), they come too fast,
    /// or the server is draining.
    pub fn admit(&self, peer: IpAddr, has_token: bool) -> Result<Permit, Refusal> {
        Permit::take(&self.shared, peer, has_token)
    }

    /// The claims of a token that logs in, or why it cannot: for [`Session::open`](crate::Session::open). Waits only if
    /// the token names an unknown key, until the keys have been renewed, and in a cluster for the number of connections of
    /// its user. Meanwhile its connection counts as unauthenticated if it has to authenticate and the key is unknown:
    /// anybody can make such a token up.
    ///
    /// # Errors
    /// There are too many unauthenticated connections to wait among them, there is no room after the wait, or nobody
    /// knows how many connections the user has.
    pub async fn log_in(&self, permit: &mut Permit, token: &str) -> Result<Result<Claims, ErrorBody>, Refusal> {
        let shared = &self.shared;
        let check = || shared.auth.log_in(token, None, shared.clock.time_of_day());
        permit.begin_login();
        let mut checked = check();
        if checked.as_ref().is_err_and(|rejection| rejection.has_unknown_key) {
            permit.wait_for_keys().await.inspect_err(|refusal| refused(shared, *refusal))?;
            checked = check();
        }
        let claims = match checked {
            Ok(claims) => claims,
            Err(rejection) => {
                permit.end_login();
                return Ok(Err(rejection.into()));
            }
        };
        permit.take_slot().inspect_err(|refusal| refused(shared, *refusal))?;
        match permit.wait_for_user(&claims.user).await {
            // It may have waited.
            Ok(()) if shared.is_draining() => Err(Refusal::Draining).inspect_err(|refusal| refused(shared, *refusal)),
            Ok(()) => Ok(Ok(claims)),
            Err(NotClaimed::Exhausted) => Ok(Err(too_many_of_user())),
            Err(NotClaimed::Unknown(_)) => Err(Refusal::Engine).inspect_err(|refusal| refused(shared, *refusal)),
        }
    }

    /// How many connections there are, without those that still have to authenticate.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// How many connections still have to authenticate before they count.
    pub fn unauthenticated(&self) -> usize {
        self.shared.unauthenticated.load(Ordering::Acquire)
    }

    /// How many connections there are in total.
    pub fn admitted(&self) -> usize {
        self.shared.admitted.load(Ordering::Acquire)
    }

    /// How many channels have subscribers.
    pub fn channels(&self) -> usize {
        self.shared.channels.len()
    }

    /// Bytes that are kept for subscribers that have not been offered them yet or are lagging, and bytes that the
    /// engine has yet to deliver.
    pub fn log_bytes(&self) -> u64 {
        self.shared.gate.bytes()
    }

    /// The engine that keeps the publications.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.shared.engine
    }

    /// The first failure of a task or thread that the server depends on, here or in the engine.
    pub fn failure(&self) -> Option<&str> {
        self.shared.supervisor.failure().or_else(|| self.shared.engine.supervisor()?.failure())
    }

    /// Waits for such a [`failure`](Self::failure).
    pub async fn failed(&self) {
        match self.shared.engine.supervisor() {
            None => _ = self.shared.supervisor.failed().await,
            Some(engine) => tokio::select! {
                _ = self.shared.supervisor.failed() => {}
                _ = engine.failed() => {}
            },
        }
    }

    /// Watches the tasks that the hub and its transport depend on.
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

    /// Admits no more connections: the first step of a drain.
    pub fn close_admission(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    /// Admits no more connections, and announces the drain to all, each with its own slot to reconnect in. Slots divide
    /// at most `spread`, from the end of `notice` on: call [`close_all`](Self::close_all) then.
    pub fn drain(&self, notice: Duration, spread: Duration) {
        self.close_admission();
        let plan = Arc::new(DrainPlan::new(self.admitted(), notice, spread));
        self.shared.notify_all(|| Notice::Drain(plan.clone()));
    }

    /// Asks every connection to close with this code, including those that are just being opened.
    pub fn close_all(&self, code: CloseCode) {
        self.shared.notify_all(|| Notice::Close(code));
    }
}

/// A login is refused for want of room, or of an answer.
fn refused(shared: &Shared, refusal: Refusal) {
    let result = if refusal == Refusal::Engine { Authentication::Unavailable } else { Authentication::Full };
    shared.counters.refused(refusal).add(1);
    shared.counters.authentications(result).add(1);
}
