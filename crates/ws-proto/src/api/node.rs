//! `/node`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Answer to `GET /node`: this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeData<'a> {
    /// Its id among the servers of a cluster, which logs and metrics of the store have too: 32 hexadecimal digits, others
    /// after each start and after it was taken for dead. Absent where it is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
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

/// Answer to `GET /node/stats`: what changes all the time. Counts are since the start: the difference of two answers
/// over that of their `uptime_ms` is a rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeStats {
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Open connections, without those that still have to authenticate.
    pub connections: u64,
    /// Open connections that still have to authenticate.
    pub unauthenticated: u64,
    /// Channels with subscribers.
    pub channels: u64,
    /// Subscriptions of all connections.
    pub subscriptions: u64,
    /// Bytes of publications in flight or kept for slow readers.
    pub log_bytes: u64,
    /// Resident memory of the process, in bytes; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Counts since the start.
    pub counts: NodeCounts,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeCounts {
    /// Connections opened.
    pub connections_opened: u64,
    /// Connections that ended without a close frame.
    pub connections_lost: u64,
    /// Messages from clients.
    pub messages_received: u64,
    /// Bytes from clients, framing included.
    pub bytes_received: u64,
    /// Bytes to clients, framing included.
    pub bytes_sent: u64,
    /// Publications accepted.
    pub publications: u64,
    /// Broadcasts accepted.
    pub broadcasts: u64,
    /// Broadcasts and channel events written to a socket, once per reader.
    pub deliveries: u64,
    /// Gap events: readers that missed something.
    pub gaps: u64,
    /// Broadcasts and publications that slow readers missed.
    pub missed: u64,
    /// Times that a reader's socket was full.
    pub sockets_blocked: u64,
    /// Times that a publisher had to wait for the fan-out.
    pub publishers_held: u64,
    /// Errors that requests and frames were answered with.
    pub errors: u64,
}
