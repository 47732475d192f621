//! `/connections/{id}/frames`: one connection's frames as server-sent events, while they go through.

use std::fmt::Write;

use bytes::Bytes;
use futures_util::stream;
use hyper::header::{HeaderName, HeaderValue};
use ws_core::{Clock, FrameWatch, Hub};
use ws_proto::api::WatchEvent;
use ws_proto::{ErrorBody, ErrorCode};

use super::connections::connection_id;
use crate::http::reply::Reply;
use crate::limits::WATCH_SILENCE_TURNS;

/// nginx would keep events back otherwise.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What has to be sent where nothing has happened for a while: so that a watcher who is gone is noticed, and proxies
/// keep the connection.
const ALIVE: &str = ":\n\n";

/// GET: all frames from now on, as far as a tap goes (`Hub::watch_frames`). It ends with the connection.
///
/// # Errors
/// Those of `Hub::watch_frames`.
pub(super) async fn watch(hub: &Hub, id: &str) -> Result<Reply, ErrorBody> {
    let id = connection_id(id)?;
    let watch = hub.watch_frames(id).await?;
    let first = written(&[WatchEvent::Watching { connection_id: id, time: Clock::unix_ms() }]);
    let events = Events { watch, first: Some(first), silent_turns: 0 };
    let mut reply = Reply::live("text/event-stream", stream::unfold(events, Events::next));
    reply.set(UNBUFFERED, HeaderValue::from_static("no"));
    Ok(reply)
}

/// A batch has one answer for each request, all at once.
pub(super) fn not_in_a_batch() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotAvailable, "a batch cannot hold a stream of frames")
}

struct Events {
    watch: FrameWatch,
    first: Option<Bytes>,
    silent_turns: u32,
}

impl Events {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first, self));
        }
        loop {
            let events = self.watch.next().await?;
            self.silent_turns = if events.is_empty() { self.silent_turns + 1 } else { 0 };
            if !events.is_empty() {
                return Some((written(&events), self));
            }
            if self.silent_turns >= WATCH_SILENCE_TURNS {
                self.silent_turns = 0;
                return Some((Bytes::from_static(ALIVE.as_bytes()), self));
            }
        }
    }
}

fn written(events: &[WatchEvent<'_>]) -> Bytes {
    let mut text = String::new();
    for event in events {
        // Neither can fail: the types have no maps, and text takes all.
        let json = serde_json::to_string(event).unwrap_or_default();
        let _ = write!(text, "data: {json}\n\n");
    }
    text.into()
}
