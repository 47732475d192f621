//! What a line of the file says.

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::store::Saved;

/// A change, for the server at this URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) url: String,
    #[serde(flatten)]
    pub(super) change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// Adds an entry at the end, or replaces the one with its id, in its place.
    Put(Entry),
    /// When the entry was first sent, or that it counts as never sent; nothing else of it changes.
    Sent { msg_id: String, first_sent: Option<u64> },
    /// The entry with this id is over.
    Remove(String),
    /// Where a user was in a channel.
    Position(Saved),
}
