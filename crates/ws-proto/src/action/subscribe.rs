//! `subscribe`: starts a subscription, a cursor in a channel's stream (PROTOCOL section 5).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::borrowed;
use crate::position::Position;
use crate::whole;

/// `subscribe`: from now on the connection gets what is published in a channel; with `since` or `rewind` also what
/// was published before. Both together are `invalid_payload`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subscribe<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CHANNEL_BYTES_MAX)))]
    pub channel: Cow<'a, str>,
    /// First everything after this position, then live.
    #[serde(borrow, default, deserialize_with = "borrowed::object", skip_serializing_if = "Option::is_none")]
    pub since: Option<Position<'a>>,
    /// First this many of the last publications, then live; 0 is none.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    pub rewind: Option<u32>,
    /// A subscription token for this channel.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub token: Option<Cow<'a, str>>,
}

/// Data of the response to [`Subscribe`], and of the `subscribed` event, which says that the server has subscribed the
/// connection itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubscribeData<'a> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// Epoch of the stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// Offset of the newest publication, 0 before the first; absent in a channel without history.
    /// A subscriber that has received it is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Where the cursor of the subscription stands: every publication that arrives in it has an offset above this, so
    /// `epoch` and this are the client's position until the first one arrives. Absent in a channel without history,
    /// and when only the subscription token was renewed: then the cursor stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// With `since`: whether everything after the position was recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// What is missing, if `recovered` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap<'a>>,
}

/// What cannot be recovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Gap<'a> {
    /// These publications are no longer stored; the stream goes on after them.
    Offsets {
        /// First missing offset.
        from: u64,
        /// Last missing offset.
        to: u64,
    },
    /// The requested position is in another stream. This one starts at its oldest stored publication.
    Epoch {
        /// The requested epoch.
        epoch: Cow<'a, str>,
    },
}
