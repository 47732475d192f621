//! What a reader of a channel gets.

use serde::Serialize;
use serde_json::value::RawValue;
use ws_proto::event::Sender;

use super::problem::Problem;
use crate::entry::Tags;
use crate::position::Position;

/// One event, as docs/CLIENTS.md ("Events") has it.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Publication(Box<Publication>),
    Gap(Gap),
    Live {
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<Position>,
        #[serde(skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
    },
    Join {
        client: Box<RawValue>,
    },
    Leave {
        client: Box<RawValue>,
    },
    Presence {
        connections: u64,
        users: u64,
    },
    Refused {
        error: Problem,
    },
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Publication {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    pub(crate) data: Box<RawValue>,
    pub(crate) time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Sender>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) msg_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<Tags>,
    pub(crate) own: bool,
}

/// What is gone for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Gap {
    /// These publications are no longer stored.
    Offsets {
        /// First missing offset.
        from: u64,
        /// Last missing offset.
        to: u64,
    },
    /// The stream is another one from here on: history was removed or lost.
    Epoch {
        /// The new epoch.
        epoch: String,
        /// What follows lies above this offset.
        after: u64,
    },
    /// So many publications of a channel without history were missed.
    Missed {
        /// How many; `None`: nobody knows.
        #[serde(skip_serializing_if = "Option::is_none")]
        missed: Option<u64>,
    },
}

impl Event {
    /// What it takes of a reader's bound.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Event::Publication(publication) => publication.data.get().len(),
            Event::Join { client } | Event::Leave { client } => client.get().len(),
            Event::Gap(_) | Event::Live { .. } | Event::Presence { .. } | Event::Refused { .. } => 0,
        }
    }
}
