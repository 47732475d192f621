//! What an engine tells of a store that it shares with other servers.

use std::time::Duration;

use crate::histogram::HistogramValues;

/// How an engine that shares its store is getting on with it. Counts are since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClusterStats {
    /// Publications that wait to be sent.
    pub waiting_publications: u64,
    /// Bytes of retained publications that wait, or are on their way.
    pub waiting_bytes: u64,
    /// Publications that the store has taken.
    pub written: u64,
    /// From sending to the last answer, in microseconds, by [kind](RoundTrip::ALL).
    pub round_trip_us: [HistogramValues; RoundTrip::ALL.len()],
    /// Channels that were subscribed to again, because the feed had broken.
    pub resubscriptions: u64,
    /// Times that the feed left out publications, which are read from the history instead.
    pub skips: u64,
    /// Generations that have begun: of one partition each, because the store has lost data or has become another one.
    pub generations: u64,
    /// Times that connections were made to the store; those that live and die together are one.
    pub dials: u64,
    /// Times that they could not be made.
    pub dial_failures: u64,
    /// Times that the own lease was over, or lost by the store.
    pub lapses: u64,
    /// Since the own lease was last renewed; `None`: never yet.
    pub lease_age: Option<Duration>,
    /// Nodes that were alive when the own lease was last renewed, this one included.
    pub nodes: u64,
    /// Operations about members, users and messages that wait to be sent.
    pub waiting_operations: u64,
}

/// What is sent to the store and answered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundTrip {
    /// Publications, those of one partition that go together.
    Write,
    /// A page of a history, a position, or a publication by its id.
    Page,
    /// The renewal of the lease.
    Lease,
    /// Operations about members, users and messages that go together.
    Cluster,
}

impl RoundTrip {
    /// All kinds, each at the place of its number.
    pub const ALL: [RoundTrip; 4] = [RoundTrip::Write, RoundTrip::Page, RoundTrip::Lease, RoundTrip::Cluster];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            RoundTrip::Write => "write",
            RoundTrip::Page => "page",
            RoundTrip::Lease => "lease",
            RoundTrip::Cluster => "cluster",
        }
    }
}
