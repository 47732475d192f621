//! The state of the fan-out task of one shard.

use std::sync::Arc;

use ws_proto::CloseCode;

use super::arena::Id;
use super::history_page::HistoryPage;
use super::portion::Visit;
use super::queries::Queries;
use super::readers::{Reader, Readers};
use super::window::Window;
use crate::drain::DrainPlan;
use crate::histogram::Tally;
use crate::state::Shared;

/// The task of one shard, with everything that it alone owns.
#[derive(Debug)]
pub(crate) struct Fanout {
    pub(super) shared: Arc<Shared>,
    pub(super) shard: usize,
    pub(super) all: Readers,
    /// Large channels, for readers that keep up.
    pub(super) live: Window,
    /// Small channels, and lagging readers, so that they do not displace what the others need.
    pub(super) lagging: Window,
    /// The current page, for readers that read the history.
    pub(super) page: HistoryPage,
    /// Queries to the engine, for readers that catch up.
    pub(super) queries: Queries,
    /// Readers whose query the engine could not answer; they ask again at the next sweep.
    pub(super) failed: Vec<Id<Reader>>,
    pub(super) visit: Visit,
    pub(super) drain: Option<Arc<DrainPlan>>,
    /// Some member may not have been notified of the drain yet.
    pub(super) drain_unannounced: bool,
    pub(super) closing: Option<CloseCode>,
    pub(super) counts_sent_ms: u64,
    /// When the last sweep ran.
    pub(super) swept_ms: u64,
    /// The last sweep found that the process had stalled. Never true for two sweeps in a row.
    pub(super) has_stalled: bool,
    /// When a sweep last found a stall.
    pub(super) stalled_ms: u64,
}

/// What happens between two yields.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) now_ms: u64,
    pub(super) writes: usize,
    pub(super) skips: usize,
    pub(super) deliveries: u64,
    pub(super) caught_up: u64,
    pub(super) bytes: u64,
    pub(super) gaps: u64,
    pub(super) missed: u64,
    pub(super) blocked: u64,
    pub(super) write_frames: Tally,
    pub(super) cursor_lag: Tally,
}

impl Fanout {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize) -> Self {
        Fanout {
            shared,
            shard,
            all: Readers::default(),
            live: Window::default(),
            lagging: Window::default(),
            page: HistoryPage::default(),
            queries: Queries::default(),
            failed: Vec::new(),
            visit: Visit::default(),
            drain: None,
            drain_unannounced: false,
            closing: None,
            counts_sent_ms: 0,
            swept_ms: 0,
            has_stalled: false,
            stalled_ms: 0,
        }
    }
}
