//! The hub of ws-server: connections, channels with their logs and cursors, the fan-out, presence, the engine that
//! keeps publications, heartbeats, and the session that answers requests.
//!
//! How to drive it: a transport starts a [`Hub`] with [`Hub::start`] over an [`Engine`]. For every handshake it asks
//! for a [`Permit`]. For every socket it makes a [`Connection`] over its [`Outlet`] and opens a [`Session`], feeds the
//! session what arrives, and sends what the session appends. Everything that is not an answer, the hub writes by itself
//! through the outlet.
//!
//! Lock order: a connection's subscriptions → a stream of the memory engine → the feed of broadcasts → a registry → a
//! channel → a shard's inbox, a queue of waiters, an engine's answer or what a cluster takes note of → a connection → the
//! canary. No lock is held across an `.await`; only a connection's lock is held across a system call, and that call
//! never blocks.
//!
//! Deliberately absent: sockets (addresses of peers are values here), files, HTTP, WebSocket parsing, databases, making
//! and checking tokens (an [`Authenticator`] is passed in), and wall-clock time outside `clock`.

// In reading order, from the top down. What stands between two comments is one floor: it may import what stands below
// it, and nothing above or beside it. Tests check that, and that no files import each other in a cycle.

// The handle, and operations for callers without a connection.
mod hub;
// Requests of a connection, and their answers.
mod session;
// How a connection's cursors in channels start, and the task of each shard that writes what they read.
mod fanout;
mod subscription;
// What all of these share: connections with their subscriptions, channels by name, publishing.
mod state;
// One channel: its log, its readers, its presence.
mod channel;
// Back-pressure on publishers.
mod gate;
// What other servers are asked.
mod cluster;
// One connection, with its outlet and outbox; engines, which keep publications.
mod connection;
pub mod engine;
// Claude's runs: what is asked of whoever runs them.
mod runs;
// What is counted.
mod counters;
// Rights, identities, quotas.
mod access;
// What is configured per namespace.
mod options;
// Concurrent maps; bounds in bytes, with those that wait for room.
mod registry;
mod room;
// Small parts that know nothing about the others.
mod budget;
mod clock;
mod drain;
pub mod frame;
mod heartbeat;
mod histogram;
mod kind;
mod log_limit;
mod mask;
mod modes;
mod rate;
mod retention;
mod run;
mod supervisor;
mod waiter;
// Below everything.
mod limits;
mod sync;

pub use access::{
    AddressShares, Auth, Authentication, Authenticator, Claims, Grants, Identity, Patterns, Refusal, Share, TokenError,
};
pub use clock::Clock;
pub use connection::{Attention, Connection, Outlet};
pub use counters::{Count, Counters};
pub use engine::Engine;
pub use engine::memory::{MemoryEngine, MemoryLimits};
pub use heartbeat::{Heartbeat, HeartbeatMode};
pub use histogram::{HISTOGRAM_BUCKETS, Histogram, HistogramValues};
pub use hub::{Entry, FrameWatch, HeldStream, Hub, Place, Stored};
pub use limits::Limits;
pub use log_limit::LogLimit;
pub use modes::{Access, Mode};
pub use options::{Actions, ChannelOptions, Hold, Namespaces, OnLag, StreamOptions};
pub use runs::{Ask, Asker, AskerKey, Reply, RunCounts, RunErrorKind, Runs, TokenKind};
pub use session::{Flow, Session};
pub use state::{CANARY_CHANNEL, CanaryStats, HubOptions, Membership, Permit, PresenceInfo};
pub use supervisor::{Guard, Supervisor};
