//! `/channels/{channel}/runs`.

use serde::{Deserialize, Serialize};

use crate::run_status::RunStatus;

/// Answer to `GET /channels/{channel}/runs`: Claude's open runs in a channel, in the order in which they began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenRuns {
    /// The runs.
    pub runs: Vec<RunInfo>,
}

/// An open run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunInfo {
    /// Its id.
    pub run_id: String,
    /// `running` or `cancelling`.
    pub status: RunStatus,
    /// The model that was asked.
    pub model: String,
    /// Who asked; null: an anonymous connection.
    pub user: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_at: u64,
    /// Tokens written so far, where the provider has told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
}
