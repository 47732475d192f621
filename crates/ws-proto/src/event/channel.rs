//! Events in a channel (PROTOCOL section 5). A server that sends many publications encodes them with
//! [`crate::publication`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::notify::Notify;
use crate::action::PresenceClient;
use crate::borrowed;
use crate::publication::Tags;
use crate::sender::Sender;

/// `publication`: something was published in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublicationEvent<'a, M> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Its offset in the stream: 1, 2, 3 …; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The value, byte for byte as it was published.
    pub data: M,
    /// When the server accepted it, in milliseconds since 1970.
    pub time: u64,
    /// Who published it; absent if it came from the server API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
    /// The id its publisher gave it.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub msg_id: Option<Cow<'a, str>>,
    /// The labels its publisher gave it.
    #[serde(borrow, default, deserialize_with = "borrowed::strings", skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags<'a>>,
}

/// `join`: another connection has subscribed to a channel, if `join_leave` is on in its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Join<'a, M> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// The connection that joined.
    pub client: PresenceClient<M>,
}

/// `leave`: another connection is no longer subscribed to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Leave<'a, M> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// The connection that left.
    pub client: PresenceClient<M>,
}

/// `presence`: how many connections and users are in a channel, instead of too many `join` and `leave` events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Presence<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// How many connections are subscribed.
    pub connections: u64,
    /// How many users they have; anonymous connections have none.
    pub users: u64,
}

/// `gap` with `channel`: this connection has missed a part of the stream, and goes on after it. `from` and `to` are
/// the missed offsets; or `epoch` is a new stream that begins here; or `missed`, in a channel without history, is
/// the number of missed publications.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelGap<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// First missed offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Last missed offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The new epoch. Offsets from here on belong to it.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// How many publications were missed, if they have no offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

impl<M: Serialize> Notify for PublicationEvent<'_, M> {
    const EVENT: &'static str = "publication";
}
impl<M: Serialize> Notify for Join<'_, M> {
    const EVENT: &'static str = "join";
}
impl<M: Serialize> Notify for Leave<'_, M> {
    const EVENT: &'static str = "leave";
}
impl Notify for Presence<'_> {
    const EVENT: &'static str = "presence";
}
impl Notify for ChannelGap<'_> {
    const EVENT: &'static str = "gap";
}
