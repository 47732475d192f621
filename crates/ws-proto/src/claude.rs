//! What Claude's runs publish: in the channel where Claude was asked, and in the run's stream (PROTOCOL section 8). Each is
//! the `data` of a publication whose `from` has the `service` `claude`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::action::Message;
use crate::borrowed;
pub use crate::run_status::RunStatus;

/// The `service` in `from` of what a run publishes.
pub const CLAUDE_SERVICE: &str = "claude";

/// The data of a publication of a run. `started` and, exactly once, `finished` in the channel; `text`, `thinking`,
/// `retrying`, and at the end `finished` without its `text` in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "claude", rename_all = "snake_case")]
pub enum RunEvent<'a> {
    /// Claude was asked.
    #[serde(borrow)]
    Started(Started<'a>),
    /// The run has ended.
    #[serde(borrow)]
    Finished(Finished<'a>),
    /// The next piece of the answer.
    #[serde(borrow)]
    Text(Piece<'a>),
    /// The next piece of the model's thinking, or that it thinks, where the text is empty.
    #[serde(borrow)]
    Thinking(Piece<'a>),
    /// The provider is asked again after a wait.
    #[serde(borrow)]
    Retrying(Retrying<'a>),
}

/// `started`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Started<'a> {
    /// The run's id.
    #[serde(borrow)]
    pub run_id: Cow<'a, str>,
    /// Name of the channel into which the answer streams.
    #[serde(borrow)]
    pub stream: Cow<'a, str>,
    /// Epoch of the stream: subscribed since its offset 0, nothing is missed.
    #[serde(borrow)]
    pub stream_epoch: Cow<'a, str>,
    /// The model that is asked.
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    /// The question.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Cow<'a, str>>,
    /// The conversation, where that was sent in place of a prompt.
    #[serde(borrow, default, deserialize_with = "borrowed::objects", skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message<'a>>>,
    /// How many earlier runs come before the prompt, where some were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// Tells two requests apart: a repeat of this run's request has the same.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub request_digest: Option<Cow<'a, str>>,
}

/// `finished`. In the channel it has the `text`, in the stream it has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finished<'a> {
    /// The run's id.
    #[serde(borrow)]
    pub run_id: Cow<'a, str>,
    /// How it ended.
    pub status: RunStatus,
    /// All of the answer, also where it is only a part of one. Empty where the model declined.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    /// Why the model stopped, in the provider's words.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<Cow<'a, str>>,
    /// The model that answered.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// What the provider counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why it failed.
    #[serde(borrow, default, deserialize_with = "borrowed::object", skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError<'a>>,
    /// The message's id at the provider.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Cow<'a, str>>,
    /// The request's id at the provider, for its support.
    #[serde(borrow, default, deserialize_with = "borrowed::string", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Cow<'a, str>>,
}

/// A piece of an answer, or of the thinking before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Piece<'a> {
    /// Counts the pieces of a stream from 0, texts and thinking together.
    pub index: u64,
    /// The words.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
}

/// `retrying`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retrying<'a> {
    /// The wait, in milliseconds.
    pub after_ms: u64,
    /// What had failed.
    #[serde(borrow)]
    pub error: RunError<'a>,
}

/// Why a run, or one attempt of it, failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunError<'a> {
    /// `upstream_failed`, `rate_limited`, `overloaded`, `timeout` or `internal`.
    pub code: RunErrorCode,
    /// For people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// What the provider said.
    #[serde(borrow, default, deserialize_with = "borrowed::object", skip_serializing_if = "Option::is_none")]
    pub details: Option<RunErrorDetails<'a>>,
    /// When to try again, in milliseconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// What the provider said of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunErrorDetails<'a> {
    /// Its name for it, such as `overloaded_error`.
    #[serde(
        rename = "type",
        borrow,
        default,
        deserialize_with = "borrowed::string",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<Cow<'a, str>>,
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// Why a run failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunErrorCode {
    /// The provider failed, or refused the request.
    UpstreamFailed,
    /// The provider wants fewer requests.
    RateLimited,
    /// The provider has too much to do.
    Overloaded,
    /// It took too long.
    Timeout,
    /// An error in the server itself.
    Internal,
    /// A code that this version of the crate does not know; only ever decoded, never sent.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// What the provider counted: of each field the last number that it told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// Tokens read anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens written; absent where the run did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Tokens put into the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_creation_input_tokens: Option<u64>,
    /// Tokens read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u64>,
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

impl RunEvent<'_> {
    /// The same without borrowing from where it was read.
    pub fn into_owned(self) -> RunEvent<'static> {
        let piece = |piece: Piece<'_>| Piece { index: piece.index, text: owned(piece.text) };
        match self {
            RunEvent::Started(started) => RunEvent::Started(started.into_owned()),
            RunEvent::Finished(finished) => RunEvent::Finished(finished.into_owned()),
            RunEvent::Text(text) => RunEvent::Text(piece(text)),
            RunEvent::Thinking(thinking) => RunEvent::Thinking(piece(thinking)),
            RunEvent::Retrying(Retrying { after_ms, error }) => {
                RunEvent::Retrying(Retrying { after_ms, error: error.into_owned() })
            }
        }
    }
}

impl Started<'_> {
    /// The same without borrowing from where it was read.
    pub fn into_owned(self) -> Started<'static> {
        let message = |Message { role, content }: Message<'_>| Message { role, content: owned(content) };
        Started {
            run_id: owned(self.run_id),
            stream: owned(self.stream),
            stream_epoch: owned(self.stream_epoch),
            model: owned(self.model),
            prompt: self.prompt.map(owned),
            messages: self.messages.map(|messages| messages.into_iter().map(message).collect()),
            context: self.context,
            request_digest: self.request_digest.map(owned),
        }
    }
}

impl Finished<'_> {
    /// The same without borrowing from where it was read.
    pub fn into_owned(self) -> Finished<'static> {
        Finished {
            run_id: owned(self.run_id),
            status: self.status,
            text: self.text.map(owned),
            stop_reason: self.stop_reason.map(owned),
            model: self.model.map(owned),
            usage: self.usage,
            error: self.error.map(RunError::into_owned),
            message_id: self.message_id.map(owned),
            request_id: self.request_id.map(owned),
        }
    }
}

impl RunError<'_> {
    /// The same without borrowing from where it was read.
    pub fn into_owned(self) -> RunError<'static> {
        let details =
            |details: RunErrorDetails<'_>| RunErrorDetails { kind: details.kind.map(owned), status: details.status };
        RunError {
            code: self.code,
            message: owned(self.message),
            details: self.details.map(details),
            retry_after_ms: self.retry_after_ms,
        }
    }
}
