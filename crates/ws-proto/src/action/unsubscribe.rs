//! `unsubscribe`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// `unsubscribe`: ends this connection's subscription to a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unsubscribe<'a> {
    /// Name of the channel.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::CHANNEL_BYTES_MAX)))]
    pub channel: Cow<'a, str>,
}

/// Data of the response to [`Unsubscribe`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnsubscribeData<'a> {
    /// Name of the channel.
    pub channel: Cow<'a, str>,
}
