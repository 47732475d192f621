//! Ends runs that have no task any more: those that a server left open when it died, and those whose `started` turned out to
//! be stored after its asker was told that nobody knows.

use std::sync::Arc;

use tokio::time::Instant;
use ws_core::{AskerKey, HeldStream, Hub};
use ws_proto::claude::RunStatus;
use ws_proto::{ErrorBody, ErrorCode};

use crate::lookup::{self, Said};
use crate::open::OpenRun;
use crate::publish::{Backoff, sender};
use crate::run::{Outcome, Run};

/// Whose runs those are that were adopted: nobody's here.
pub(crate) fn nobody() -> AskerKey {
    AskerKey::Connection(uuid::Uuid::nil())
}

/// Ends a run as `interrupted`, with the text that is stored; or as it had ended, where only that could not be told. A run
/// that is known not to have begun leaves nothing. Tries for as long as it takes.
pub(crate) async fn end(hub: &Hub, open: &Arc<OpenRun>, held: HeldStream) -> Option<RunStatus> {
    let mut backoff = Backoff::default();
    let (said, stream_epoch) = loop {
        match look(hub, open).await {
            Ok(Some(found)) => break found,
            Ok(None) => return None,
            Err(error) if is_repeated(error.code) => backoff.wait().await,
            Err(error) => {
                tracing::error!(run = %open.id(), channel = %open.channel(), %error, "claude: a run cannot be ended");
                return None;
            }
        }
    };
    let outcome = match said.finished {
        Some(finished) => Outcome::known(finished, said.text),
        None => Outcome::interrupted(said.text),
    };
    let status = outcome.status;
    let from = Arc::new(sender(open.user()));
    let run = Run { hub: hub.clone(), open: open.clone(), stream_epoch, held, from, begun: Instant::now() };
    run.finish(outcome).await;
    Some(status)
}

/// Whether it is looked again after this. A stream may have become another one between two of its pages.
fn is_repeated(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::EngineUnavailable | ErrorCode::Overloaded | ErrorCode::StalePosition)
}

/// What the run has said, and the epoch of its stream; `None`: it never began, or nobody is left to be told of its end.
async fn look(hub: &Hub, open: &OpenRun) -> Result<Option<(Said, String)>, ErrorBody> {
    let started = lookup::started(hub, open.channel(), open.id()).await?;
    let mut said = lookup::said(hub, open.stream()).await?;
    let is_kept = hub.channel_options(open.channel())?.has_history();
    match started {
        Some((started, _)) => {
            // What the channel says stands, also where the stream is gone or was not told any more.
            if let Some(finished) = lookup::finished(hub, open.channel(), &started).await? {
                said.text = finished.text.clone().unwrap_or_default().into_owned();
                said.finished = Some(finished);
            }
            Ok(Some((said, started.stream_epoch.into_owned())))
        }
        // Nobody can tell of a channel without history whether it was told of a beginning, or of an end that the stream has:
        // whoever was told of a beginning is told of an end, rather twice than never.
        None if !is_kept || said.has_begun || open.has_begun() => {
            let epoch = said.epoch.clone();
            Ok(Some((said, epoch)))
        }
        None => Ok(None),
    }
}
