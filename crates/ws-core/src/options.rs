//! The options of the channels of a namespace, and who may use them (CONFIG `[channels]`, `[namespaces.*]`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::limits::CANARY_TTL;
use crate::modes::Access;
use crate::retention::{Expiry, Retention};

/// The options of the channels of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Publications kept for recovery, rewind and history; 0: no history, and no offsets.
    pub history_size: usize,
    /// Age up to which publications are kept; zero: no limit.
    pub history_ttl: Duration,
    /// Whether presence can be read.
    pub presence: bool,
    /// Whether subscribers get join and leave events.
    pub join_leave: bool,
    /// Most subscribers with single join and leave events; with more, they get counts.
    pub join_leave_max: usize,
    /// What happens to a subscriber whose next publication is no longer kept.
    pub on_lag: OnLag,
    /// Who may subscribe; never with [`Mode::Subscriber`](crate::Mode::Subscriber).
    pub subscribe: Access,
    /// Who may publish.
    pub publish: Access,
    /// Who may read the history.
    pub read_history: Access,
    /// Who may ask who is there.
    pub read_presence: Access,
    /// Whether who may publish may ask Claude.
    pub claude: bool,
    /// Of the stream of a run: `history_ttl` counts from its newest publication, and not while it is held.
    pub hold: Option<Arc<Hold>>,
}

/// The streams of Claude's runs (CONFIG `[claude]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOptions {
    /// Publications kept of one stream.
    pub size: usize,
    /// How long after its end a stream is kept.
    pub ttl: Duration,
}

/// Whether the run of a stream is open: nothing of it expires meanwhile.
#[derive(Debug, Default)]
pub struct Hold(AtomicBool);

impl Hold {
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, is_on: bool) {
        self.0.store(is_on, Ordering::Release);
    }
}

impl PartialEq for Hold {
    fn eq(&self, other: &Self) -> bool {
        self.is_on() == other.is_on()
    }
}

impl Eq for Hold {}

/// What happens to a subscriber whose next publication is no longer kept (PROTOCOL section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLag {
    /// It gets a gap event, and continues with the oldest publication that is kept.
    Gap,
    /// It continues with the newest publication, without a gap event.
    Latest,
    /// Its connection is closed with 4001.
    Disconnect,
}

/// Who may use the actions that do not belong to a channel (CONFIG `[actions]`); never with
/// [`Mode::Subscriber`](crate::Mode::Subscriber).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actions {
    /// Who may send to everybody.
    pub broadcast: Access,
    /// Who may ask how many connections there are.
    pub get_connections: Access,
}

/// The options of all channels.
#[derive(Debug, Clone)]
pub struct Namespaces {
    /// For channels without a namespace.
    pub default: Arc<ChannelOptions>,
    /// By the name of the namespace.
    pub named: HashMap<Box<str>, Arc<ChannelOptions>>,
}

impl ChannelOptions {
    /// The options of the canary's channel: the engine keeps one publication.
    pub(crate) fn canary() -> Self {
        ChannelOptions { history_size: 1, history_ttl: CANARY_TTL, ..ChannelOptions::broadcast() }
    }

    /// The options of the channel of all broadcasts.
    pub(crate) fn broadcast() -> Self {
        ChannelOptions {
            history_size: 0,
            history_ttl: Duration::ZERO,
            presence: false,
            join_leave: false,
            join_leave_max: 0,
            on_lag: OnLag::Gap,
            subscribe: Access::NOBODY,
            publish: Access::NOBODY,
            read_history: Access::NOBODY,
            read_presence: Access::NOBODY,
            claude: false,
            hold: None,
        }
    }

    /// The options of the channel of the broadcasts of all nodes: the engine keeps so many, up to this age.
    pub(crate) fn broadcasts_of_all(size: usize, ttl: Duration) -> Self {
        ChannelOptions { history_size: size, history_ttl: ttl, ..ChannelOptions::broadcast() }
    }

    /// The options of a stream that belongs to a channel with these: who may do what there may do it in the stream, but
    /// for publishing. A text without a hole needs `gap`.
    pub(crate) fn of_stream(&self, options: StreamOptions) -> Self {
        ChannelOptions {
            history_size: options.size,
            history_ttl: options.ttl,
            join_leave: false,
            on_lag: OnLag::Gap,
            publish: Access::NOBODY,
            claude: false,
            hold: Some(Arc::default()),
            ..self.clone()
        }
    }

    /// What the engine has to retain.
    pub(crate) fn retention(&self) -> Retention {
        match &self.hold {
            None => Retention::new(self.history_size, self.history_ttl),
            Some(hold) => Retention {
                size: self.history_size,
                ttl: if hold.is_on() { Duration::ZERO } else { self.history_ttl },
                expiry: Expiry::Together,
            },
        }
    }

    /// The same for the last publication of a stream: it ends the hold.
    pub(crate) fn last_retention(&self) -> Retention {
        Retention { ttl: self.history_ttl, ..self.retention() }
    }

    /// Whether publications are kept, and numbered.
    pub fn has_history(&self) -> bool {
        self.history_size > 0
    }
}

impl Namespaces {
    /// The options of a namespace; `None` if none of that name is configured.
    pub fn get(&self, namespace: Option<&str>) -> Option<&Arc<ChannelOptions>> {
        match namespace {
            Some(name) => self.named.get(name),
            None => Some(&self.default),
        }
    }
}
