//! The state that sessions, the engine and the fan-out share. Its handle is [`Hub`](crate::Hub).

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use ws_proto::{ChannelName, ErrorBody};

use super::canary::{Canary, is_canary};
use super::directory::Directory;
use super::error::{unavailable, unknown_namespace};
use super::feed::Feed;
use super::logins::Logins;
use super::options::HubOptions;
use super::shard::{Notice, Shard};
use super::streams::Streams;
use crate::access::{AddressRate, Auth, Quota};
use crate::channel::{Channel, Shards};
use crate::clock::Clock;
use crate::cluster::Asking;
use crate::counters::Counters;
use crate::engine::{Done, Engine, EngineError, History, HistoryQuery};
use crate::gate::{EngineRoom, Gate};
use crate::heartbeat::Heartbeat;
use crate::histogram::Histogram;
use crate::limits::{BEHIND_MAX, Limits, SHARDS_MAX};
use crate::options::{Actions, ChannelOptions, Namespaces};
use crate::rate::Rate;
use crate::registry::{Named, Registry};
use crate::runs::Runs;
use crate::supervisor::Supervisor;

/// The state of a hub.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) namespaces: Namespaces,
    pub(crate) actions: Actions,
    pub(crate) request_rate: Rate,
    pub(crate) token_rate: Rate,
    pub(crate) handshake_rate: Rate,
    /// The bucket of `handshake_rate`.
    pub(crate) handshakes: AtomicU64,
    /// The same for each address.
    pub(crate) address_rate: AddressRate,
    pub(crate) auth: Auth,
    /// Connections by address.
    pub(crate) addresses: Quota<IpAddr>,
    /// Connections by user.
    pub(crate) users: Quota<Arc<str>>,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) engine: Arc<dyn Engine>,
    /// What other servers are asked.
    pub(crate) asking: Asking,
    /// The channel of all broadcasts.
    pub(crate) broadcasts: Arc<Channel>,
    /// The broadcasts of all nodes, in a cluster.
    pub(crate) feed: Option<Arc<Feed>>,
    /// Connections that count.
    pub(crate) directory: Directory,
    /// Logins that are under way: they are not in the directory yet.
    pub(crate) logins: Arc<Logins>,
    /// Channels with subscribers.
    pub(crate) channels: Registry<Channel>,
    /// Watches whether what is published arrives, if it was started.
    pub(crate) canary: OnceLock<Arc<Canary>>,
    /// The streams of Claude's runs.
    pub(crate) streams: Streams,
    /// Who runs Claude, if anybody does.
    pub(crate) runs: OnceLock<Weak<dyn Runs>>,
    pub(crate) gate: Gate,
    pub(crate) engine_room: Arc<EngineRoom>,
    /// Channels whose subscribers are due to get presence counts; each once.
    pub(crate) counts_due: Mutex<Vec<Arc<Channel>>>,
    pub(crate) shards: Box<[Shard]>,
    pub(crate) next_shard: AtomicUsize,
    /// Connections that were admitted.
    pub(crate) admitted: AtomicUsize,
    /// Those of them that `connections_max` limits.
    pub(crate) slots_taken: AtomicUsize,
    /// Those of them that count.
    pub(crate) connections: AtomicUsize,
    /// Those of them that still have to authenticate.
    pub(crate) unauthenticated: AtomicUsize,
    /// Taps of all connections.
    pub(crate) taps: AtomicUsize,
    pub(crate) draining: AtomicBool,
    pub(crate) supervisor: Supervisor,
}

impl Shared {
    /// Refuses a request that has waited behind others, if what it needs of the engine is known to be away: the channel,
    /// or everything where it is about none. The waits of requests that come one after the other would add up.
    ///
    /// # Errors
    /// `engine_unavailable`.
    pub(crate) fn check_engine(&self, channel: Option<&str>, waited: Duration) -> Result<(), ErrorBody> {
        let health = || channel.map_or_else(|| self.engine.health(), |channel| self.engine.health_of(channel));
        check_waited(waited, health).map_err(|error| unavailable(&error))
    }

    /// The same for a publication that has waited for room since it was read then, on the hub's clock in microseconds.
    /// Publications that wait for an engine's room get it all at once when the engine gives up on those before them, and
    /// would wait as long again.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`].
    pub(crate) fn check_held(&self, channel: &str, options: &ChannelOptions, read_us: u64) -> Result<(), EngineError> {
        let waited = Duration::from_micros(self.clock.now_us().saturating_sub(read_us));
        // What is not stored needs no room in the engine.
        let is_stored = options.has_history();
        let health = || if is_stored { self.engine.takes(channel) } else { self.engine.health_of(channel) };
        check_waited(waited, health)
    }

