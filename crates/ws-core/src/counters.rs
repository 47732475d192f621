//! What the hub counts. Numbers only; the transport gives them names and a format.

use std::sync::atomic::{AtomicU64, Ordering};

use ws_proto::action::ActionName;
use ws_proto::{CloseCode, ErrorCode};

use crate::access::Refusal;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Nothing yet.
    pub const fn new() -> Self {
        Count(AtomicU64::new(0))
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counts of one hub since it was started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were opened.
    pub connections_opened: Count,
    /// Connections that ended without a close frame from the server.
    pub connections_lost: Count,
    /// TLS handshakes that failed.
    pub tls_failures: Count,
    /// Connections of proxies without the PROXY header that they have to begin with.
    pub proxy_failures: Count,
    /// Connection tasks that panicked; each ended only its own connection.
    pub panics: Count,
    /// Messages from clients.
    pub messages_received: Count,
    /// Bytes from clients, framing included.
    pub bytes_received: Count,
    /// Bytes to clients, framing included.
    pub bytes_sent: Count,
    /// Broadcasts that were accepted.
    pub broadcasts: Count,
    /// Publications that were accepted.
    pub publications: Count,
    /// Publications that were duplicates.
    pub duplicates: Count,
    /// Subscriptions that were started.
    pub subscribed: Count,
    /// Tokens that a connection logged in with, or refreshed.
    pub logins: Count,
    /// Times that the published key set was fetched again.
    pub key_set_fetches: Count,
    /// Those of them that failed.
    pub key_set_failures: Count,
    /// Subscriptions that ended because of a token: it expired, or no longer grants them.
    pub revoked: Count,
    /// Subscriptions that have ended.
    pub unsubscribed: Count,
    /// Subscriptions that resumed from a position and missed nothing.
    pub recovered: Count,
    /// Subscriptions that could not resume from the position they asked for.
    pub not_recovered: Count,
    /// Broadcasts, publications and other events of channels that were handed to a socket, counted once
    /// per reader.
    pub deliveries: Count,
    /// Those of them that were read from the history.
    pub caught_up: Count,
    /// Gap events: for readers that were too slow, or whose channel started a new epoch.
    pub gaps: Count,
    /// Broadcasts and publications that those readers missed.
    pub missed: Count,
    /// Times that a full socket left the fan-out's round.
    pub blocked: Count,
    /// Times that a publisher had to wait for room.
    pub held: Count,
    /// Pings that were sent.
    pub pings: Count,
    refused: [Count; Refusal::ALL.len()],
    requests: [Count; ActionName::ALL.len()],
    errors: [Count; ErrorCode::ALL.len()],
    closed: [Count; CloseCode::ALL.len()],
}

impl Counters {
    /// Requests for this action.
    pub fn requests(&self, action: ActionName) -> &Count {
        &self.requests[action as usize]
    }

    /// Handshakes that were refused for this reason.
    pub fn refused(&self, refusal: Refusal) -> &Count {
        &self.refused[refusal as usize]
    }

    /// Errors of this code that were answered.
    pub fn errors(&self, code: ErrorCode) -> &Count {
        // `Unknown` is never sent; it comes after all the others.
        &self.errors[(code as usize).min(ErrorCode::ALL.len() - 1)]
    }

    /// Connections that the server closed with this code.
    pub fn closed(&self, code: CloseCode) -> &Count {
        let at = CloseCode::ALL.binary_search(&code).unwrap_or_default();
        &self.closed[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_count() {
        let counters = Counters::default();
        ErrorCode::ALL.iter().for_each(|code| counters.errors(*code).add(1));
        CloseCode::ALL.iter().for_each(|code| counters.closed(*code).add(1));
        assert!(ErrorCode::ALL.iter().all(|code| counters.errors(*code).get() == 1));
        assert!(CloseCode::ALL.iter().all(|code| counters.closed(*code).get() == 1));
    }
}
