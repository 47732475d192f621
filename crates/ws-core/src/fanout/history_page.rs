//! A page of a channel's history as frames, for readers that need what the log no longer holds. Many of them are often
//! at the same cursor, as after a reconnect, so one page serves all readers of a turn.

use std::ops::Range;
use std::sync::Arc;

use ws_proto::publication::encode_publication_event;

use super::readers::ReaderCursor;
use crate::channel::Channel;
use crate::engine::{History, HistoryQuery};
use crate::frame::{self, Opcode};
use crate::limits::{CATCH_UP_PUBLICATIONS_MAX, FANOUT_WRITE_BYTES_MAX};
use crate::registry::Named;
use crate::run::{FrameBuffer, Run};

/// One page. Owned by one task.
#[derive(Debug, Default)]
pub(super) struct HistoryPage {
    channel: Option<Arc<Channel>>,
    generation: u32,
    /// Offset before the first.
    after: u64,
    frames: FrameBuffer,
    frame: Vec<u8>,
    /// When it was read. History may expire, so a page serves readers only within the same millisecond.
    at_ms: u64,
}

/// The query for the page that a reader needs.
pub(super) fn query<'a>(channel: &'a Channel, cursor: &ReaderCursor) -> HistoryQuery<'a> {
    HistoryQuery {
        channel: channel.name(),
        retention: channel.options().retention(),
        after: cursor.offset,
        before: Some(cursor.live.offset.saturating_add(1)),
        reverse: false,
        limit: CATCH_UP_PUBLICATIONS_MAX,
        bytes_max: FANOUT_WRITE_BYTES_MAX,
    }
}

impl HistoryPage {
    /// What the page has for a reader, for [`run`](Self::run); it starts right after the reader's cursor. `None`: the
    /// page is a different one.
    pub(super) fn find(&self, channel: &Arc<Channel>, cursor: &ReaderCursor) -> Option<Range<usize>> {
        let is_same = self.channel.as_ref().is_some_and(|own| Arc::ptr_eq(own, channel));
        let to = (self.after + self.frames.ends.len() as u64).min(cursor.live.offset);
        if !is_same || self.generation != cursor.generation || !(self.after..to).contains(&cursor.offset) {
            return None;
        }
        Some((cursor.offset - self.after) as usize..(to - self.after) as usize)
    }

    /// Takes the engine's answer.
    pub(super) fn fill(&mut self, channel: &Arc<Channel>, generation: u32, history: &History, now_ms: u64) {
        self.clear();
        self.at_ms = now_ms;
        let Some(first) = history.publications.first().and_then(|first| first.offset) else { return };
        (self.channel, self.generation, self.after) = (Some(channel.clone()), generation, first - 1);
        for publication in &history.publications {
            let event = |out: &mut Vec<u8>| {
                encode_publication_event(channel.name(), publication.offset, &publication.body, out)
            };
            self.frame.clear();
            frame::append(Opcode::Text, &mut self.frame, event);
            self.frames.push(&self.frame, publication.offset.unwrap_or_default());
        }
    }

    /// These frames, as [`find`](Self::find) gave them.
    pub(super) fn run(&self, range: Range<usize>) -> Run<'_> {
        self.frames.run(range)
    }

    /// Forgets a page that was read before `now_ms`.
    pub(super) fn clear_before(&mut self, now_ms: u64) {
        if self.at_ms < now_ms {
            self.clear();
        }
    }

    /// Forgets the page.
    pub(super) fn clear(&mut self) {
        if self.channel.take().is_some() {
            self.frames = FrameBuffer::default();
        }
    }
}
