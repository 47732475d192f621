//! What a channel offers, and to whom: the options of a namespace (CONFIG `[channels]`, `[namespaces.*]`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Retention;

/// The options of the channels of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Publications kept for recovery, rewind and history; 0: no history, and no offsets.
    pub history_size: usize,
    /// Age at which a publication is no longer kept; zero: none.
    pub history_ttl: Duration,
    /// Whether one can ask who is there.
    pub presence: bool,
    /// Whether subscribers are told who comes and goes.
    pub join_leave: bool,
    /// Subscribers up to which they are told of each one; above it they get counts.
    pub join_leave_max: usize,
    /// What happens to a subscriber whose next publication is no longer kept.
    pub on_lag: OnLag,
    /// Who may subscribe; never [`Access::Subscriber`].
    pub subscribe: Access,
    /// Who may publish.
    pub publish: Access,
    /// Who may read the history.
    pub read_history: Access,
    /// Who may ask who is there.
    pub read_presence: Access,
}

/// What happens to a subscriber whose next publication is no longer kept (PROTOCOL section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLag {
    /// It is told what is gone, and goes on with the oldest that is kept.
    Gap,
    /// It goes on with the newest one, and is told nothing.
    Latest,
    /// Its connection is closed with 4001.
    Disconnect,
}

/// Who may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every connection.
    Anyone,
    /// A connection with a user.
    Authenticated,
    /// A connection whose token says so.
    Granted,
    /// A connection that is subscribed to the channel.
    Subscriber,
    /// No connection: the server alone.
    Nobody,
}

/// Who may do what is no channel's (CONFIG `[actions]`); never [`Access::Subscriber`].
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
    /// Of channels without a namespace.
    pub default: Arc<ChannelOptions>,
    /// By the name of the namespace.
    pub named: HashMap<Box<str>, Arc<ChannelOptions>>,
}

impl ChannelOptions {
    /// Those of the stream that every connection reads.
    pub(crate) fn broadcast() -> Self {
        ChannelOptions {
            history_size: 0,
            history_ttl: Duration::ZERO,
            presence: false,
            join_leave: false,
            join_leave_max: 0,
            on_lag: OnLag::Gap,
            subscribe: Access::Nobody,
            publish: Access::Nobody,
            read_history: Access::Nobody,
            read_presence: Access::Nobody,
        }
    }

    /// What the engine has to know.
    pub(crate) fn retention(&self) -> Retention {
        Retention { size: self.history_size, ttl: self.history_ttl }
    }

    /// Whether publications are kept, and numbered.
    pub fn has_history(&self) -> bool {
        self.history_size > 0
    }
}

impl Namespaces {
    /// The options of a namespace; `None` where there is none of that name.
    pub fn get(&self, namespace: Option<&str>) -> Option<&Arc<ChannelOptions>> {
        match namespace {
            Some(name) => self.named.get(name),
            None => Some(&self.default),
        }
    }
}
