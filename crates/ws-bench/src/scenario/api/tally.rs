//! What the connections of a run count.

use crate::measure::{Complaints, Latencies};

/// What the connections of one lane count together.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) latencies: Latencies,
    pub(super) deliveries: u64,
    /// Deliveries since the subscribers joined, warm-up included.
    pub(super) delivered: u64,
    pub(super) accepted: u64,
    pub(super) connections: u64,
    pub(super) unanswered: u64,
    pub(super) open: u64,
    pub(super) stopping: bool,
    pub(super) ended: Complaints,
    pub(super) errors: Complaints,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            latencies: Latencies::new(),
            deliveries: 0,
            delivered: 0,
            accepted: 0,
            connections: 0,
            unanswered: 0,
            open: 0,
            stopping: false,
            ended: Complaints::default(),
            errors: Complaints::default(),
        }
    }

    pub(super) fn begin(&mut self) {
        self.latencies.reset();
        self.deliveries = 0;
    }
}
