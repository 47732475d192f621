//! What a line of the file says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An entry of the outbox, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) msg_id: String,
    pub(super) channel: String,
    /// JSON, byte for byte as it is sent: the server compares bytes.
    pub(super) data: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
    /// Wall clock, in ms since 1970.
    pub(super) created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_sent: Option<u64>,
    /// URL and user for whom it was made.
    pub(super) owner: String,
}

/// Where a subscription of this owner goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) owner: String,
    pub(super) channel: String,
    pub(super) epoch: String,
    pub(super) offset: u64,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// Adds an entry at the end, or replaces the one with its id, in its place.
    Put(Kept),
    /// When the entry was first sent; nothing else of it changes.
    Sent {
        msg_id: String,
        first_sent: Option<u64>,
    },
    Remove(String),
    Place(Place),
}
