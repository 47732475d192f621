//! The sockets of ws-server: listener, HTTP/1.1, upgrade, and one task per WebSocket connection.
//!
//! * [`Transport`] binds, serves a [`ws_core::Hub`] and drains it.
//! * [`Endpoint`] is what stands behind a WebSocket; [`Plain`] serves any one of them over the same
//!   sockets, buffers and write path (see the example `echo`).
//!
//! Parsing, control frames and the close handshake are tungstenite's; what is written goes through the
//! connection's outlet (`ws_core::Connection`), so that the fan-out and the connection's own task never
//! cut each other's frames.
//!
//! Deliberately absent: engines, configuration files, what requests mean.

mod connection_log;
mod endpoint;
mod http;
mod limits;
mod listener;
mod outside;
mod plain;
mod socket;
mod stream;
mod tls;
mod transport;

pub use connection_log::LogConnections;
pub use endpoint::Endpoint;
pub use http::AllowedOrigin;
pub use listener::BindError;
pub use plain::{Plain, PlainOptions};
pub use tls::{Tls, TlsError, TlsFile};
pub use transport::{DrainOptions, Drained, Transport, TransportOptions};
