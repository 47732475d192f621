//! What every call needs.

use std::sync::Arc;

use super::http::Http;
use super::secrets::Secrets;
use super::settings::Settings;

/// Shared by all calls of one provider.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) http: Arc<dyn Http>,
    pub(super) settings: Settings,
    pub(super) secrets: Secrets,
    /// A number in `0.0..1.0`.
    pub(super) chance: fn() -> f64,
}
