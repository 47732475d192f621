//! What went wrong, as status and errors tell it.

use std::fmt;

use serde::{Deserialize, Serialize};
use ws_proto::{ErrorBody, ErrorCode};

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The server answered with an error.
    Rejected,
    /// The outbox, or the queue of requests, is full.
    Full,
    /// It is larger than the server takes.
    TooLarge,
    /// It was never sent, and is too old now.
    Expired,
    /// It was sent, and nobody can tell whether it was published.
    Unknown,
    /// The client is closed.
    Closed,
    /// Its caller gave it up.
    Aborted,
    /// The connection was lost, or none came about.
    Lost,
    /// The token provider failed.
    Token,
    /// The token provider gives no token.
    Denied,
    /// The store failed.
    Store,
    /// Publications between two pages of a history are gone.
    Gap,
    /// A value cannot be written as JSON, or JSON is no such value.
    Encoding,
}

/// What the client itself found wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The attempt took too long.
    Connect,
    /// A request was not answered in time.
    Request,
    /// Nothing was heard for longer than the heartbeat allows.
    Silence,
    /// No answer after a sleep.
    Probe,
    /// What arrived is no frame of the protocol.
    Frame,
    /// The socket ended.
    Socket,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of problem it is.
    pub kind: Kind,
    /// The code of the server's error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether the same can succeed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// The close code of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<u16>,
    /// The HTTP status of the handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What the client found wrong with the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

impl Problem {
    pub(crate) fn new(kind: Kind) -> Self {
        Problem { kind, code: None, message: None, retryable: None, close: None, status: None, cause: None }
    }

    pub(crate) fn with_message(kind: Kind, message: Option<String>) -> Self {
        Problem { message, ..Problem::new(kind) }
    }

    pub(crate) fn rejected(code: ErrorCode, message: String, retryable: bool) -> Self {
        let (code, message, retryable) = (Some(code), Some(message), Some(retryable));
        Problem { code, message, retryable, ..Problem::new(Kind::Rejected) }
    }
}

impl From<&ErrorBody> for Problem {
    fn from(error: &ErrorBody) -> Self {
        Problem::rejected(error.code, error.message.to_string(), error.retryable)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Rejected => "the server refused it",
            Kind::Full => "the outbox is full",
            Kind::TooLarge => "it is larger than the server takes",
            Kind::Expired => "it was too old before it could be sent",
            Kind::Unknown => "it was sent, and nobody can tell whether it was published",
            Kind::Closed => "the client is closed",
            Kind::Aborted => "its caller gave it up",
            Kind::Lost => "the connection was lost",
            Kind::Token => "the token provider failed",
            Kind::Denied => "the token provider gives no token",
            Kind::Store => "the store of the outbox failed",
            Kind::Gap => "publications in between are gone",
            Kind::Encoding => "this is not what JSON says",
        })?;
        match self.cause {
            Some(Cause::Connect) => f.write_str(" (the attempt took too long)")?,
            Some(Cause::Request) => f.write_str(" (a request was not answered in time)")?,
            Some(Cause::Silence) => f.write_str(" (nothing was heard for too long)")?,
            Some(Cause::Probe) => f.write_str(" (no answer after a sleep)")?,
            Some(Cause::Frame) => f.write_str(" (what arrived is no frame of the protocol)")?,
            Some(Cause::Socket) | None => {}
        }
        if let Some(close) = self.close.filter(|_| self.cause.is_none()) {
            write!(f, " (close code {close})")?;
        }
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, ": {code}: {message}"),
            (None, Some(message)) => write!(f, ": {message}"),
            (Some(code), None) => write!(f, ": {code}"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
