//! The hub of ws-server: connections, the log of broadcasts with a cursor for every connection, the
//! fan-out that goes round them, heartbeats, and the session that answers requests.
//!
//! How it is driven: a transport makes a [`Hub`] with [`Hub::start`]; for every handshake it asks for
//! a [`Permit`]; for every socket it makes a [`Connection`] over its [`Outlet`] and a [`Session`],
//! feeds the session what arrives and sends what the session appends. Everything that goes out
//! unasked, the hub writes by itself, through the outlet.
//!
//! Lock order: log → shard inbox → connection. No lock is held across an `.await`; the connection's
//! alone is held across a system call, one that never waits.
//!
//! Deliberately absent: sockets, files, HTTP, WebSocket parsing, databases; wall-clock time.

mod budget;
mod clock;
mod connection;
mod counters;
mod fanout;
pub mod frame;
mod gate;
mod heartbeat;
mod hub;
mod limits;
mod log;
mod outlet;
mod session;

pub use clock::Clock;
pub use connection::{Attention, Connection};
pub use counters::{Count, Counters};
pub use heartbeat::{Heartbeat, HeartbeatMode};
pub use hub::{DrainPlan, Hub, Membership, Permit, Refusal};
pub use limits::Limits;
pub use outlet::Outlet;
pub use session::{Flow, Session};
