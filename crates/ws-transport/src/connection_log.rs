//! Opened, closed and refused connections in the log, as far as the operator wants them (`log_connections`).
//!
//! A failure is a refused handshake, a close by this server with any code other than 1000 and 1001, or a panic. A peer
//! that closes the connection or disappears is not a failure.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ws_core::{Connection, LogLimit};
use ws_proto::CloseCode;

use crate::limits::{LOGGED_ACCEPT_ERRORS_PER_SECOND, LOGGED_FAILURES_PER_SECOND};

/// Which connections are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogConnections {
    /// None.
    Off,
    /// Those that failed. The number of lines per second is limited; the lines left out are counted.
    Failures,
    /// Every open, close and refusal.
    All,
}

/// Logs connections.
#[derive(Debug)]
pub(crate) struct ConnectionLog {
    wanted: LogConnections,
    failures: LogLimit,
    accept_errors: LogLimit,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The peer closed it with this code.
    Peer(u16),
    /// The peer disappeared without a close frame.
    Lost,
    /// The server closed it.
    Server(CloseCode),
    /// A bug in the server.
    Panic,
}

impl Ending {
    /// The code of the close frame, if there is one.
    pub(crate) fn close_code(self, connection: &Connection) -> Option<u16> {
        match self {
            Ending::Peer(code) => Some(code),
            Ending::Server(CloseCode::Disconnected) => {
                Some(connection.close_frame().map_or(CloseCode::Disconnected.as_u16(), |(code, _)| code))
            }
            Ending::Server(code) => Some(code.as_u16()),
            Ending::Lost | Ending::Panic => None,
        }
    }

    /// Who ended it, the close code (RFC 6455, section 7.4.1), and why.
    fn describe(self) -> (&'static str, u16, &'static str) {
        match self {
            Ending::Peer(code) => ("peer", code, ""),
            Ending::Lost => ("peer", 1006, "no close frame"),
            Ending::Server(code) => ("server", code.as_u16(), code.reason()),
            Ending::Panic => ("server", 1006, "a panic in the server"),
        }
    }

    fn is_failure(self) -> bool {
        match self {
            Ending::Peer(_) | Ending::Lost => false,
            Ending::Server(code) => !matches!(code, CloseCode::Normal | CloseCode::GoingAway),
            Ending::Panic => true,
        }
    }
}

impl ConnectionLog {
    pub(crate) fn new(wanted: LogConnections) -> Self {
        ConnectionLog {
            wanted,
            failures: LogLimit::new(LOGGED_FAILURES_PER_SECOND),
            accept_errors: LogLimit::new(LOGGED_ACCEPT_ERRORS_PER_SECOND),
        }
    }

    /// A handshake has succeeded.
    pub(crate) fn opened(&self, connection: &Connection, address: IpAddr) {
        if self.wanted == LogConnections::All {
            let identity = connection.identity();
            let user = identity.as_ref().map(|identity| &**identity.user());
            tracing::info!(connection = %connection.id(), user, %address, "connection opened");
        }
    }

    /// A connection has begun to close.
    pub(crate) fn closed(&self, connection: &Connection, address: IpAddr, ending: Ending, lasted: Duration) {
        let Some(left_out) = self.pass(ending.is_failure()) else { return };
        let (identity, (by, code, reason)) = (connection.identity(), ending.describe());
        let user = identity.as_ref().map(|identity| &**identity.user());
        let (connection, duration_ms) = (connection.id(), u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX));
        tracing::info!(%connection, user, %address, by, code, reason, duration_ms, left_out, "connection closed");
    }

    /// A socket did not become a connection.
    pub(crate) fn refused(&self, address: IpAddr, status: Option<u16>, reason: &str) {
        if let Some(left_out) = self.pass(true) {
            tracing::info!(%address, status, reason, left_out, "connection refused");
        }
    }

    /// The system could not accept a connection.
    pub(crate) fn accept_failed(&self, error: &std::io::Error) {
        if let Some(left_out) = self.accept_errors.pass(Instant::now()) {
            tracing::warn!(%error, left_out, "cannot accept a connection");
        }
    }

    /// `Some`: write a line, with the number of lines that were left out before it, if any.
    fn pass(&self, is_failure: bool) -> Option<Option<u64>> {
        match self.wanted {
            LogConnections::All => Some(None),
            LogConnections::Failures if is_failure => {
                self.failures.pass(Instant::now()).map(|left_out| Some(left_out).filter(|left_out| *left_out > 0))
            }
            LogConnections::Failures | LogConnections::Off => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_a_failure() {
        let failing = CloseCode::ALL.iter().filter(|code| Ending::Server(**code).is_failure());
        assert_eq!(failing.count(), CloseCode::ALL.len() - 2, "all but 1000 and 1001");
        assert!(!Ending::Server(CloseCode::GoingAway).is_failure() && !Ending::Server(CloseCode::Normal).is_failure());
        assert!(Ending::Panic.is_failure() && !Ending::Lost.is_failure() && !Ending::Peer(4999).is_failure());
    }

    #[test]
    fn what_passes() {
        let check = |wanted, is_failure: bool, times: usize, expect: usize| {
            let log = ConnectionLog::new(wanted);
            let passed = (0..times).filter(|_| log.pass(is_failure).is_some()).count();
            assert_eq!(passed, expect, "{wanted:?}");
        };
        check(LogConnections::Off, true, 3, 0);
        check(LogConnections::Failures, false, 3, 0);
        check(LogConnections::Failures, true, 3, 3);
        check(LogConnections::All, false, 1000, 1000);
        let log = ConnectionLog::new(LogConnections::Failures);
        let passed = (0..10_000).filter(|_| log.pass(true).is_some()).count();
        assert!(passed < 10_000, "a flood is bounded");
        let passed = (0..10_000).filter(|_| log.accept_errors.pass(Instant::now()).is_some()).count();
        assert!(passed < 100, "one per second, however often it fails");
    }
}
