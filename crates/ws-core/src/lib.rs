//! The hub of ws-server: connections, channels with their logs and cursors, the fan-out that goes round
//! them, presence, the engine that keeps publications, heartbeats, and the session that answers requests.
//!
//! How it is driven: a transport makes a [`Hub`] with [`Hub::start`] over an [`Engine`]; for every
//! handshake it asks for a [`Permit`]; for every socket it makes a [`Connection`] over its [`Outlet`] and opens a
//! [`Session`], feeds the session what arrives and sends what the session appends. Everything that goes
//! out unasked, the hub writes by itself, through the outlet.
//!
//! Lock order: a connection's subscriptions → a stream of the memory engine → a registry → a channel → a
//! shard's inbox, a queue of waiters or an engine's answer → a connection. No lock is held across an `.await`; the
//! connection's alone is held across a system call, one that never waits.
//!
//! Deliberately absent: sockets (addresses of peers are values here), files, HTTP, WebSocket parsing, databases, the making
//! and checking of tokens ([`Authenticator`] is handed in); wall-clock time outside `clock`.

// From the top down: a folder uses those below it (a test holds that no files use each other in a circle).

// What a connection says and is answered.
mod session;
// A connection's cursors in channels: how they begin and end.
mod subscription;
// The task of each shard that writes to its connections.
mod fanout;
// The handle on all of it, and what is shared below it.
mod hub;
// One channel: its log, who reads it, who is there.
mod channel;
// How much may be on its way, and who waits for room.
mod gate;
// One connection: its outlet and outbox.
mod connection;
// Who may what, and how much.
mod access;
// What keeps publications.
pub mod engine;

// Small parts, which know nothing of the others.
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

pub use access::{Auth, Authenticator, Claims, Grants, Identity, Patterns, Refusal, TokenError};
pub use clock::Clock;
pub use connection::{Attention, Connection, Outlet};
pub use counters::{Count, Counters};
pub use engine::{Engine, MemoryEngine, MemoryLimits};
pub use heartbeat::{Heartbeat, HeartbeatMode};
pub use hub::{Hub, HubOptions, Membership, Permit};
pub use limits::Limits;
pub use log_limit::LogLimit;
pub use options::{Access, Actions, ChannelOptions, Namespaces, OnLag};
pub use session::{Flow, Session};
pub use subscription::PresenceInfo;
pub use supervisor::{Guard, Supervisor};
