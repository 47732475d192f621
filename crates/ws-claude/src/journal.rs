//! Which runs are open, kept where the engine outlives the server: what a server leaves behind when it dies.
//!
//! Among several servers each keeps its own under a name with its node, and the names are in a list.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;
use ws_core::Hub;
use ws_proto::ErrorBody;
use ws_proto::action::Ack;
use ws_proto::publication::HistoryEntry;

use crate::latest::Latest;
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
    notes: Latest,
    /// Whether somebody keeps it again and again until it is stored.
    is_repeated: AtomicBool,
    /// Runs that were left open, and cannot be ended under this configuration. Another one may.
    stuck: Mutex<Vec<Noted>>,
    listed: Mutex<Listed>,
    /// When the store may have lost what is kept.
    lost_at: Mutex<Option<Instant>>,
    /// The dead that have left nothing.
    settled: Mutex<HashMap<Uuid, Settled>>,
}

/// The node that was put into the list, and how often the store may have lost the list.
#[derive(Debug, Default)]
struct Listed {
    node: Option<Uuid>,
    losses: u64,
}

/// A node that was not alive and had left nothing.
#[derive(Debug)]
struct Settled {
    since: Instant,
    /// That was so again, so much later that a node which lives would have renewed its lease.
    is_final: bool,
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
        if hub.node().is_none() && hub.engine().ack() != Ack::Durable {
            return Ok(());
        }
        // A note has all runs, and what they are asked where that is not published yet: many that begin together are not to
        // be written as often as there are.
        let store = async {
            let node = hub.node();
            if let Some(own) = node.filter(|_| self.listed.lock().node != node) {
                self.enlist(hub, own).await?;
            }
            let mut noted = self.stuck.lock().clone();
            noted.extend(open.all().iter().map(|run| run.noted()));
            hub.keep(&name(node), &raw(&noted)).await
        };
        self.notes.changed(store).await
    }

    /// Whether what is stored may be too old.
    pub(crate) fn is_behind(&self) -> bool {
        self.notes.is_behind()
    }

    /// Whether it is up to the caller to keep it until that succeeds; it is up to one at a time.
    pub(crate) fn begin_repeating(&self) -> bool {
        !self.is_repeated.swap(true, Ordering::AcqRel)
    }

    /// It has succeeded.
    pub(crate) fn end_repeating(&self) {
        self.is_repeated.store(false, Ordering::Release);
    }

    async fn enlist(&self, hub: &Hub, own: Uuid) -> Result<(), ErrorBody> {
        let losses = self.listed.lock().losses;
        hub.enlist(NODES, &own.to_string()).await?;
        let mut listed = self.listed.lock();
        if listed.losses == losses {
            listed.node = Some(own);
        }
        Ok(())
    }

    /// What was kept may be lost: next time it is kept as a whole.
    pub(crate) fn may_be_lost(&self) {
        *self.lost_at.lock() = Some(Instant::now());
        {
            let mut listed = self.listed.lock();
            *listed = Listed { node: None, losses: listed.losses + 1 };
        }
        self.notes.may_be_lost();
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

    /// The nodes that have kept their runs. Where the list has forgotten this node for others, it is put there again.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) async fn nodes(&self, hub: &Hub) -> Result<Vec<Uuid>, ErrorBody> {
        let nodes: Vec<_> = hub.listed(NODES).await?.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect();
        let listed = self.listed.lock().node;
        if let Some(own) = hub.node().filter(|own| listed == Some(*own) && !nodes.contains(own)) {
            self.enlist(hub, own).await?;
        }
        Ok(nodes)
    }

    /// Those of the nodes that are not alive and may have left something. A store that has lost leases takes nodes for dead
    /// that will renew theirs, so a node that had left nothing is asked about twice.
    pub(crate) fn dead(&self, nodes: Vec<Uuid>, living: &[Uuid]) -> Vec<Uuid> {
        let mut settled = self.settled.lock();
        settled.retain(|node, _| !living.contains(node));
        let is_final = |node: &Uuid| settled.get(node).is_some_and(|settled| settled.is_final);
        nodes.into_iter().filter(|node| !living.contains(node) && !is_final(node)).collect()
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

    /// A dead node has left nothing.
    pub(crate) fn settle(&self, node: Uuid) {
        let mut settled = self.settled.lock();
        let settled = settled.entry(node).or_insert_with(|| Settled { since: Instant::now(), is_final: false });
        settled.is_final = settled.since.elapsed() >= PUT_RIGHT_WITHIN;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_was_taken_for_dead_can_die_later() {
        let (journal, node) = (Journal::default(), Uuid::from_u128(1));
        assert_eq!(journal.dead(vec![node], &[]), [node]);
        journal.settle(node);
        advance(2 * PUT_RIGHT_WITHIN).await;
        assert!(journal.dead(vec![node], &[node]).is_empty(), "it lives");
        assert_eq!(journal.dead(vec![node], &[]), [node]);
        journal.settle(node);
        advance(2 * PUT_RIGHT_WITHIN).await;
        assert_eq!(journal.dead(vec![node], &[]), [node], "it may have lived, unseen");
        journal.settle(node);
        assert!(journal.dead(vec![node], &[]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_dead_are_asked_about_for_a_while() {
        let (journal, node) = (Journal::default(), Uuid::from_u128(1));
        journal.settle(node);
        advance(PUT_RIGHT_WITHIN - Duration::from_secs(1)).await;
        journal.settle(node);
        assert_eq!(journal.dead(vec![node], &[]), [node]);
    }
}
