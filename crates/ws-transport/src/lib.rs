//! The sockets of ws-server: listener, HTTP/1.1, upgrade, and one task per WebSocket connection.
//!
//! * [`Transport`] binds, serves a [`ws_core::Hub`] and drains it.
//! * [`Endpoint`] handles the messages of a WebSocket; [`Plain`] serves any endpoint over the same
//!   sockets, buffers and write path (see the example `echo`).
//! * `http` holds what answers over HTTP, a file for each resource.
//!
//! tungstenite parses, and answers control frames and close handshakes. Everything that is written goes
//! through the connection's outlet (`ws_core::Connection`), so that the fan-out and the connection's own
//! task never interleave their frames.
//!
//! Deliberately absent: engines, configuration files, the meaning of requests.

mod bound;
mod connection_log;
mod endpoint;
mod http;
mod limits;
mod listen_addr;
mod listener;
mod plain;
mod process_stats;
mod proxy;
mod socket;
mod socket_slots;
mod stream;
mod tls;
mod transport;
mod unix_file;

pub use bound::BindError;
pub use connection_log::LogConnections;
pub use endpoint::Endpoint;
pub use http::{AllowedOrigin, ApiKey, ApiRights};
pub use listen_addr::ListenAddr;
pub use plain::{Plain, PlainOptions};
pub use proxy::{ClientHeader, ProxyOptions, TrustedNetwork};
pub use tls::{Tls, TlsError, TlsFile};
pub use transport::{DrainOptions, Drained, Transport, TransportOptions};
