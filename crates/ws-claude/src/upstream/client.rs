//! The provider as its users see it.

use std::sync::Arc;

use uuid::Uuid;

use super::call::Call;
use super::http::{Provider, SetupError};
use super::parts::Parts;
use super::question::Question;
use super::secrets::Secrets;
use super::settings::Settings;

/// The provider, ready to be asked. Clones are cheap and share their connections.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Parts>);

impl Upstream {
    /// Makes ready what every question needs. Nothing is sent, so a wrong key shows with the first question.
    ///
    /// The environment is read here: `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let (http, secrets) = (Arc::new(Provider::new(&settings)?), Secrets::of(&settings));
        Ok(Upstream::with(Parts { http, settings, secrets, chance }))
    }

    pub(super) fn with(parts: Parts) -> Self {
        Upstream(Arc::new(parts))
    }

    /// Asks a question. Must be called within a tokio runtime with time and I/O.
    pub fn ask(&self, question: Question) -> Call {
        Call::new(self.0.clone(), &question)
    }
}

/// From the random bits of an id: 53, as many as a float has.
pub(super) fn chance() -> f64 {
    let (_, low) = Uuid::new_v4().as_u64_pair();
    (low & ((1 << 53) - 1)) as f64 / (1_u64 << 53) as f64
}
