//! What stands behind a channel's stream.

/// What stands behind the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What is sent to every connection.
    Broadcast,
    /// Nothing is retained, and there are no offsets.
    Passing,
    /// The engine retains publications.
    Kept,
}
