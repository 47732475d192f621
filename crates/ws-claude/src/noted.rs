//! An open run, as it is kept for the next server.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) channel: Arc<str>,
    pub(crate) run_id: Arc<str>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) model: String,
    pub(crate) started_at: u64,
    /// Its `started` is published.
    #[serde(default)]
    pub(crate) has_begun: bool,
}
