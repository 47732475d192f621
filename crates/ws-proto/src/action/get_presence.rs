//! `get_presence`: who is in a channel, page by page.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{borrowed, whole};

/// `get_presence`: the connections that are subscribed to a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GetPresence<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CHANNEL_BYTES_MAX)))]
    pub channel: Cow<'a, str>,
    /// Maximum number of clients in the response, 1 to 1000; 100 by default.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::limits::HISTORY_LIMIT_MAX)))]
    pub limit: Option<u32>,
    /// Where to go on: the `next` of the previous page.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub after: Option<Cow<'a, str>>,
}

/// Data of the response to [`GetPresence`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PresenceData<'a, M> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// How many connections are subscribed in total.
    pub connections: u64,
    /// How many different users they have; anonymous connections have none.
    pub users: u64,
    /// The clients of this page.
    pub clients: Vec<PresenceClient<M>>,
    /// `after` of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cow<'a, str>>,
}

/// One connection that is subscribed to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PresenceClient"))]
pub struct PresenceClient<M> {
    /// The connection.
    pub connection_id: Uuid,
    /// Its user, or null if it is anonymous.
    pub user: Option<String>,
    /// The `info` of its token, or null.
    pub info: Option<M>,
}
