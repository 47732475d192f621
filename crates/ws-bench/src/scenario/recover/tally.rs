//! What the clients of one lane count together.

use std::collections::HashMap;

use ws_proto::Position;

use crate::channel::PublicationShape;
use crate::measure::{Complaints, Latencies};

use super::catch_up::CatchUp;

/// Counters and results of the clients.
#[derive(Debug)]
pub(super) struct Tally {
    /// By client.
    pub(super) positions: HashMap<usize, Position<'static>>,
    pub(super) left: u64,
    pub(super) errors: Complaints,
    pub(super) ended: Complaints,
    /// One for each client that has reconnected.
    pub(super) returned: Vec<CatchUp>,
    pub(super) delivered: u64,
    /// Clients that have caught up, or never will.
    pub(super) done: u64,
    pub(super) latencies: Latencies,
    pub(super) last_caught_up_ns: u64,
    pub(super) shape: PublicationShape,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            positions: HashMap::new(),
            left: 0,
            errors: Complaints::default(),
            ended: Complaints::default(),
            returned: Vec::new(),
            delivered: 0,
            done: 0,
            latencies: Latencies::new(),
            last_caught_up_ns: 0,
            shape: PublicationShape::default(),
        }
    }
}
