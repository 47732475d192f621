//! Which runs are open, kept where the engine outlives the server: what a server leaves behind when it dies.
//!
//! Among several servers each keeps its own under a name with its node, and the names are in a list.

use parking_lot::Mutex;
use serde_json::value::RawValue;
use uuid::Uuid;
use ws_core::Hub;
use ws_proto::ErrorBody;
use ws_proto::action::Ack;
use ws_proto::publication::HistoryEntry;

use crate::noted::Noted;
use crate::open::OpenRuns;
use crate::pieces::raw;

/// The name under which it is kept.
const NAME: &str = "claude-runs";

/// The list of the nodes that have kept theirs.
const NODES: &str = "claude-nodes";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// So that what is stored last is what was true last.
    order: Mutex<()>,
    /// Runs that were left open, and cannot be ended under this configuration. Another one may.
    stuck: Mutex<Vec<Noted>>,
    /// The node that was put into the list.
    listed: Mutex<Option<Uuid>>,
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
        let node = hub.node();
        if node.is_none() && hub.engine().ack() != Ack::Durable {
            return Ok(());
        }
        self.enlist(hub, node).await?;
        let keeping = {
            let _order = self.order.lock();
            let mut noted = self.stuck.lock().clone();
            noted.extend(open.all().iter().map(|run| run.noted()));
            hub.keep(&name(node), &raw(&noted))
        };
        keeping.await
    }

    async fn enlist(&self, hub: &Hub, node: Option<Uuid>) -> Result<(), ErrorBody> {
        let Some(own) = node.filter(|_| *self.listed.lock() != node) else { return Ok(()) };
        hub.enlist(NODES, &own.to_string()).await?;
        *self.listed.lock() = node;
        Ok(())
    }

    /// What was kept may be lost: next time this node is put into the list again.
    pub(crate) fn may_be_lost(&self) {
        *self.listed.lock() = None;
    }
}

/// The nodes that have kept their runs, and are not alive.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn dead(hub: &Hub, living: &[Uuid]) -> Result<Vec<Uuid>, ErrorBody> {
    let listed = hub.listed(NODES).await?;
    let nodes = listed.iter().filter_map(|name| Uuid::try_parse(name).ok());
    Ok(nodes.filter(|node| !living.contains(node)).collect())
}

/// The runs that a node, or a server before this one, has left open.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn left_open(hub: &Hub, node: Option<Uuid>) -> Result<Vec<Noted>, ErrorBody> {
    if node.is_none() && hub.engine().ack() != Ack::Durable {
        return Ok(Vec::new());
    }
    let Some(kept) = hub.kept(&name(node)).await? else { return Ok(Vec::new()) };
    let noted = serde_json::from_str::<HistoryEntry<'_, &RawValue>>(kept.entry.get())
        .and_then(|entry| serde_json::from_str(entry.data.get()));
    Ok(noted.unwrap_or_else(|error| {
        tracing::error!(%error, "which runs of Claude were open cannot be read; they stay without an end");
        Vec::new()
    }))
}

/// Keeps nothing of a dead node any more.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn forget(hub: &Hub, node: Uuid) -> Result<(), ErrorBody> {
    hub.forget(&name(Some(node))).await
}

fn name(node: Option<Uuid>) -> String {
    node.map_or_else(|| NAME.to_owned(), |node| format!("{NAME}:{node}"))
}
