//! A TCP proxy between a client and a server that does to their connections what bad networks do.
//!
//! What goes wrong is said in one of three ways:
//! * [`Script`]: for each connection, by its number, a list of steps. Each step waits for a time or for bytes.
//! * [`Chaos`]: the same steps, drawn from a seed. The same seed draws the same for the n-th connection.
//! * The handle: [`FaultProxy::now`] for all connections that are open, [`FaultProxy::refuse`] for the port. A test
//!   that starts a client in another process (JavaScript, Python) controls its network in this way.
//!
//! The proxy knows nothing of WebSocket or TLS: it sees bytes. What TCP never does, it does not do either: bytes are
//! never lost in the middle, reordered or changed. A connection may stop, slow down or end at any byte.

mod chaos;
mod connection;
mod fault;
mod lane;
mod link;
mod plan;
mod record;
mod rng;
mod script;
mod serve;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use self::chaos::{Chaos, seed};
pub use self::fault::{Fault, Way};
pub use self::rng::Rng;
pub use self::script::{Script, Step, after, after_bytes, at_once};

use self::plan::Plan;
use self::record::Gate;
use self::shared::Shared;
use crate::wait::{until, within};

/// A running proxy. Dropping it closes its port and all its connections.
pub struct FaultProxy {
    shared: Arc<Shared>,
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// A proxy in front of `upstream` that passes everything on, on a port of loopback that the system chooses.
    pub async fn start(upstream: SocketAddr) -> Self {
        Self::scripted(upstream, Script::new()).await
    }

    /// One that follows a script.
    pub async fn scripted(upstream: SocketAddr, script: Script) -> Self {
        Self::run(upstream, Plan::Script(script)).await
    }

    /// One that draws what happens. Prints the seed, which a failed test shows.
    pub async fn chaotic(upstream: SocketAddr, chaos: Chaos) -> Self {
        println!("fault proxy: WS_TEST_SEED={}", chaos.seed);
        Self::run(upstream, Plan::Chaos(chaos)).await
    }

    async fn run(upstream: SocketAddr, plan: Plan) -> Self {
        let place = serve::reserve().expect("a port of loopback");
        let addr = place.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::new(upstream, plan));
        let task = tokio::spawn(serve::serve(shared.clone(), place));
        let proxy = FaultProxy { shared, addr, task };
        proxy.settled(true).await;
        proxy
    }

    async fn settled(&self, listening: bool) {
        let mut state = self.shared.listening.subscribe();
        within("the proxy's port", state.wait_for(|now| *now == listening)).await.expect("the proxy runs");
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of the server's WebSocket through the proxy.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.addr)
    }

    /// Where new connections go from now on, if the server comes back somewhere else.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.with(|state| state.upstream = upstream);
    }

    /// Replaces the script or the chaos, for connections to come. Their numbers go on.
    pub fn set_script(&self, script: Script) {
        self.shared.with(|state| state.plan = Plan::Script(script));
    }

    /// Does this to all connections that are open now. Their scripts go on.
    pub fn now(&self, fault: Fault) {
        let open: Vec<_> = self.shared.with(|state| state.open.values().cloned().collect());
        open.iter().for_each(|link| link.apply(fault));
    }

    /// Refuses connections until [`FaultProxy::accept`]. Those that are open stay, and so
    /// does the port: the system does not choose it for others.
    pub async fn refuse(&self) {
        self.shared.record.gate.send_replace(Gate::Refusing(None));
        self.settled(false).await;
    }

    /// Accepts connections again.
    pub async fn accept(&self) {
        self.shared.record.gate.send_replace(Gate::Open);
        self.settled(true).await;
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.with(|state| state.accepts.len() as u64)
    }

    /// When each of them was accepted.
    pub fn accepts(&self) -> Vec<Instant> {
        self.shared.with(|state| state.accepts.clone())
    }

    /// How many are open: accepted, and not yet ended on both sides.
    pub fn open(&self) -> usize {
        self.shared.with(|state| state.open.len())
    }

    /// How often each fault happened, by its name.
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.shared.record.faults()
    }

    /// Waits until so many connections were accepted.
    pub async fn until_accepted(&self, count: u64) {
        until(&format!("{count} connections"), async || (self.accepted() >= count).then_some(())).await;
    }

    /// Waits until so many connections are open.
    pub async fn until_open(&self, count: usize) {
        until(&format!("{count} open connections"), async || (self.open() == count).then_some(())).await;
    }
}

/// Its log: for the message of a test that fails.
impl fmt::Display for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.record.log().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy").field("addr", &self.addr).field("open", &self.open()).finish_non_exhaustive()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How many accepts fell into each `span` from `start` on.
pub fn curve(accepts: &[Instant], start: Instant, span: Duration) -> Vec<usize> {
    let mut curve = Vec::new();
    for at in accepts.iter().filter(|at| **at >= start) {
        let nth = (at.duration_since(start).as_nanos() / span.as_nanos()) as usize;
        curve.resize(curve.len().max(nth + 1), 0);
        curve[nth] += 1;
    }
    curve
}
