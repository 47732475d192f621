//! The hub of ws-server: connections, channels with their logs and cursors, the fan-out, presence, the engine that
//! keeps publications, heartbeats, and the session that answers requests.
//!
//! How to drive it: a transport starts a [`Hub`] with [`Hub::start`] over an [`Engine`]. For every handshake it asks
//! for a [`Permit`]. For every socket it makes a [`Connection`] over its [`Outlet`] and opens a [`Session`], feeds the
//! session what arrives, and sends what the session appends. Everything that is not an answer, the hub writes by itself
//! through the outlet.
//!
//! Lock order: a connection's subscriptions → a stream of the memory engine → a registry → a channel → a shard's inbox,
//! a queue of waiters or an engine's answer → a connection. No lock is held across an `.await`; only a connection's
//! lock is held across a system call, and that call never blocks.
//!
//! Deliberately absent: sockets (addresses of peers are values here), files, HTTP, WebSocket parsing, databases, making
//! and checking tokens (an [`Authenticator`] is passed in), and wall-clock time outside `clock`.

// In reading order, from the top down. No files import each other in a cycle; a test checks that.

// Requests of a connection, and their answers.
mod session;
// A connection's cursors in channels: how they start and end.
mod subscription;
// The task of each shard that writes to its connections.
mod fanout;
// The handle, and the state behind it.
mod hub;
// One channel: its log, its readers, its presence.
mod channel;
// Back-pressure on publishers.
mod gate;
// One connection: its outlet and outbox.
mod connection;
// Rights, identities, quotas.
mod access;
// Engines, which keep publications.
pub mod engine;

// Small parts that know nothing about the others.
mod budget;
mod clock;
mod counters;
mod drain;
pub mod frame;
mod heartbeat;
mod limits;
mod log_limit;
mod options;
mod rate;
mod registry;
mod room;
mod run;
mod supervisor;
mod sync;
mod waiter;

pub use access::{Access, Auth, Authenticator, Claims, Grants, Identity, Mode, Patterns, Refusal, TokenError};
pub use clock::Clock;
pub use connection::{Attention, Connection, Outlet};
pub use counters::{Count, Counters};
pub use engine::{Engine, MemoryEngine, MemoryLimits};
pub use heartbeat::{Heartbeat, HeartbeatMode};
pub use hub::{Hub, HubOptions, Membership, Permit};
pub use limits::Limits;
pub use log_limit::LogLimit;
pub use options::{Actions, ChannelOptions, Namespaces, OnLag};
pub use session::{Flow, Session};
pub use subscription::PresenceInfo;
pub use supervisor::{Guard, Supervisor};
