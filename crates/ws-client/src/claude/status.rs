//! Where a run is.

use serde::{Deserialize, Serialize};

/// What a run does, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// It is about to end as `Cancelled`.
    Cancelling,
    /// The model came to its end.
    Complete,
    /// Somebody stopped it.
    Cancelled,
    /// It broke off, or never began.
    Failed,
    /// The model declined: what had streamed is not part of the conversation.
    Refused,
    /// The server ended, or died.
    Interrupted,
    /// One that this crate does not know.
    #[serde(other)]
    Unknown,
}
