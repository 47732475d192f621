//! The kinds of channels, by where their publications live.

/// What kind of stream a channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The stream that every connection reads.
    Broadcast,
    /// Nothing is retained, and publications have no offsets.
    Ephemeral,
    /// The engine retains publications.
    Retained,
}
