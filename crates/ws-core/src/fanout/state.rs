//! What the fan-out task of one shard owns.

use std::sync::Arc;

use ws_proto::CloseCode;

use super::arena::Id;
use super::history_page::HistoryPage;
use super::portion::Visit;
use super::questions::Questions;
use super::readers::{Reader, Readers};
use super::window::Window;
use crate::drain::DrainPlan;
use crate::hub::Shared;

/// The task of one shard, and all that it alone owns.
#[derive(Debug)]
pub(crate) struct Fanout {
    pub(super) shared: Arc<Shared>,
    pub(super) shard: usize,
    pub(super) all: Readers,
    /// Large channels, for readers that keep up.
    pub(super) live: Window,
    /// Small channels, and readers that are further behind, so that they do not displace what the others need.
    pub(super) late: Window,
    /// For readers that read the history.
    pub(super) page: HistoryPage,
    /// What the engine has been asked for readers that catch up.
    pub(super) questions: Questions,
    /// Readers whose question the engine could not answer: asked again with the next sweep.
    pub(super) failed: Vec<Id<Reader>>,
    pub(super) visit: Visit,
    pub(super) drain: Option<Arc<DrainPlan>>,
    /// Some member does not know of the drain.
    pub(super) untold: bool,
    pub(super) closing: Option<CloseCode>,
    pub(super) counts_paid_ms: u64,
    /// When the last sweep was.
    pub(super) swept_ms: u64,
    /// The last sweep came after the server had stood still.
    pub(super) has_stalled: bool,
    /// When that was the last time.
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
}

impl Fanout {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize) -> Self {
        Fanout {
            shared,
            shard,
            all: Readers::default(),
            live: Window::default(),
            late: Window::default(),
            page: HistoryPage::default(),
            questions: Questions::default(),
            failed: Vec::new(),
            visit: Visit::default(),
            drain: None,
            untold: false,
            closing: None,
            counts_paid_ms: 0,
            swept_ms: 0,
            has_stalled: false,
            stalled_ms: 0,
        }
    }
}
