//! The hub: who is connected, and what is sent to all.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use ws_proto::event::Notify as Event;
use ws_proto::{CloseCode, encode_notification};

use crate::clock::Clock;
use crate::connection::Connection;
use crate::counters::Counters;
use crate::fanout::Fanout;
use crate::frame::{self, Opcode};
use crate::gate::Gate;
use crate::heartbeat::Heartbeat;
use crate::limits::{IDLE_BUFFER_BYTES_MAX, Limits};
use crate::log::Log;

thread_local! {
    /// Where a thread encodes what it publishes.
    static ENCODED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A cheap handle on the hub. Its fan-out tasks, one per shard, end with the last handle.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

/// What sessions, connections and fan-out tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: Log,
    pub(crate) gate: Gate,
    shards: Box<[Shard]>,
    /// Per shard: the lowest cursor of its members.
    low: Box<[AtomicU64]>,
    next_shard: AtomicUsize,
    connections: AtomicUsize,
    draining: AtomicBool,
}

/// Connections that one fan-out task goes round.
#[derive(Debug, Default)]
struct Shard {
    /// At most a join, a resume and a leave per connection, and the notices of a drain.
    inbox: Mutex<Vec<Notice>>,
    wake: Notify,
}

/// What a fan-out task is told.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A connection reads the log from this cursor on.
    Join(Arc<Connection>, u64),
    /// A connection can be written to again.
    Resume(Arc<Connection>),
    /// A connection has ended.
    Leave(Arc<Connection>),
    /// Tell every connection that it will have to go elsewhere.
    Drain(Arc<DrainPlan>),
    /// Close every connection, those that are still to come too.
    Close(CloseCode),
}

/// Room for one more connection; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `connections_max` is reached.
    #[error("the server has as many connections as it may have")]
    Full,
    /// The server is going away.
    #[error("the server is draining")]
    Draining,
}

/// A connection's place in the hub; it leaves when this is dropped.
#[derive(Debug)]
pub struct Membership {
    connection: Arc<Connection>,
    shard: usize,
    permit: Permit,
}

/// How clients are spread over time when they have to go elsewhere.
#[derive(Debug)]
pub struct DrainPlan {
    connections: u64,
    spread_ms: u64,
    next: AtomicU64,
}

