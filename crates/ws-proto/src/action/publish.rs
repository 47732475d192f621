//! `publish`: appends a publication to a channel's stream.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::borrowed;
use crate::publication::Tags;
use crate::whole;

/// `publish`: every subscriber of a channel, including the sender if it is one, gets the value in a
/// `publication` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Publish<'a, M> {
    /// Name of the channel.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CHANNEL_BYTES_MAX)))]
    pub channel: Cow<'a, str>,
    /// Any JSON value.
    pub data: M,
    /// Makes the request safe to repeat: the same id again publishes nothing. At most 128 bytes.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::MSG_ID_BYTES_MAX)))]
    pub msg_id: Option<Cow<'a, str>>,
    /// For a repeat, with `msg_id` only: how long ago this id was first sent without getting an answer, in
    /// milliseconds. 0 is as if left out.
    #[serde(default, deserialize_with = "whole::optional", skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// Passed on with the publication.
    #[serde(borrow, default, deserialize_with = "borrowed::strings", skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags<'a>>,
}

/// Data of the response to [`Publish`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishData<'a> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// Epoch of the stream; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// Offset of the publication; absent in a channel without history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How safely the publication is stored.
    pub ack: Ack,
    /// Whether this `msg_id` was published before; then `offset` is that of the first time.
    pub duplicate: bool,
}

/// How safely a publication is stored when its response is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ack {
    /// Accepted by this node.
    Memory,
    /// Committed to disk.
    Durable,
    /// Accepted by the engine of the cluster.
    Replicated,
}

impl Ack {
    /// Every level.
    pub const ALL: [Ack; 3] = [Ack::Memory, Ack::Durable, Ack::Replicated];

    /// Name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ack::Memory => "memory",
            Ack::Durable => "durable",
            Ack::Replicated => "replicated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ack_are_the_ones_serde_writes() {
        for ack in Ack::ALL {
            assert_eq!(serde_json::to_value(ack).ok(), Some(ack.as_str().into()));
        }
    }
}
