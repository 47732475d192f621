//! `subscribe`: a cursor in a channel's stream (PROTOCOL section 5).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::borrowed;
use crate::position::Position;

/// `subscribe`: from now on this connection gets what is published in a channel; with `since` or `rewind`
/// also what was published before. The two together are `invalid_payload`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subscribe<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CHANNEL_BYTES_MAX)))]
    pub channel: Cow<'a, str>,
    /// Everything after this position, then live.
    #[serde(borrow, default, deserialize_with = "borrowed::object", skip_serializing_if = "Option::is_none")]
    pub since: Option<Position<'a>>,
    /// The last so many publications, then live; 0 is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewind: Option<u32>,
    /// A subscription token for this channel.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub token: Option<Cow<'a, str>>,
}

/// Data of the response to [`Subscribe`], and of the `subscribed` event, by which the server says that it has
/// subscribed the connection itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubscribeData<'a> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// Epoch of the stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// Offset of the newest publication, 0 before the first; absent in a channel without history.
    /// Whoever has seen it is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// With `since`: whether nothing is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// What is missing, where `recovered` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap<'a>>,
}

/// What cannot be recovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Gap<'a> {
    /// These publications are no longer retained; the stream goes on behind them.
    Offsets {
        /// First missing offset.
        from: u64,
        /// Last missing offset.
        to: u64,
    },
    /// The position asked for is not of this stream, which starts at the oldest retained publication.
    Epoch {
        /// The epoch asked for.
        epoch: Cow<'a, str>,
    },
}
