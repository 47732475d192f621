//! `/connections/{id}/frames`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Stands in place of a token.
pub const MASK: &str = "YOUR_TOKEN";

/// An event of `GET /connections/{id}/frames`: the `data` of a server-sent event. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WatchEvent<'a> {
    /// The first event: what follows is everything from now on.
    Watching {
        /// The connection.
        connection_id: Uuid,
        /// When it began.
        time: u64,
    },
    /// A frame.
    Frame {
        /// When it went through.
        time: u64,
        /// From the client, or to it.
        direction: FrameDirection,
        /// What it is.
        kind: FrameKind,
        /// Bytes of its payload.
        bytes: u64,
        /// The payload, at most 4 KiB of it, with `YOUR_TOKEN` in place of tokens. Of a close frame its code and reason.
        text: Cow<'a, str>,
        /// Whether there was more of it.
        cut: bool,
    },
    /// Frames that were left out here, as they came too fast.
    Dropped {
        /// When this is said.
        time: u64,
        /// How many.
        frames: u64,
    },
    /// The last event: the connection has ended.
    Closed {
        /// When this is said.
        time: u64,
        /// The close code; null if it ended without one.
        code: Option<u16>,
    },
}

/// Which way a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FrameDirection {
    /// From the client. Messages only.
    In,
    /// To the client.
    Out,
}

/// What a frame is (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// A message of the protocol.
    Text,
    /// Other bytes.
    Binary,
    /// A heartbeat.
    Ping,
    /// The answer to one.
    Pong,
    /// The end.
    Close,
}
