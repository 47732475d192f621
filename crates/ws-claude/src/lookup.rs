//! Runs that are over, as far as their publications are retained.

use serde_json::value::RawValue;
use ws_core::{Hub, Stored};
use ws_proto::ErrorBody;
use ws_proto::ErrorCode;
use ws_proto::action::{AskClaudeData, GetHistory};
use ws_proto::claude::{CLAUDE_SERVICE, Finished, RunEvent, RunStatus, Started};
use ws_proto::publication::HistoryEntry;

use crate::limits::PAGE;
use crate::publish::{end_id, start_id};

/// The retained `started` of a run, and where it is.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn started(
    hub: &Hub,
    channel: &str,
    run_id: &str,
) -> Result<Option<(Started<'static>, Stored)>, ErrorBody> {
    let Some(stored) = hub.find(channel, &start_id(run_id)).await? else { return Ok(None) };
    match event(&stored.entry) {
        Some(RunEvent::Started(started)) => Ok(Some((started, stored))),
        _ => Err(ErrorBody::new(ErrorCode::Internal, "the beginning of the run cannot be read")),
    }
}

/// What `ask_claude` is answered for a run whose `started` is retained.
pub(crate) fn data(channel: &str, started: &Started<'_>, stored: &Stored) -> AskClaudeData<'static> {
    AskClaudeData {
        run_id: started.run_id.clone().into_owned().into(),
        channel: channel.to_owned().into(),
        epoch: Some(stored.epoch.clone().into()),
        offset: Some(stored.offset),
        stream: started.stream.clone().into_owned().into(),
        stream_epoch: started.stream_epoch.clone().into_owned().into(),
    }
}

/// How a run ended, as its channel says.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn finished(
    hub: &Hub,
    channel: &str,
    started: &Started<'_>,
) -> Result<Option<Finished<'static>>, ErrorBody> {
    let found = hub.find(channel, &end_id(&started.run_id, &started.stream_epoch)).await?;
    Ok(match found.and_then(|stored| event(&stored.entry)) {
        Some(RunEvent::Finished(finished)) => Some(finished),
        _ => None,
    })
}

/// How a run ended, if anything retained says so.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn status(hub: &Hub, channel: &str, run_id: &str) -> Result<Option<RunStatus>, ErrorBody> {
    if let Some((started, _)) = started(hub, channel, run_id).await?
        && let Some(finished) = finished(hub, channel, &started).await?
    {
        return Ok(Some(finished.status));
    }
    let stream = format!("{}:{channel}/{run_id}", ws_proto::CLAUDE_NAMESPACE);
    let query = GetHistory { channel: stream.into(), limit: Some(1), reverse: Some(true), ..GetHistory::default() };
    let page = hub.history(&query).await?;
    match page.publications.first().and_then(|entry| event(entry)) {
        Some(RunEvent::Finished(finished)) => Ok(Some(finished.status)),
        _ => Ok(None),
    }
}

/// What a stream says.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Whether there is anything in it.
    pub(crate) has_begun: bool,
    /// All of the text.
    pub(crate) text: String,
    /// Its end, if it has one.
    pub(crate) finished: Option<Finished<'static>>,
    /// Its epoch.
    pub(crate) epoch: String,
}

/// Reads a whole stream.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn said(hub: &Hub, stream: &str) -> Result<Said, ErrorBody> {
    let (mut said, mut after) = (Said::default(), None);
    loop {
        let query =
            GetHistory { channel: stream.into(), limit: Some(PAGE), since: after.take(), ..GetHistory::default() };
        let page = hub.history(&query).await?;
        for entry in &page.publications {
            let event = event(entry);
            said.has_begun |= event.is_some();
            match event {
                Some(RunEvent::Text(piece)) => said.text.push_str(&piece.text),
                Some(RunEvent::Finished(finished)) => said.finished = Some(finished),
                _ => {}
            }
        }
        said.epoch = page.epoch.clone().into_owned();
        let last = page.publications.last().and_then(|entry| crate::context::offset(entry));
        match last.filter(|_| page.more) {
            Some(offset) => after = Some(ws_proto::Position { epoch: said.epoch.clone().into(), offset }),
            None => return Ok(said),
        }
    }
}

/// What a run has published, from an entry of a history.
fn event(entry: &RawValue) -> Option<RunEvent<'static>> {
    let entry = serde_json::from_str::<HistoryEntry<'_, &RawValue>>(entry.get()).ok()?;
    let is_ours = entry.from.and_then(|from| from.service).as_deref() == Some(CLAUDE_SERVICE);
    let event = serde_json::from_str::<RunEvent<'_>>(entry.data.get()).ok().filter(|_| is_ours)?;
    Some(event.into_owned())
}