#[derive(Debug)]
struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Hub {
    /// Starts a hub with `shards` fan-out tasks, best one per core. Call it within a tokio runtime.
    pub fn start(limits: Limits, heartbeat: Heartbeat, shards: usize) -> Self {
        let shards = shards.max(1);
        let shared = Arc::new(Shared {
            limits,
            heartbeat,
            clock: Clock::start(),
            counters: Arc::default(),
            log: Log::new(limits.broadcast_log_bytes_max),
            gate: Gate::new(shards, limits.broadcast_log_bytes_max),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            low: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            next_shard: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        });
        let tasks = (0..shards).map(|shard| tokio::spawn(Fanout::new(shared.clone(), shard).run()).abort_handle());
        Hub { _tasks: Arc::new(Tasks(tasks.collect())), shared }
    }

    /// Room for a connection.
    ///
    /// # Errors
    /// When there are `connections_max` already, or the server is draining.
    pub fn admit(&self) -> Result<Permit, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let before = self.shared.connections.fetch_add(1, Ordering::AcqRel);
        // From here on dropping it gives the place back.
        let permit = Permit { shared: self.shared.clone() };
        match self.shared.limits.connections_max {
            max if max > 0 && before >= max => Err(Refusal::Full),
            _ => Ok(permit),
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.connections()
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
        self.shared.draining.load(Ordering::Acquire)
    }

    /// Admits nobody any more and tells everybody, with a slot of `spread` for each to reconnect in.
    pub fn drain(&self, spread: Duration) {
        self.shared.draining.store(true, Ordering::Release);
        let plan = Arc::new(DrainPlan::new(self.connections(), spread));
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

    /// Appends an event to the log that everybody reads. Only while the gate is open.
    pub(crate) fn broadcast<E: Event>(&self, event: &E) {
        let mut frame = ENCODED.take();
        frame::append(Opcode::Text, &mut frame, |out| encode_notification(event, out));
        self.log.append(&frame);
        frame.clear();
        frame.shrink_to(IDLE_BUFFER_BYTES_MAX);
        ENCODED.set(frame);
        self.counters.broadcasts.add(1);
        self.shards.iter().for_each(|shard| shard.wake.notify_one());
    }

    /// Whether something may be broadcast now. Otherwise `connection` is woken when to ask again.
    pub(crate) fn may_broadcast(&self, connection: &Arc<Connection>) -> bool {
        let is_open = || self.gate.is_open(self.log.appended_bytes());
        if is_open() {
            return true;
        }
        self.gate.wait(connection);
        self.counters.held.add(1);
        // The fan-out may have settled in between, and then nobody would wake the connection.
        is_open()
    }

    /// Notes the lowest cursor of a shard and returns that of all. Only under the log's lock.
    pub(crate) fn low_water(&self, shard: usize, low: u64) -> u64 {
        self.low[shard].store(low, Ordering::Relaxed);
        self.low.iter().map(|low| low.load(Ordering::Relaxed)).min().unwrap_or(low)
    }

    pub(crate) async fn notified(&self, shard: usize) {
        self.shards[shard].wake.notified().await;
    }

    pub(crate) fn take_notices(&self, shard: usize) -> Vec<Notice> {
        std::mem::take(&mut *self.shards[shard].inbox.lock())
    }

    fn notify(&self, shard: usize, notice: Notice) {
        self.shards[shard].inbox.lock().push(notice);
        self.shards[shard].wake.notify_one();
    }

    fn notify_all(&self, notice: impl Fn() -> Notice) {
        (0..self.shards.len()).for_each(|shard| self.notify(shard, notice()));
    }
}

impl Permit {
    /// Lets a connection in: it gets every broadcast from now on.
    pub fn join(self, connection: Arc<Connection>) -> Membership {
        let shared = &self.shared;
        let shard = shared.next_shard.fetch_add(1, Ordering::Relaxed) % shared.shards.len();
        {
            // Under the log's lock, so that nothing is trimmed between taking the cursor and being known.
            let log = shared.log.lock();
            shared.shards[shard].inbox.lock().push(Notice::Join(connection.clone(), log.end()));
        }
        shared.shards[shard].wake.notify_one();
        shared.counters.connections_opened.add(1);
        Membership { connection, shard, permit: self }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Membership {
    /// Puts the connection back into the fan-out's round, after its socket had been full.
    pub fn resume(&self) {
        self.shared().notify(self.shard, Notice::Resume(self.connection.clone()));
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.permit.shared
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared().notify(self.shard, Notice::Leave(self.connection.clone()));
    }
}

impl DrainPlan {
    fn new(connections: usize, spread: Duration) -> Self {
        DrainPlan {
            connections: connections.max(1) as u64,
            spread_ms: u64::try_from(spread.as_millis()).unwrap_or(u64::MAX),
            next: AtomicU64::new(0),
        }
    }

    /// The next client's slot: earliest and latest moment, in milliseconds from now.
    pub(crate) fn slot(&self) -> [u64; 2] {
        let nth = self.next.fetch_add(1, Ordering::Relaxed).min(self.connections - 1);
        let at = |n: u64| u64::try_from(u128::from(self.spread_ms) * u128::from(n) / u128::from(self.connections));
        [at(nth).unwrap_or(u64::MAX), at(nth + 1).unwrap_or(u64::MAX)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_cover_the_spread_without_overlap() {
        let check = |connections, spread_ms, expect: &[[u64; 2]]| {
            let plan = DrainPlan::new(connections, Duration::from_millis(spread_ms));
            let slots: Vec<_> = expect.iter().map(|_| plan.slot()).collect();
            assert_eq!(slots, expect);
        };
        check(1, 10_000, &[[0, 10_000]]);
        check(4, 10_000, &[[0, 2_500], [2_500, 5_000], [5_000, 7_500], [7_500, 10_000], [7_500, 10_000]]);
        check(3, 1, &[[0, 0], [0, 0], [0, 1]]);
        check(0, 50, &[[0, 50]]);
    }
}
