//! A publication that waits for its end, as the outbox has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// Tags of a publication.
pub type Tags = BTreeMap<String, String>;

/// A publication in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// Names it for ever: the server publishes each id once.
    pub msg_id: String,
    /// Where it is published.
    pub channel: String,
    /// JSON as it is sent, byte for byte: the server compares the bytes of a repeat.
    pub data: String,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// When it was made, in milliseconds since 1970.
    pub created: u64,
    /// When it was first sent without getting an answer since, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sent: Option<u64>,
    /// How long after `created` it is of use, in milliseconds.
    pub max_age: u64,
    /// Whose it is. `None`: not known yet, it belongs to the next user that connects. `Some(None)`: the anonymous one's.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub user: Option<Option<String>>,
}

impl Entry {
    /// What it takes of the outbox's bound.
    pub(crate) fn bytes(&self) -> usize {
        let tags = self.tags.iter().flatten().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.data.len() + tags
    }

    /// Its data, to be written into JSON.
    pub(crate) fn raw(&self) -> Option<&RawValue> {
        serde_json::from_str(&self.data).ok()
    }
}

/// null is somebody: the anonymous user.
pub(crate) fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}
