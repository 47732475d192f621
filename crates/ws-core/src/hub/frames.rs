//! The frames of one connection, live, for an operator. The caller has checked the rights.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::de::IgnoredAny;
use tokio::time::timeout;
use uuid::Uuid;
use ws_proto::api::{FrameKind, WatchEvent};
use ws_proto::{ErrorBody, ErrorCode};

use super::handle::Hub;
use crate::clock::Clock;
use crate::cluster::Question;
use crate::connection::{Connection, Gone, Tap, TapBatch, TappedFrame};
use crate::limits::{TAP_FRAME_BYTES_MAX, TAP_TURN, TAPS_MAX, TAPS_PER_CONNECTION_MAX};
use crate::mask::{hide_after_secret, without_tokens};
use crate::state::Shared;

/// Somebody who watches a connection. Dropping it ends that.
#[derive(Debug)]
pub struct FrameWatch {
    /// `None` once the connection has ended and the watcher knows.
    tap: Option<Arc<Tap>>,
    connection: Arc<Connection>,
    _place: Place,
}

/// One of the taps that a server may have.
#[derive(Debug)]
struct Place(Arc<Shared>);

impl Hub {
    /// Watches a connection of this server: every frame from now on, in both directions, as far as the bounds of a tap
    /// go. Frames are cut at 4 KiB, and tokens in them are masked. The connection is not slowed down.
    ///
    /// # Errors
    /// `not_found`: no connection has this id, or it has ended. `not_available`: it is on another server. `overloaded`:
    /// it, or the server, is watched as often as it may be, or another server has too much to do. `engine_unavailable`:
    /// another server that may have it does not say.
    pub async fn watch_frames(&self, id: Uuid) -> Result<FrameWatch, ErrorBody> {
        let connection = match self.shared.own_entry(id) {
            Ok(entry) => entry.connection.clone(),
            Err(none) => {
                let question = Question::Connection { id, after: None };
                let found: Option<IgnoredAny> = self.shared.asking.one(&question).await?;
                return Err(found.map_or(none, |_| elsewhere()));
            }
        };
        let place = Place::take(&self.shared).ok_or_else(|| overloaded("the server", TAPS_MAX))?;
        let tap = connection.watch().map_err(|Gone| ended())?;
        let tap = tap.ok_or_else(|| overloaded("this connection", TAPS_PER_CONNECTION_MAX))?;
        Ok(FrameWatch { tap: Some(tap), connection, _place: place })
    }
}

impl FrameWatch {
    /// What has happened since the last call; empty after a second in which nothing has. `None`: the last event,
    /// `closed`, has been told.
    pub async fn next(&mut self) -> Option<Vec<WatchEvent<'static>>> {
        let tap = self.tap.as_ref()?;
        let batch = timeout(TAP_TURN, poll_fn(|cx| tap.poll_take(cx))).await.unwrap_or_else(|_| tap.take());
        if batch.ended.is_some() {
            self.tap = None;
        }
        Some(events(batch))
    }
}

impl Drop for FrameWatch {
    fn drop(&mut self) {
        self.tap.iter().for_each(|tap| self.connection.unwatch(tap));
    }
}

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let next = |taken: usize| (taken < TAPS_MAX).then_some(taken + 1);
        shared.taps.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).ok().map(|_| Place(shared.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taps.fetch_sub(1, Ordering::AcqRel);
    }
}

fn events(batch: TapBatch) -> Vec<WatchEvent<'static>> {
    let TapBatch { frames, dropped, ended } = batch;
    let mut events: Vec<_> = frames.into_iter().map(shown).collect();
    if dropped > 0 {
        events.push(WatchEvent::Dropped { time: Clock::unix_ms(), frames: dropped });
    }
    if let Some(code) = ended {
        events.push(WatchEvent::Closed { time: Clock::unix_ms(), code });
    }
    events
}

/// A frame as an operator may see it.
fn shown(frame: TappedFrame) -> WatchEvent<'static> {
    let TappedFrame { at_ms, direction, kind, bytes, start } = frame;
    let cut = bytes > TAP_FRAME_BYTES_MAX;
    let mut text = match kind {
        FrameKind::Close => close_text(&start),
        // A character may be cut.
        FrameKind::Text | FrameKind::Binary | FrameKind::Ping | FrameKind::Pong => {
            String::from_utf8_lossy(&start).trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned()
        }
    };
    if !cut && kind == FrameKind::Text && serde_json::from_str::<IgnoredAny>(&text).is_err() {
        hide_after_secret(&mut text);
    }
    WatchEvent::Frame { time: at_ms, direction, kind, bytes: bytes as u64, text: without_tokens(&text).into(), cut }
}

/// Code and reason.
fn close_text(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason)).trim_end().to_owned()
        }
        _ => String::new(),
    }
}

fn ended() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, "the connection has ended")
}

fn elsewhere() -> ErrorBody {
    let message = "this connection is on another server: its frames can be watched there alone";
    ErrorBody::new(ErrorCode::NotAvailable, message)
}

fn overloaded(what: &str, max: usize) -> ErrorBody {
    ErrorBody::new(ErrorCode::Overloaded, format!("{what} has {max} watchers already"))
}
