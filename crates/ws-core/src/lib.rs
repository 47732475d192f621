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

mod access;
mod addresses;
mod admission;
mod auth;
mod budget;
mod channel;
mod clock;
mod connection;
mod counters;
mod drain;
pub mod engine;
mod fanout;
pub mod frame;
mod gate;
mod grants;
mod heartbeat;
mod hub;
mod identity;
mod limits;
mod log;
mod log_limit;
mod options;
mod outbox;
mod outlet;
mod publishing;
mod quota;
mod rate;
mod registry;
mod room;
mod session;
mod shard;
mod standing;
mod subscribing;
mod subscription;
mod supervisor;
mod sync;
mod waiter;

pub use admission::{Membership, Permit, Refusal};
pub use auth::Auth;
pub use clock::Clock;
pub use connection::{Attention, Connection};
pub use counters::{Count, Counters};
pub use engine::{Engine, MemoryEngine, MemoryLimits};
pub use grants::{Grants, Patterns};
pub use heartbeat::{Heartbeat, HeartbeatMode};
pub use hub::{Hub, HubOptions};
pub use identity::{Authenticator, Claims, Identity, TokenError};
pub use limits::Limits;
pub use log_limit::LogLimit;
pub use options::{Access, Actions, ChannelOptions, Namespaces, OnLag};
pub use outlet::Outlet;
pub use session::{Flow, Session};
pub use supervisor::{Guard, Supervisor};