    pub(crate) fn new(clock: Clock, options: HubOptions, engine: Arc<dyn Engine>) -> Self {
        let HubOptions { limits, heartbeat, namespaces, actions, streams, auth, shards } = options;
        let shards = shards.clamp(1, SHARDS_MAX);
        let gate = Gate::new(&limits);
        let counters = Arc::<Counters>::default();
        Shared {
            limits,
            heartbeat,
            namespaces,
            actions,
            request_rate: Rate::new(limits.requests_per_second, limits.requests_burst),
            token_rate: Rate::new(limits.token_checks_per_second, 0),
            handshake_rate: Rate::new(limits.handshakes_per_second, 0),
            handshakes: AtomicU64::new(0),
            address_rate: AddressRate::new(limits.handshakes_per_ip_per_second),
            auth,
            addresses: Quota::new(limits.connections_per_ip_max),
            users: Quota::new(limits.connections_per_user_max),
            clock,
            engine_room: Arc::new(EngineRoom::new(engine.clone())),
            asking: Asking::new(engine.clone(), counters.clone()),
            counters,
            feed: engine.cluster().map(|_| Feed::new()),
            engine,
            broadcasts: Arc::new(Channel::broadcast(&gate)),
            directory: Directory::new(),
            logins: Arc::default(),
            channels: Registry::new(),
            canary: OnceLock::new(),
            streams: Streams::new(streams),
            runs: OnceLock::new(),
            gate,
            counts_due: Mutex::default(),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            next_shard: AtomicUsize::new(0),
            admitted: AtomicUsize::new(0),
            slots_taken: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            unauthenticated: AtomicUsize::new(0),
            taps: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            supervisor: Supervisor::default(),
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// As [`Asking::knows_all`].
    pub(crate) fn knows_all(&self, what: &str) -> Result<(), ErrorBody> {
        self.asking.knows_all(what)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// The channel of this name, if it has readers.
    pub(super) fn channel(&self, name: &str) -> Option<Arc<Channel>> {
        let internal = || match self.feed_of(name) {
            Some(_) => Some(self.broadcasts.clone()),
            None => self.canary_of(name).map(|canary| canary.channel().clone()),
        };
        self.channels.get(name).or_else(internal)
    }

    /// The canary, if this is the name of its channel.
    pub(super) fn canary_of(&self, name: &str) -> Option<&Arc<Canary>> {
        self.canary.get().filter(|canary| is_canary(name) && canary.channel().name() == name)
    }

    /// Asks the engine for a position or a page.
    pub(crate) fn read_history(&self, query: HistoryQuery<'_>, done: Done<History>) {
        self.engine.history(query, self.timed(|counters| &counters.engine_history_us, done));
    }

    /// Records how long it takes from now until `done` is called.
    pub(super) fn timed<T: 'static>(&self, histogram: fn(&Counters) -> &Histogram, done: Done<T>) -> Done<T> {
        let (clock, counters, since_us) = (self.clock, self.counters.clone(), self.clock.now_us());
        Box::new(move |result| {
            histogram(&counters).record(clock.now_us().saturating_sub(since_us));
            done(result);
        })
    }

    /// Notifies shards of a dirty channel.
    pub(crate) fn notify_dirty(&self, channel: &Arc<Channel>, shards: Shards) {
        shards.iter().for_each(|shard| self.shards[shard].notify(Notice::Dirty(channel.clone())));
    }

    pub(crate) fn notify_all(&self, notice: impl Fn() -> Notice) {
        self.shards.iter().for_each(|shard| shard.notify(notice()));
    }

    /// The options of a channel.
    ///
    /// # Errors
    /// `unknown_namespace`.
    pub(crate) fn channel_options(&self, channel: ChannelName<'_>) -> Result<Arc<ChannelOptions>, ErrorBody> {
        let namespace = channel.asking().namespace();
        let options = self.namespaces.get(namespace);
        let options = options.ok_or_else(|| unknown_namespace(namespace.unwrap_or_default()))?;
        let is_stream = channel.stream().is_some();
        Ok(if is_stream { self.streams.options(channel.as_str(), options) } else { options.clone() })
    }
}

/// See [`Shared::check_engine`].
fn check_waited(waited: Duration, health: impl FnOnce() -> Result<(), String>) -> Result<(), EngineError> {
    if waited < BEHIND_MAX { Ok(()) } else { health().map_err(EngineError::Unavailable) }
}
