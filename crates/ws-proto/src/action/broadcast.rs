//! `broadcast`.

use serde::{Deserialize, Serialize};

/// `broadcast`: every connection, including the sender's, gets the value in a `broadcast` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Broadcast<M> {
    /// Any JSON value.
    pub message: M,
}

/// Data of the response to [`Broadcast`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BroadcastData {
    /// How many connections it is sent to.
    pub recipients: u64,
}
