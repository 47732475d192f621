//! The provider's Messages API: one question, and the answer as it comes.
//!
//! [`Upstream`] asks; each [`Call`] is one question with its retries and timeouts. What the bytes of an answer mean is
//! decided without I/O by the [`Decoder`]. Deliberately absent: channels, runs, a limit on how many questions there are, and
//! the timeout of a whole answer (its caller drops it).

mod asking;
mod base_url;
mod body;
mod call;
mod client;
mod decoder;
mod event;
mod failure;
mod http;
mod key;
mod limits;
mod parts;
mod progress;
mod question;
mod retry;
mod reuse;
mod secrets;
mod settings;
mod sse;
#[cfg(test)]
mod tests;

pub use self::base_url::{BaseUrl, BaseUrlError};
pub use self::call::Call;
pub use self::client::Upstream;
pub use self::decoder::{Decoder, EventTooLong};
pub use self::event::{Event, ProviderError};
pub use self::http::SetupError;
pub use self::key::{Key, KeyError};
pub use self::progress::{Answer, End, Failure, FailureCode, Known, Progress, Usage};
pub use self::question::{Question, Role, Thinking, Turn};
pub use self::settings::{Auth, Settings};
