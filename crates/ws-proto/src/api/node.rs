//! `/node`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Answer to `GET /node`: this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeData<'a> {
    /// Version of the server.
    pub version: Cow<'a, str>,
    /// Version of the protocol.
    pub protocol: u32,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Open connections, without those that still have to authenticate.
    pub connections: u64,
    /// Channels with subscribers.
    pub channels: u64,
    /// Name of the engine: `memory`, `sqlite`, …
    pub engine: Cow<'a, str>,
    /// Whether the server is draining.
    pub draining: bool,
    /// The limits that concern clients.
    pub limits: NodeLimits,
    /// Resident memory of the process, in bytes; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// The limits that concern clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeLimits {
    /// Open connections; 0: no limit.
    pub connections_max: u64,
    /// Bytes of one incoming message.
    pub message_bytes_max: u64,
    /// Subscriptions of one connection.
    pub channels_per_connection_max: u64,
}
