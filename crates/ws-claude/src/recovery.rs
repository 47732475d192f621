//! Ends runs that have no task any more: those that a server left open when it died, and those of whose `started` nobody
//! knew whether it was published.
//!
//! Among several servers, that a `started` is not found says nothing: followers may have been given it by a store that has
//! lost it since, or it may still be on its way. So it is published once more, under its id, and is there for certain.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::time::Instant;
use ws_core::{AskerKey, HeldStream, Hub};
use ws_proto::claude::RunStatus;
use ws_proto::{ErrorBody, ErrorCode};

use crate::lookup::{self, Said};
use crate::open::OpenRun;
use crate::publish::{Backoff, Publication, publish, sender, start_id};
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
        let done = match look(hub, open).await {
            Ok(Some(found)) => break found,
            Ok(None) => {
                let started = open.started()?;
                publish_started(hub, open, started).await
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {}
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

/// Makes a beginning certain: whichever copy of it comes second finds the id, and is not published.
async fn publish_started(hub: &Hub, open: &OpenRun, data: Arc<RawValue>) -> Result<(), ErrorBody> {
    let (channel, from) = (open.channel().clone(), Arc::new(sender(open.user())));
    let publication = Publication { channel, data, from, id: start_id(open.id()), is_last: false };
    publish(hub.clone(), publication).await?;
    open.set_left();
    Ok(())
}

/// Whether it is looked again after this. A stream may have become another one between two of its pages.
fn is_repeated(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::EngineUnavailable | ErrorCode::Overloaded | ErrorCode::StalePosition)
}

/// What the run has said, and the epoch of its stream; `None`: nothing says that it began.
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
