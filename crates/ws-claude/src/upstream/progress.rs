//! What comes back.

use std::fmt;

use serde::Serialize;

/// A step of an answer. [`Progress::End`] is the last one and always comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The request failed before the first token and is sent again after the wait.
    Retrying {
        /// The wait, in milliseconds.
        after_ms: u64,
        /// What failed.
        failure: Failure,
    },
    /// The model thinks. With [`Omitted`](super::Thinking::Omitted) exactly one, empty, says that it began; with
    /// [`Summarized`](super::Thinking::Summarized) these are the pieces of the summary, never empty.
    Thinking(String),
    /// The next piece of the answer; never empty.
    Text(String),
    /// The answer has ended.
    End(Answer),
}

/// How an answer ended, and what the provider said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub end: End,
    /// As the provider named it.
    pub stop_reason: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// What was counted.
    pub usage: Usage,
    /// The message's id at the provider.
    pub message_id: Option<String>,
    /// The request's id at the provider, for its support.
    pub request_id: Option<String>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With a stop reason other than a refusal.
    Complete,
    /// The model declined: what came is not part of the conversation.
    Refused,
    /// It broke off, or never began.
    Failed(Failure),
}

impl End {
    /// The end that a stop reason names.
    #[must_use]
    pub fn of(stop_reason: &str) -> Self {
        if stop_reason == "refusal" { End::Refused } else { End::Complete }
    }
}

/// Why an answer failed, as clients may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people. Without the provider's text for 401, 402 and 403, which goes to the log alone.
    pub message: String,
    /// The provider's name for the error, such as `overloaded_error`.
    pub kind: Option<String>,
    /// The status of the provider's response.
    pub status: Option<u16>,
    /// When to try again, in milliseconds, where the provider said so.
    pub retry_after_ms: Option<u64>,
}

/// The `code` of a run's `error` (PROTOCOL section 8). These are no [`ErrorCode`](ws_proto::ErrorCode)s, which are answers
/// to requests: there is no `timeout` among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The provider refuses the request, breaks off, or cannot be reached.
    UpstreamFailed,
    /// The provider has had too many requests or tokens from this key.
    RateLimited,
    /// The provider has too much to do.
    Overloaded,
    /// It took too long.
    Timeout,
    /// A fault of the server itself.
    Internal,
}

impl FailureCode {
    /// Name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureCode::UpstreamFailed => "upstream_failed",
            FailureCode::RateLimited => "rate_limited",
            FailureCode::Overloaded => "overloaded",
            FailureCode::Timeout => "timeout",
            FailureCode::Internal => "internal",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the provider has told of an answer so far. For an answer that is cancelled, whose [`Answer`] never comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The model that answers.
    pub model: Option<String>,
    /// The message's id at the provider.
    pub message_id: Option<String>,
    /// The request's id at the provider.
    pub request_id: Option<String>,
    /// What was counted; without `output_tokens`, which is not complete, unless there is a stop reason.
    pub usage: Usage,
    /// The answer is complete, and ended for this; only the end of the stream is missing.
    pub stop_reason: Option<String>,
}

/// Tokens, of each field the last number that the provider told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read anew.
    pub input_tokens: Option<u64>,
    /// Written; absent where the answer did not come to its end.
    pub output_tokens: Option<u64>,
    /// Put into the provider's cache.
    pub cache_creation_input_tokens: Option<u64>,
    /// Read from the provider's cache.
    pub cache_read_input_tokens: Option<u64>,
}

impl Usage {
    /// A later count: what it does not tell stays as it was.
    pub(super) fn merge(&mut self, later: Usage) {
        let Usage { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens } = later;
        self.input_tokens = input_tokens.or(self.input_tokens);
        self.output_tokens = output_tokens.or(self.output_tokens);
        self.cache_creation_input_tokens = cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = cache_read_input_tokens.or(self.cache_read_input_tokens);
    }
}
