//! The provider's Messages API: one question, and the answer as it comes.
//!
//! [`Upstream`] asks; each [`Call`] is one question with its retries and timeouts. What the bytes of an answer mean is
//! decided without I/O by the [`Decoder`]. Deliberately absent: channels, runs, a limit on how many questions there are, and
//! the timeout of a whole answer (its caller drops it).

mod asking;
mod base_url;
mod body;
mod call;
mod decoder;
mod event;
mod failure;
mod http;
mod key;
mod limits;
mod progress;
mod question;
mod retry;
mod reuse;
mod secrets;
mod settings;
mod sse;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use uuid::Uuid;

pub use self::base_url::{BaseUrl, BaseUrlError};
pub use self::call::Call;
pub use self::decoder::{Decoder, EventTooLong};
pub use self::event::{Event, ProviderError};
pub use self::http::SetupError;
pub use self::key::{Key, KeyError};
pub use self::progress::{Answer, End, Failure, FailureCode, Known, Progress, Usage};
pub use self::question::{Question, Role, Thinking, Turn};
pub use self::settings::{Auth, Settings};

use self::http::{Http, Provider};
use self::secrets::Secrets;

/// The provider, ready to be asked. Clones are cheap and share their connections.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Parts>);

/// What every call needs.
#[derive(Debug)]
struct Parts {
    http: Box<dyn Http>,
    settings: Settings,
    secrets: Secrets,
    /// A number in `0.0..1.0`.
    chance: fn() -> f64,
}

impl Upstream {
    /// Makes ready what every question needs. Nothing is sent, so a wrong key shows with the first question.
    ///
    /// The environment is read here: `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let (http, secrets) = (Box::new(Provider::new(&settings)?), Secrets::of(&settings));
        Ok(Upstream(Arc::new(Parts { http, settings, secrets, chance })))
    }

    /// Asks a question. Must be called within a tokio runtime with time and I/O.
    pub fn ask(&self, question: Question) -> Call {
        Call::new(self.0.clone(), &question)
    }
}

/// From the random bits of an id: 53, as many as a float has.
fn chance() -> f64 {
    let (_, low) = Uuid::new_v4().as_u64_pair();
    (low & ((1 << 53) - 1)) as f64 / (1_u64 << 53) as f64
}
