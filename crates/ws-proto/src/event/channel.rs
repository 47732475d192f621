//! Events in a channel (PROTOCOL section 5). A server that sends many publications encodes them with
//! [`crate::publication`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Notify, Sender};
use crate::action::PresenceClient;
use crate::borrowed;
use crate::publication::Tags;

/// `publication`: somebody published in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublicationEvent<'a, M> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Its place in the stream: 1, 2, 3 …; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The value, byte for byte as it was published.
    pub data: M,
    /// When the server accepted it, in milliseconds since 1970.
    pub time: u64,
    /// Who published it; absent for the server's own API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
    /// The id that its publisher gave it.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub msg_id: Option<Cow<'a, str>>,
    /// What its publisher labelled it with.
    #[serde(borrow, default, deserialize_with = "borrowed::strings", skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags<'a>>,
}

/// `join`: another connection has subscribed to a channel, where its namespace has `join_leave` on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Join<'a, M> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Who came.
    pub client: PresenceClient<M>,
}

/// `leave`: another connection is no longer subscribed to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Leave<'a, M> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Who went.
    pub client: PresenceClient<M>,
}

/// `presence`: how many are in a channel, in place of `join` and `leave` where there are too many of those.
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

/// `gap` with `channel`: a part of the stream is gone for this connection, and what follows comes behind
/// it. `from` and `to` say which offsets; or `epoch` that a new stream begins; or `missed`, in a channel
/// without history, how many publications.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelGap<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// First offset that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Last offset that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// A new epoch, in which offsets count from here on.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// How many publications are gone, where they have no offsets.
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
