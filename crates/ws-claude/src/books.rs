//! The books of a server: its open runs, what it keeps of them, and what it counts.

use std::sync::Arc;

use tokio::sync::Mutex;
use ws_core::{HeldStream, Hub, RunCounts};

use crate::journal::Journal;
use crate::open::{OpenRun, OpenRuns};
use crate::publish::Backoff;
use crate::recovery;

/// See the module.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) hub: Hub,
    pub(crate) open: OpenRuns,
    pub(crate) journal: Journal,
    pub(crate) counts: RunCounts,
    /// Runs of dead servers are taken over one after the other.
    pub(crate) taking_over: Mutex<()>,
}

impl Books {
    pub(crate) fn new(hub: Hub, counts: RunCounts) -> Self {
        let (open, journal) = (OpenRuns::default(), Journal::default());
        Books { hub, open, journal, counts, taking_over: Mutex::default() }
    }

    /// The run is over.
    pub(crate) async fn close(self: &Arc<Self>, open: &Arc<OpenRun>) {
        self.open.close(open);
        self.note().await;
    }

    /// Keeps which runs are open now, or later where that fails. Meanwhile a note that is too old is found to be so by what
    /// the runs have published, as long as that is retained.
    pub(crate) async fn note(self: &Arc<Self>) {
        if let Err(error) = self.journal.note(&self.hub, &self.open).await {
            tracing::debug!(%error, "claude: which runs are open cannot be kept");
            self.keep_again();
        }
    }

    /// Keeps which runs are open, for as long as it takes: what is not kept has no end if this server dies, and what is kept
    /// for too long may get another one.
    pub(crate) fn keep_again(self: &Arc<Self>) {
        let books = self.clone();
        tokio::spawn(async move {
            while books.journal.is_behind() && books.journal.begin_repeating() {
                let mut backoff = Backoff::default();
                while let Err(error) = books.journal.note(&books.hub, &books.open).await {
                    tracing::debug!(%error, "claude: which runs are open is kept later");
                    backoff.wait().await;
                }
                books.journal.end_repeating();
            }
        });
    }

    /// Ends a run that nobody runs: it is over when that is published.
    pub(crate) async fn end(self: &Arc<Self>, open: Arc<OpenRun>, held: HeldStream) {
        if let Some(status) = recovery::end(&self.hub, &open, held).await {
            self.counts.ended(status).add(1);
        }
        self.close(&open).await;
    }
}
