//! `cancel_claude`: stops a run (PROTOCOL section 8).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::run_status::RunStatus;

/// `cancel_claude`: ends a run. Who may publish in its channel may do that. What it had said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CancelClaude<'a> {
    /// Where it was asked.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = crate::limits::ASKING_CHANNEL_BYTES_MAX)))]
    pub channel: Cow<'a, str>,
    /// The run's id.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$")))]
    pub run_id: Cow<'a, str>,
}

/// Data of the response to [`CancelClaude`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CancelClaudeData<'a> {
    /// The run's id.
    pub run_id: Cow<'a, str>,
    /// `cancelling`, or how it had ended before.
    pub status: RunStatus,
}
