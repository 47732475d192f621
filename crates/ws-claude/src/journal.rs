//! Which runs are open, kept where the engine is durable: what a server leaves behind when it dies.

use parking_lot::Mutex;
use serde_json::value::RawValue;
use ws_core::Hub;
use ws_proto::ErrorBody;
use ws_proto::action::Ack;
use ws_proto::publication::HistoryEntry;

use crate::noted::Noted;
use crate::open::OpenRuns;
use crate::pieces::raw;

/// The name under which it is kept.
const NAME: &str = "claude-runs";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// So that what is stored last is what was true last.
    order: Mutex<()>,
    /// Runs that were left open, and cannot be ended under this configuration. Another one may.
    stuck: Mutex<Vec<Noted>>,
}

impl Journal {
    /// Keeps a run that was left open, and cannot be ended.
    pub(crate) fn keep(&self, noted: Noted) {
        self.stuck.lock().push(noted);
    }

    /// Keeps which runs are open now, if the engine outlives the server.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) async fn note(&self, hub: &Hub, open: &OpenRuns) -> Result<(), ErrorBody> {
        if hub.engine().ack() != Ack::Durable {
            return Ok(());
        }
        let keeping = {
            let _order = self.order.lock();
            let mut noted = self.stuck.lock().clone();
            noted.extend(open.all().iter().map(|run| run.noted()));
            hub.keep(NAME, &raw(&noted))
        };
        keeping.await
    }
}

/// The runs that a server before this one has left open.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn left_open(hub: &Hub) -> Result<Vec<Noted>, ErrorBody> {
    if hub.engine().ack() != Ack::Durable {
        return Ok(Vec::new());
    }
    let Some(kept) = hub.kept(NAME).await? else { return Ok(Vec::new()) };
    let noted = serde_json::from_str::<HistoryEntry<'_, &RawValue>>(kept.entry.get())
        .and_then(|entry| serde_json::from_str(entry.data.get()));
    Ok(noted.unwrap_or_else(|error| {
        tracing::error!(%error, "which runs of Claude were open cannot be read; they stay without an end");
        Vec::new()
    }))
}
