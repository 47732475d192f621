//! `/connections`, `/connections/{id}`, and what ends or changes connections.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Answer to `GET /connections`: a page of the connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionsPage<'a> {
    /// The connections of this page.
    pub connections: Vec<ConnectionSummary<'a>>,
    /// Where the next page begins: pass it as `after`. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cow<'a, str>>,
}

/// A connection in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionSummary<'a> {
    /// Its id.
    pub connection_id: Uuid,
    /// Its user; null while it is anonymous.
    pub user: Option<Cow<'a, str>>,
    /// The client's address.
    pub remote_addr: Cow<'a, str>,
    /// When it was opened, in milliseconds since 1970.
    pub connected_at: u64,
    /// To how many channels it is subscribed.
    pub channels: u64,
}

/// Answer to `GET /connections/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionData<'a> {
    /// What the list says of it.
    #[serde(flatten)]
    pub connection: ConnectionSummary<'a>,
    /// Its subscriptions.
    pub subscriptions: Vec<ConnectionSubscription<'a>>,
}

/// A subscription of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConnectionSubscription<'a> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// Epoch of its stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// Where the cursor stands: the offset up to which everything was sent; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How many publications it has still to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
}

/// Body of the `DELETE` of connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disconnect<'a> {
    /// The close code, 4000–4999; 4503 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 4000, max = 4999)))]
    pub code: Option<u16>,
    /// The reason in the close frame, at most 123 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
}

/// Answer to requests that concern all connections of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Count {
    /// How many connections there were.
    pub connections: u64,
}
