//! What comes back.

use ws_proto::ErrorCode;

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
    /// The model thinks. Empty where the text of it is omitted.
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

/// Why an answer failed, as clients may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `upstream_failed`, `rate_limited`, `overloaded`, `timeout` or `internal`.
    pub code: ErrorCode,
    /// For people. Without the provider's text for 401, 402 and 403, which goes to the log alone.
    pub message: String,
    /// The provider's name for the error, such as `overloaded_error`.
    pub kind: Option<String>,
    /// The status of the provider's response.
    pub status: Option<u16>,
    /// When to try again, in milliseconds, where the provider said so.
    pub retry_after_ms: Option<u64>,
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
