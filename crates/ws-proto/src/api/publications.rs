//! `/channels/{channel}/publications`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::borrowed;
use crate::publication::Tags;
use crate::whole;

/// Body of `POST /channels/{channel}/publications`; the answer is [`PublishData`](crate::action::PublishData).
// Not `Publish` flattened: raw JSON does not survive that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PublicationBody"))]
pub struct Publication<'a, M> {
    /// Any JSON value.
    pub data: M,
    /// Makes the request safe to repeat: the same id again publishes nothing. At most 128 bytes. The header
    /// `Idempotency-Key` is another way to say it.
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

/// Answer to `DELETE /channels/{channel}/publications`: the history is removed, and a new epoch begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Removed<'a> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
    /// The new epoch.
    pub epoch: Cow<'a, str>,
}
