//! `get_history`: the stored part of a channel's stream, page by page.
//!
//! [`HistoryData`] is generic over the type of an entry: [`crate::publication::HistoryEntry`] for a client, `&RawValue` for a
//! server that has encoded it with [`crate::publication::encode_history_entry`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::borrowed;
use crate::position::Position;
use crate::whole;

/// `get_history`: stored publications of a channel between two exclusive bounds, ascending from the lower one or
/// descending from the upper one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GetHistory<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CHANNEL_BYTES_MAX)))]
    pub channel: Cow<'a, str>,
    /// Maximum number of publications in the response, 1 to 1000; 100 by default.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::limits::HISTORY_LIMIT_MAX)))]
    pub limit: Option<u32>,
    /// Only publications after this position; from the oldest by default.
    #[serde(borrow, default, deserialize_with = "borrowed::object", skip_serializing_if = "Option::is_none")]
    pub since: Option<Position<'a>>,
    /// Only publications before this offset; to the newest by default.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse: Option<bool>,
}

/// Data of the response to [`GetHistory`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HistoryData<'a, P> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// Epoch of the stream.
    pub epoch: Cow<'a, str>,
    /// Offset of the newest publication of the stream, 0 before the first.
    pub offset: u64,
    /// In the requested order.
    pub publications: Vec<P>,
    /// Whether there are more within the bounds, in this direction.
    pub more: bool,
}
