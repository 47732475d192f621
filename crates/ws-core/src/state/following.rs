//! Broadcasts of all nodes on their way to the connections of this one: delivered as they come, read where they were
//! skipped, told as gone where they are. What is followed: [`Feed`].

use std::sync::Arc;

use parking_lot::MutexGuard;
use serde::Deserialize;
use serde_json::value::RawValue;
use ws_proto::encode_notification;
use ws_proto::event::{BroadcastEvent, BroadcastGap, Sender};

use super::feed::{Asked, BROADCASTS, Feed, FeedState};
use super::publishing::encoded;
use super::shared::Shared;
use crate::engine::{EngineError, Epoch, History, Publication};
use crate::frame::{self, Opcode};

/// What of a stored broadcast is delivered.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    from: Option<Sender>,
}

impl Shared {
    /// The broadcasts of all nodes, if this is the name of their channel.
    pub(super) fn feed_of(&self, name: &str) -> Option<&Feed> {
        self.feed.as_deref().filter(|_| name == BROADCASTS)
    }

    /// Follows the broadcasts of all nodes from now on, if there are other nodes. Where the engine answers at once, none
    /// is missed from here on.
    pub(crate) fn follow_broadcasts(self: &Arc<Self>) {
        let Some(feed) = &self.feed else { return };
        self.engine.interest(BROADCASTS, true);
        let shared = Arc::downgrade(self);
        let done = move |result| {
            if let Some(shared) = shared.upgrade() {
                shared.feed_answered(Asked::Position, result);
            }
        };
        self.engine.history(feed.query(Asked::Position), Box::new(done));
    }

    pub(super) fn feed_deliver(&self, feed: &Feed, publication: &Publication, read_us: Option<u64>) {
        let Some(offset) = publication.offset else { return };
        let mut state = feed.state.lock();
        match &mut state.at {
            Some((_, at)) if offset <= *at => {}
            Some((_, at)) if offset == *at + 1 => {
                *at = offset;
                state.is_unknown = false;
                self.deliver_broadcast(publication, read_us);
            }
            _ => {
                drop(state);
                feed.skip(offset);
            }
        }
    }

    /// Another stream: what may have been missed in the one before, nobody knows. One that is not new may have what was
    /// delivered before.
    pub(super) fn feed_reset(&self, feed: &Feed, epoch: Epoch, after: u64) {
        let state = feed.state.lock();
        self.feed_restart(feed, state, FeedState { at: Some((epoch, after)), told: after, is_unknown: after > 0 });
    }

    /// A new epoch of the same stream, of which so much has survived.
    pub(super) fn feed_renew(&self, feed: &Feed, epoch: Epoch, survived: u64) {
        let state = feed.state.lock();
        let at = state.at.map_or(survived, |(_, at)| at.min(survived));
        self.feed_restart(feed, state, FeedState { at: Some((epoch, at)), told: at, is_unknown: false });
    }

    fn feed_restart(&self, feed: &Feed, mut state: MutexGuard<'_, FeedState>, next: FeedState) {
        *state = next;
        feed.set_known();
        self.tell_missed(None);
    }

    /// The engine has answered. False: it has to be asked again, later.
    pub(crate) fn feed_answered(&self, asked: Asked, result: Result<History, EngineError>) -> bool {
        let (Some(feed), Ok(history)) = (&self.feed, result) else { return false };
        let mut state = feed.state.lock();
        let Some((epoch, mut at)) = state.at else {
            state.at = Some((history.epoch, history.top));
            feed.set_known();
            // Who was here before may have missed some.
            if self.connections() > 0 {
                self.tell_missed(None);
            }
            return true;
        };
        if asked == Asked::Position {
            return true;
        }
        if epoch != history.epoch {
            return false;
        }
        let before = at;
        for publication in &history.publications {
            let offset = publication.offset.unwrap_or_default();
            if offset <= at {
                continue;
            }
            if offset > at + 1 {
                self.tell_missed(Some(offset - at - 1));
            }
            at = offset;
            self.deliver_broadcast(publication, None);
        }
        if !history.more && history.top > at {
            self.tell_missed(Some(history.top - at));
            at = history.top;
        }
        state.at = Some((epoch, at));
        at > before
    }

    fn deliver_broadcast(&self, publication: &Publication, read_us: Option<u64>) {
        let mut body = vec![b'{'];
        body.extend_from_slice(&publication.body);
        match serde_json::from_slice(&body) {
            Ok(Stored { data, from }) => self.append_broadcast(&BroadcastEvent { message: data, from }, read_us),
            Err(error) => {
                tracing::error!(offset = publication.offset, %error, "a stored broadcast is not one; told as missed");
                self.tell_missed(Some(1));
            }
        }
    }

    /// Tells all connections that so many broadcasts are gone; `None`: some may be.
    fn tell_missed(&self, missed: Option<u64>) {
        let gap = BroadcastGap { broadcast: true, missed };
        encoded(
            |out| frame::append(Opcode::Text, out, |out| encode_notification(&gap, out)),
            |frame| self.append_to_broadcasts(frame, missed.unwrap_or_default(), None),
        );
    }
}
