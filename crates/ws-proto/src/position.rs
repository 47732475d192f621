//! A position in a channel's stream (PROTOCOL section 5).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::whole;

/// Just after the publication with this offset, in the stream of this epoch. Offset 0 is the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Position<'a> {
    /// Identifies the stream. Offsets of different epochs cannot be compared.
    #[serde(borrow)]
    pub epoch: Cow<'a, str>,
    /// Offset of a publication, or 0.
    #[serde(deserialize_with = "whole::number")]
    pub offset: u64,
}

/// Positions by channel.
pub type Positions<'a> = BTreeMap<Cow<'a, str>, Position<'a>>;
