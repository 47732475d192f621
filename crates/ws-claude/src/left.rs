//! Runs that another server has left open: one of the living takes them over, and ends them.
//!
//! The dead are found by the list of those that have kept their runs, so it does not matter whether their end was noticed
//! by this server, by one that has died since, or by nobody. A run is ended by whoever has its id in the cluster.

use std::sync::Arc;

use uuid::Uuid;
use ws_core::HeldStream;
use ws_proto::{ErrorBody, ErrorCode};

use crate::books::Books;
use crate::journal;
use crate::noted::Noted;
use crate::open::{NewRun, OpenRun};
use crate::publish::Backoff;
use crate::{places, recovery};

/// Takes over the runs of all servers that are dead, if that is up to this one: of those alive, the one with the lowest id
/// does it. Tries for as long as it takes.
pub(crate) async fn take_over(books: Arc<Books>) {
    let _turn = books.taking_over.lock().await;
    let mut backoff = Backoff::default();
    while let Err(error) = try_to_take_over(&books).await {
        tracing::debug!(%error, "claude: the runs of servers that have ended are taken over later");
        backoff.wait().await;
    }
}

async fn try_to_take_over(books: &Arc<Books>) -> Result<(), ErrorBody> {
    let Some(own) = books.hub.node() else { return Ok(()) };
    let nodes = books.journal.nodes(&books.hub).await?;
    // Asked for in this order: who is in the list has been alive by now.
    let living = books.hub.nodes().await?;
    let dead = books.journal.dead(nodes, &living);
    if living.iter().min() != Some(&own) {
        return Ok(());
    }
    for node in dead {
        take_over_from(books, own, node).await?;
    }
    Ok(())
}

async fn take_over_from(books: &Arc<Books>, own: Uuid, node: Uuid) -> Result<(), ErrorBody> {
    let later = |message| Err(ErrorBody::new(ErrorCode::Overloaded, message));
    let Some(left) = journal::left_open(&books.hub, Some(node)).await? else {
        books.journal.settle(node);
        return Ok(());
    };
    let has_left = !left.is_empty();
    for noted in left {
        if let Err(run) = adopt(books, noted)
            && !(run.is_adopted() || run.has_begun())
        {
            return later("a run of the same id is just beginning here");
        }
    }
    // So that they are not lost should this server die too.
    if has_left {
        books.journal.note(&books.hub, &books.open).await?;
    }
    if books.hub.node() != Some(own) {
        return later("this server was taken for dead itself");
    }
    // After a store has lost its leases, a node is taken for dead until it renews its own, and goes on under its id.
    if books.hub.nodes().await?.contains(&node) {
        return Ok(());
    }
    books.journal.forget(&books.hub, node).await
}

/// Takes over a run, to end it.
///
/// # Errors
/// The run of its id that is open here.
pub(crate) fn adopt(books: &Arc<Books>, noted: Noted) -> Result<(), Arc<OpenRun>> {
    let left = noted.clone();
    let new = NewRun {
        channel: left.channel,
        id: left.run_id,
        key: recovery::nobody(),
        user: left.user,
        digest: String::new(),
        model: left.model,
        started_at: left.started_at,
    };
    let open = books.open.adopt(new, &noted)?;
    let held = match books.hub.hold_stream(open.stream()) {
        Ok(held) => held,
        Err(error) => {
            tracing::warn!(run = %open.id(), channel = %open.channel(), %error, "claude: a run that was left open cannot be ended");
            books.journal.keep(noted);
            books.open.close(&open);
            return Ok(());
        }
    };
    if books.hub.node().is_none() {
        // Nobody else can have its id.
        open.hold(Vec::new());
    }
    let books = books.clone();
    tokio::spawn(async move {
        let lost = open.clone();
        tokio::select! {
            biased;
            () = lost.lost() => books.close(&lost).await,
            () = end(&books, open, held) => {}
        }
    });
    Ok(())
}

async fn end(books: &Arc<Books>, open: Arc<OpenRun>, held: HeldStream) {
    let mut backoff = Backoff::default();
    let id = loop {
        match places::id(&books.hub, &open).await {
            Ok(Some(id)) => break id,
            // A server that is alive has it: then it ends there, or with that server.
            Ok(None) | Err(_) => backoff.wait().await,
        }
    };
    open.hold(vec![id]);
    tracing::info!(run = %open.id(), channel = %open.channel(), "claude: ending a run that was left open");
    books.end(open, held).await;
}
