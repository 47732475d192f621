//! An open run, as it is kept for the next server.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) channel: Arc<str>,
    pub(crate) run_id: Arc<str>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) model: String,
    pub(crate) started_at: u64,
    /// Its `started` is published.
    #[serde(default)]
    pub(crate) has_begun: bool,
    /// The data of its `started`, where that may be on its way, and can be looked up. Among several servers, in a channel
    /// with history, nothing of a run was published that has not begun and has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<Arc<RawValue>>,
}
