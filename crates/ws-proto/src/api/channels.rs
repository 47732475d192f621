//! `/channels`, `/channels/{channel}`.

use serde::{Deserialize, Serialize};

/// Answer to `GET /channels`: a page of the channels that have subscribers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelPage {
    /// In an order that stays the same while the server runs, and is not that of the names.
    pub channels: Vec<ChannelInfo>,
    /// Where the next page begins, if there may be one: pass it as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelInfo {
    /// Its name.
    pub channel: String,
    /// Connections that are subscribed to it.
    pub subscribers: u64,
    /// The epoch of its stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The newest offset of the stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// Answer to `GET /channels/{channel}`. A channel that nobody uses has no subscribers and an empty stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelDetails {
    /// The channel.
    #[serde(flatten)]
    pub channel: ChannelInfo,
    /// Its namespace; null where the name has no `:`.
    pub namespace: Option<String>,
    /// What it offers, as it is configured.
    pub options: ChannelOptions,
}

/// The options of a channel, named as in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelOptions {
    /// Publications kept for recovery, rewind and history; 0: no history.
    pub history_size: u64,
    /// Age up to which they are kept, in milliseconds; 0: no limit.
    pub history_ttl_ms: u64,
    /// Whether presence can be read.
    pub presence: bool,
    /// Whether subscribers get join and leave events.
    pub join_leave: bool,
    /// What happens to a subscriber that falls too far behind.
    pub on_lag: OnLag,
}

/// What happens to a subscriber whose next publication is no longer kept (PROTOCOL section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnLag {
    /// It gets a `gap` event, and continues with the oldest publication that is kept.
    Gap,
    /// It continues with the newest publication.
    Latest,
    /// Its connection is closed with 4001.
    Disconnect,
}
