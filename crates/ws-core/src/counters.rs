//! What the hub counts. Numbers only; the transport gives them names and a format.

use std::sync::atomic::{AtomicU64, Ordering};

use ws_proto::action::ActionName;
use ws_proto::{CloseCode, ErrorCode};

use crate::access::{Authentication, Refusal};
use crate::histogram::Histogram;
use crate::limits::SAMPLE_INTERVAL_US;

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

/// Lets one of many be timed, where reading the clock for each would cost too much: at most one in each
/// [`SAMPLE_INTERVAL_US`], so that a quiet server times them all.
#[derive(Debug, Default)]
pub(crate) struct Sampler(AtomicU64);

impl Sampler {
    /// Whether the one that came at `at_us` is to be timed.
    pub(crate) fn takes(&self, at_us: u64) -> bool {
        let takes = at_us >= self.0.load(Ordering::Relaxed);
        if takes {
            self.0.store(at_us + SAMPLE_INTERVAL_US, Ordering::Relaxed);
        }
        takes
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
    /// Questions that all other servers were asked.
    pub cluster_questions: Count,
    /// Those of them that somebody has not answered in time.
    pub cluster_timeouts: Count,
    /// Questions of other servers that were answered.
    pub cluster_answers: Count,
    /// Questions of other servers that were refused: there were too many, or this version does not know them.
    pub cluster_refusals: Count,
    /// Pings that were sent.
    pub pings: Count,
    /// From a publication's frame being read to the end of the round that offered it to all live readers of a shard, in
    /// microseconds. Per channel and shard one publication at a time is timed.
    pub frame_us: Histogram,
    /// Frames in each write of the fan-out.
    pub write_frames: Histogram,
    /// How many publications and other events a reader was behind when it was visited, or, while its socket is full, at
    /// each sweep.
    pub cursor_lag: Histogram,
    /// From a ping to its pong, in microseconds.
    pub heartbeat_us: Histogram,
    /// From giving a publication to the engine to its answer, in microseconds; a sample of them.
    pub engine_append_us: Histogram,
    /// From asking the engine for a position or a page to its answer, in microseconds.
    pub engine_history_us: Histogram,
    /// How late the runtime's timers fire, in microseconds.
    pub runtime_lag_us: Histogram,
    /// Which publications are timed in `engine_append_us`.
    pub(crate) appends: Sampler,
    authentications: [Count; Authentication::ALL.len()],
    request_us: [Histogram; ActionName::ALL.len()],
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

    /// How long requests for this action took, from being read until their answer was queued, in microseconds.
    pub fn request_us(&self, action: ActionName) -> &Histogram {
        &self.request_us[action as usize]
    }

    /// Logins that ended like this.
    pub fn authentications(&self, result: Authentication) -> &Count {
        &self.authentications[result as usize]
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
    fn one_of_many_is_sampled() {
        let sampler = Sampler::default();
        let taken: Vec<_> = [0, 0, 99, 100, 150, 199, 200, 900, 999, 1000].map(|at_us| sampler.takes(at_us)).into();
        assert_eq!(taken, [true, false, false, true, false, false, true, true, false, true]);
    }

    #[test]
    fn every_code_has_its_own_count() {
        let counters = Counters::default();
        ErrorCode::ALL.iter().for_each(|code| counters.errors(*code).add(1));
        CloseCode::ALL.iter().for_each(|code| counters.closed(*code).add(1));
        assert!(ErrorCode::ALL.iter().all(|code| counters.errors(*code).get() == 1));
        assert!(CloseCode::ALL.iter().all(|code| counters.closed(*code).get() == 1));
    }
}
