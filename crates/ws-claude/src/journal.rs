//! Which runs are open, kept where the engine outlives the server: what a server leaves behind when it dies.
//!
//! Among several servers each keeps its own under a name with its node, and the names are in a list.

use std::collections::HashSet;

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;
use ws_core::Hub;
use ws_proto::ErrorBody;
use ws_proto::action::Ack;
use ws_proto::publication::HistoryEntry;

use crate::limits::{OTHERS_BACK_WITHIN, PUT_RIGHT_WITHIN};
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
    /// When the store may have lost what is kept.
    lost_at: Mutex<Option<Instant>>,
    /// The dead that have left nothing.
    settled: Mutex<HashSet<Uuid>>,
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

    /// What was kept may be lost: next time this node is put into the list again. Whether it was there.
    pub(crate) fn may_be_lost(&self) -> bool {
        *self.lost_at.lock() = Some(Instant::now());
        self.listed.lock().take().is_some()
    }

    /// Waits until the other servers are likely to have come back to a store that may have lost something.
    pub(crate) async fn others_are_back(&self) {
        let lost_at = *self.lost_at.lock();
        if let Some(at) = lost_at {
            sleep_until(at + OTHERS_BACK_WITHIN).await;
        }
    }

    /// Whether the store may have lost something so lately that not all servers have put it right.
    pub(crate) fn was_lost_lately(&self) -> bool {
        self.lost_at.lock().is_some_and(|at| at.elapsed() < PUT_RIGHT_WITHIN)
    }

    /// The nodes that have kept their runs, and are not alive. Where the list has forgotten this node for others, it is
    /// put there again.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) async fn dead(&self, hub: &Hub, living: &[Uuid]) -> Result<Vec<Uuid>, ErrorBody> {
        let nodes: Vec<_> = hub.listed(NODES).await?.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect();
        let own = *self.listed.lock();
        if own.is_some_and(|own| !nodes.contains(&own)) {
            *self.listed.lock() = None;
            self.enlist(hub, hub.node()).await?;
        }
        let settled = self.settled.lock();
        Ok(nodes.into_iter().filter(|node| !living.contains(node) && !settled.contains(node)).collect())
    }

    /// Keeps nothing of a dead node any more.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) async fn forget(&self, hub: &Hub, node: Uuid) -> Result<(), ErrorBody> {
        hub.forget(&name(Some(node))).await?;
        self.settle(node);
        Ok(())
    }

    /// A dead node has left nothing, and need not be asked about again.
    pub(crate) fn settle(&self, node: Uuid) {
        self.settled.lock().insert(node);
    }
}

/// The runs that a node, or a server before this one, has left open; `None`: it has kept nothing.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn left_open(hub: &Hub, node: Option<Uuid>) -> Result<Option<Vec<Noted>>, ErrorBody> {
    if node.is_none() && hub.engine().ack() != Ack::Durable {
        return Ok(None);
    }
    let Some(kept) = hub.kept(&name(node)).await? else { return Ok(None) };
    let noted = serde_json::from_str::<HistoryEntry<'_, &RawValue>>(kept.entry.get())
        .and_then(|entry| serde_json::from_str(entry.data.get()));
    Ok(Some(noted.unwrap_or_else(|error| {
        tracing::error!(%error, "which runs of Claude were open cannot be read; they stay without an end");
        Vec::new()
    })))
}

fn name(node: Option<Uuid>) -> String {
    node.map_or_else(|| NAME.to_owned(), |node| format!("{NAME}:{node}"))
}
