//! The broadcasts of all nodes: a channel of the engine that each node follows from its start.
//!
//! Its name is not valid, so no client can reach it, and it is not in the registry. What the engine delivers goes into
//! the log that every connection of the node reads, in the order of the offsets. What the engine skips is read from the
//! history, by a task ([`crate::hub`]); what is gone from there is told to all connections as a gap. Nothing comes twice:
//! whoever delivers does it under the lock, and only what is next.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::engine::{Epoch, HistoryQuery};
use crate::limits::{BROADCASTS_KEPT, BROADCASTS_PAGE_BYTES, BROADCASTS_TTL};
use crate::options::ChannelOptions;

/// The name of the channel. Not a valid one: those have no `*`.
pub(super) const BROADCASTS: &str = "*all";

/// See the module.
#[derive(Debug)]
pub(crate) struct Feed {
    options: ChannelOptions,
    pub(super) state: Mutex<FeedState>,
    wake: Notify,
    /// The position has become known.
    known: Notify,
}

#[derive(Debug, Default)]
pub(super) struct FeedState {
    /// The epoch, and the offset of the last broadcast that was delivered or told as gone; `None`: not known yet.
    pub(super) at: Option<(Epoch, u64)>,
    /// The newest offset that the engine has told of.
    pub(super) told: u64,
    /// What the stream has already may have been delivered in an earlier epoch.
    pub(super) is_unknown: bool,
}

/// What there is to ask the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The position.
    Position,
    /// What follows this offset.
    After(u64),
}

impl Feed {
    pub(super) fn new() -> Arc<Self> {
        let options = ChannelOptions::broadcasts_of_all(BROADCASTS_KEPT, BROADCASTS_TTL);
        Arc::new(Feed { options, state: Mutex::default(), wake: Notify::new(), known: Notify::new() })
    }

    pub(super) fn options(&self) -> &ChannelOptions {
        &self.options
    }

    /// What there is to ask now.
    pub(crate) fn wants(&self) -> Option<Asked> {
        let state = self.state.lock();
        match state.at {
            None => Some(Asked::Position),
            Some((_, at)) => (state.told > at).then_some(Asked::After(at)),
        }
    }

    /// Waits until there may be something to ask.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn query(&self, asked: Asked) -> HistoryQuery<'static> {
        let (after, limit) = match asked {
            Asked::Position => (0, 0),
            Asked::After(after) => (after, BROADCASTS_KEPT),
        };
        HistoryQuery {
            channel: BROADCASTS,
            retention: self.options.retention(),
            after,
            before: None,
            reverse: false,
            limit,
            bytes_max: BROADCASTS_PAGE_BYTES,
        }
    }

    /// The position is known: who waits for that goes on.
    pub(super) fn set_known(&self) {
        self.known.notify_waiters();
    }

    /// Waits until the position is known: from then on a broadcast that is missed is told as missed.
    pub(crate) async fn known(&self) {
        loop {
            let known = self.known.notified();
            if self.state.lock().at.is_some() {
                return;
            }
            known.await;
        }
    }

    /// The broadcasts up to this offset are stored, and have to be read.
    pub(super) fn skip(&self, to: u64) {
        let mut state = self.state.lock();
        state.told = state.told.max(to);
        // The gap is told already, and no broadcast may come twice: they have no offsets to tell them apart by.
        if std::mem::take(&mut state.is_unknown)
            && let Some((_, at)) = &mut state.at
        {
            *at = to.max(*at);
        }
        drop(state);
        self.wake.notify_one();
    }
}
