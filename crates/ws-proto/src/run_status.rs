//! What becomes of a run of Claude (PROTOCOL section 8).

use serde::{Deserialize, Serialize};

/// What a run does, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// It is going on.
    Running,
    /// It is about to end as `cancelled`.
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
    /// One that this version of the crate does not know; only ever decoded, never sent.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl RunStatus {
    /// How a run can end.
    pub const ENDS: [RunStatus; 5] =
        [RunStatus::Complete, RunStatus::Cancelled, RunStatus::Failed, RunStatus::Refused, RunStatus::Interrupted];

    /// Name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Cancelling => "cancelling",
            RunStatus::Complete => "complete",
            RunStatus::Cancelled => "cancelled",
            RunStatus::Failed => "failed",
            RunStatus::Refused => "refused",
            RunStatus::Interrupted => "interrupted",
            RunStatus::Unknown => "unknown",
        }
    }
}
