//! A place in a channel's stream (PROTOCOL section 5).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Behind the publication with this offset, in the stream of this epoch. Offset 0 is the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Position<'a> {
    /// Names the stream: offsets of another epoch mean nothing.
    #[serde(borrow)]
    pub epoch: Cow<'a, str>,
    /// Offset of a publication, or 0.
    pub offset: u64,
}
