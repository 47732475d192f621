//! `/connections`, `/connections/{id}`, and what ends or changes connections.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{borrowed, whole};

/// Answer to `GET /connections`: a page of the connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionPage {
    /// In the order of their ids.
    pub connections: Vec<ConnectionInfo>,
    /// Where the next page begins, if there may be one: pass it as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionInfo {
    /// Its id.
    pub connection_id: Uuid,
    /// Its user; null if it is anonymous.
    pub user: Option<String>,
    /// The address of its client.
    pub remote_addr: IpAddr,
    /// When it connected, in milliseconds since 1970.
    pub connected_at: u64,
    /// How many subscriptions it has.
    pub channels: u64,
    /// Bytes that wait for its socket. What it still has to read of its channels does not count: see `lag`.
    pub outbox_bytes: u64,
    /// How long its socket has accepted nothing, in milliseconds; absent while it accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_ms: Option<u64>,
    /// The server that has it, as [`NodeData::node`](super::NodeData::node); absent where there is one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Answer to `GET /connections/{id}`: a connection with its subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionDetails {
    /// The connection.
    #[serde(flatten)]
    pub connection: ConnectionInfo,
    /// Its subscriptions, by name of the channel.
    pub subscriptions: Vec<SubscriptionInfo>,
}

/// A subscription, and where its cursor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubscriptionInfo {
    /// The channel.
    pub channel: String,
    /// The epoch of its stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The newest offset of the stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The cursor: what was sent on this subscription, or skipped, has no higher offset. Absent in a channel without
    /// history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How many publications it still has to read. Absent while the subscription starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
}

/// Body of the `DELETE` of connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disconnect<'a> {
    /// The close code, 4000–4999; 4503 if it is left out.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 4000, max = 4999)))]
    pub code: Option<u16>,
    /// The reason in the close frame, at most 123 bytes.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::CLOSE_REASON_BYTES_MAX)))]
    pub reason: Option<Cow<'a, str>>,
}

/// Answer to requests that concern all connections of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserConnections {
    /// How many connections the user has.
    pub connections: u64,
}
