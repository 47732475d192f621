//! What the engine counts, once a round trip or less often.

use tokio::time::Instant;
use ws_core::engine::{ClusterStats, RoundTrip};
use ws_core::{Count, Histogram};

/// Counts since the start; see [`ClusterStats`].
#[derive(Debug, Default)]
pub(crate) struct Stats {
    round_trip_us: [Histogram; RoundTrip::ALL.len()],
    pub(crate) written: Count,
    pub(crate) resubscriptions: Count,
    pub(crate) skips: Count,
    pub(crate) generations: Count,
    dials: Count,
    dial_failures: Count,
    pub(crate) lapses: Count,
}

impl Stats {
    /// What was sent at this moment has been answered.
    pub(crate) fn answered(&self, kind: RoundTrip, sent: Instant) {
        let us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.round_trip_us[kind as usize].record(us);
    }

    /// Connections were made, or could not be made.
    pub(crate) fn dialled<T, E>(&self, result: Result<T, E>) -> Result<T, E> {
        let count = if result.is_ok() { &self.dials } else { &self.dial_failures };
        count.add(1);
        result
    }

    /// The counts, without what there is at the moment.
    pub(crate) fn counts(&self) -> ClusterStats {
        ClusterStats {
            written: self.written.get(),
            round_trip_us: RoundTrip::ALL.map(|kind| self.round_trip_us[kind as usize].values()),
            resubscriptions: self.resubscriptions.get(),
            skips: self.skips.get(),
            generations: self.generations.get(),
            dials: self.dials.get(),
            dial_failures: self.dial_failures.get(),
            lapses: self.lapses.get(),
            ..ClusterStats::default()
        }
    }
}
