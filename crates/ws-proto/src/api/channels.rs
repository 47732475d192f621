//! `/channels`, `/channels/{channel}`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Answer to `GET /channels`: a page of the channels that have subscribers, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelsData<'a> {
    /// The channels of this page.
    pub channels: Vec<ChannelSummary<'a>>,
    /// Where the next page begins: pass it as `after`. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cow<'a, str>>,
}

/// A channel in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelSummary<'a> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// How many connections are subscribed to it.
    pub subscribers: u64,
    /// Epoch of its stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// Offset of its newest publication; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// Answer to `GET /channels/{channel}`. A channel that nobody uses has no subscribers and an empty stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelData<'a> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// Its namespace; null where the name has no `:`.
    pub namespace: Option<Cow<'a, str>>,
    /// How many connections are subscribed to it.
    pub subscribers: u64,
    /// Epoch of its stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// Offset of its newest publication; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What the channel offers, as it is configured.
    pub options: ChannelOptions<'a>,
}

/// The options of a channel, named as in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelOptions<'a> {
    /// Publications kept for recovery, rewind and history; 0: no history.
    pub history_size: u64,
    /// Age up to which they are kept, in milliseconds; 0: no limit.
    pub history_ttl_ms: u64,
    /// Whether presence can be read.
    pub presence: bool,
    /// Whether subscribers get join and leave events.
    pub join_leave: bool,
    /// What happens to a subscriber that falls too far behind: `gap`, `latest` or `disconnect`.
    pub on_lag: Cow<'a, str>,
}
