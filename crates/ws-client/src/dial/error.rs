//! Why no connection came about: what failed, where, and what the other side said.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

/// A failed attempt to connect. All of them are worth another attempt, later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DialError {
    /// The name has no address, or nobody could be asked.
    #[error("cannot resolve {host}: {reason}")]
    Resolve {
        /// The host of the URL.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// No address accepted the connection.
    #[error("cannot connect to {host}: {}", Tried(.tried))]
    Connect {
        /// Host and port of the URL.
        host: String,
        /// Every address that was tried, and what the system said.
        tried: Vec<(SocketAddr, String)>,
    },
    /// No TLS session: a certificate that is not trusted, above all.
    #[error("TLS with {host} failed: {reason}")]
    Tls {
        /// Host and port of the URL.
        host: String,
        /// Why.
        reason: String,
    },
    /// The server, or something in front of it, answered in HTTP and does not open a WebSocket.
    #[error("{host} refused the WebSocket with HTTP {status}{}", Said(.said))]
    Refused {
        /// Host and port of the URL.
        host: String,
        /// The status of HTTP.
        status: u16,
        /// `Retry-After` of a 429 or 503, at most one hour.
        retry_after: Option<Duration>,
        /// The message in the body, or where a redirect points to; shortened.
        said: Option<String>,
    },
    /// What answered does not speak WebSocket.
    #[error("the handshake with {host} failed: {reason}")]
    Handshake {
        /// Host and port of the URL.
        host: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// The time of the attempt was over.
    #[error("no connection within {within:?}: still waiting for {stage}")]
    Timeout {
        /// What was under way.
        stage: Stage,
        /// How long the attempt was allowed to take.
        within: Duration,
    },
}

impl DialError {
    /// The HTTP status, if there was an answer in HTTP.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            DialError::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the server asks to stay away, at most one hour.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            DialError::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A part of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The addresses of the name.
    Resolve,
    /// TCP.
    Connect,
    /// TLS.
    Tls,
    /// The answer to the WebSocket handshake.
    Handshake,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Resolve => "the addresses of the name",
            Stage::Connect => "a TCP connection",
            Stage::Tls => "the TLS handshake",
            Stage::Handshake => "the answer to the WebSocket handshake",
        })
    }
}

struct Tried<'a>(&'a [(SocketAddr, String)]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (addr, reason)) in self.0.iter().enumerate() {
            write!(f, "{}{addr}: {reason}", if nth == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

struct Said<'a>(&'a Option<String>);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(said) => write!(f, ": {said}"),
            None => Ok(()),
        }
    }
}
