//! A place in a channel's stream.

use serde::{Deserialize, Serialize};

/// Just after the publication with this offset, in the stream of this epoch (PROTOCOL section 5). Give it to
/// `since` to go on from there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Identifies the stream. Offsets of different epochs cannot be compared.
    pub epoch: String,
    /// Offset of a publication; 0 is the beginning.
    pub offset: u64,
}
