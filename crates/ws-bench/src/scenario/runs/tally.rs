//! What the connections of a run count.

use crate::measure::{Complaints, Latencies};

/// What the connections of one lane count together.
#[derive(Debug)]
pub(super) struct Tally {
    /// Of each token, from its writing by the provider to the frame.
    pub(super) latencies: Latencies,
    pub(super) fragments: u64,
    /// Tokens in the fragments, warm-up included.
    pub(super) tokens: u64,
    pub(super) subscribed: u64,
    pub(super) asked: u64,
    /// Subscribers that have seen the end of their run.
    pub(super) finished: u64,
    pub(super) errors: Complaints,
    pub(super) holes: Complaints,
    pub(super) ended: Complaints,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            latencies: Latencies::new(),
            fragments: 0,
            tokens: 0,
            subscribed: 0,
            asked: 0,
            finished: 0,
            errors: Complaints::default(),
            holes: Complaints::default(),
            ended: Complaints::default(),
        }
    }

    pub(super) fn begin(&mut self) {
        self.latencies.reset();
        self.fragments = 0;
    }
}
