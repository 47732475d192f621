//! Broadcasts: values for every connection, of every node.
//!
//! One server appends a broadcast to the log that all its connections read. In a cluster it goes through the engine, into
//! a channel that every node [follows](super::feed).

use std::task::Waker;

use serde_json::value::RawValue;
use ws_proto::action::BroadcastData;
use ws_proto::event::BroadcastEvent;
use ws_proto::{ErrorBody, encode_notification};

use super::error::unavailable;
use super::feed::{BROADCASTS, Feed};
use super::publishing::{Ahead, Draft, Publishing, encoded};
use super::shared::Shared;
use crate::engine::pending::Pending;
use crate::frame::{self, Opcode};
use crate::limits::PUBLICATION_ENVELOPE_BYTES;
use crate::waiter::Waiter;

/// How far a broadcast has got.
#[derive(Debug, Default)]
pub(crate) struct Broadcasting {
    waiter: Waiter,
    stage: Stage,
}

/// What a broadcast waits for.
#[derive(Debug, Default)]
enum Stage {
    /// For room in the log of this server; in a cluster, for nothing yet.
    #[default]
    New,
    /// For the connections of the other nodes. First, so that where they are not known nothing is sent.
    Count(Pending<u64>),
    /// For room; there are so many connections on other nodes.
    Room(u64),
    /// For the engine to store it, for so many recipients.
    Engine(u64, Publishing),
}

impl Broadcasting {
    /// It cannot go on now: if it was its turn to publish, the next waiter gets the turn.
    pub(crate) fn yield_turn(&mut self) {
        self.waiter.yield_turn();
    }
}

impl Shared {
    /// Sends a value to every connection; `read_us` as in [`Draft`]. `None`: it has to wait, and the waker that `waker`
    /// returns is woken when it is time to call this again with the same `broadcasting`.
    ///
    /// # Errors
    /// `not_available`; `engine_unavailable`, `overloaded`: it may have been sent if it had got to the engine.
    pub(crate) fn broadcast(
        &self,
        event: &BroadcastEvent<&RawValue>,
        read_us: u64,
        broadcasting: &mut Broadcasting,
        waker: impl Fn() -> Waker,
    ) -> Option<Result<BroadcastData, ErrorBody>> {
        match &self.feed {
            Some(feed) => self.broadcast_to_all(feed, event, read_us, broadcasting, waker),
            None => match self.knows_all("`broadcast` to the connections") {
                Ok(()) => self.broadcast_here(event, read_us, &mut broadcasting.waiter, waker).map(Ok),
                Err(error) => Some(Err(error)),
            },
        }
    }

    fn broadcast_here(
        &self,
        event: &BroadcastEvent<&RawValue>,
        read_us: u64,
        waiter: &mut Waiter,
        waker: impl Fn() -> Waker,
    ) -> Option<BroadcastData> {
        let (channel, recipients) = (&self.broadcasts, self.connections() as u64);
        let bytes = (event.message.get().len() + PUBLICATION_ENVELOPE_BYTES) as u64;
        if !waiter.enter(channel, bytes, waker) {
            self.counters.held.add(1);
            return None;
        }
        let _ahead = Ahead::of(channel.clone(), bytes);
        self.counters.broadcasts.add(1);
        self.append_broadcast(event, Some(read_us));
        Some(BroadcastData { recipients })
    }

    fn broadcast_to_all(
        &self,
        feed: &Feed,
        event: &BroadcastEvent<&RawValue>,
        read_us: u64,
        broadcasting: &mut Broadcasting,
        waker: impl Fn() -> Waker,
    ) -> Option<Result<BroadcastData, ErrorBody>> {
        loop {
            broadcasting.stage = match &broadcasting.stage {
                Stage::New => match self.connections_elsewhere() {
                    Ok(elsewhere) => elsewhere.map_or(Stage::Room(0), Stage::Count),
                    Err(error) => return Some(Err(error)),
                },
                Stage::Count(elsewhere) => match elsewhere.poll(&waker)? {
                    Ok(elsewhere) => Stage::Room(elsewhere),
                    Err(error) => return Some(Err(unavailable(&error))),
                },
                Stage::Room(elsewhere) => {
                    if let Err(error) = self.check_held(BROADCASTS, feed.options(), read_us) {
                        return Some(Err(unavailable(&error)));
                    }
                    let draft = Draft {
                        channel: BROADCASTS,
                        options: feed.options(),
                        data: event.message,
                        from: event.from.as_ref(),
                        msg_id: None,
                        shows_id: false,
                        is_last: false,
                        repeat: None,
                        tags: None,
                        read_us,
                    };
                    let publishing = self.publish(&draft, &mut broadcasting.waiter, &waker)?;
                    Stage::Engine(self.connections() as u64 + elsewhere, publishing)
                }
                Stage::Engine(recipients, publishing) => {
                    let (recipients, result) = (*recipients, publishing.poll(&waker)?);
                    if result.is_ok() {
                        self.counters.broadcasts.add(1);
                    }
                    let data = BroadcastData { recipients };
                    return Some(result.map(|_| data).map_err(|error| unavailable(&error)));
                }
            }
        }
    }

    /// Appends a broadcast to the log that every connection of this node reads.
    pub(super) fn append_broadcast(&self, event: &BroadcastEvent<&RawValue>, read_us: Option<u64>) {
        encoded(
            |out| frame::append(Opcode::Text, out, |out| encode_notification(event, out)),
            |frame| self.append_to_broadcasts(frame, 1, read_us),
        );
    }

    /// Appends a frame that stands for so many broadcasts.
    pub(super) fn append_to_broadcasts(&self, frame: &[u8], count: u64, read_us: Option<u64>) {
        let channel = &self.broadcasts;
        let mut state = channel.lock();
        let offset = state.end.offset + count;
        let to_notify = channel.append(&mut state, frame, offset, read_us, &self.gate);
        drop(state);
        self.notify_dirty(channel, to_notify);
    }

    /// Asks for the connections of the other nodes; `None`: there are no others.
    ///
    /// # Errors
    /// `not_available`: there are others, and nobody knows them.
    pub(crate) fn connections_elsewhere(&self) -> Result<Option<Pending<u64>>, ErrorBody> {
        match self.engine.cluster() {
            Some(cluster) => Ok(Some(Pending::call(|done| cluster.connections_elsewhere(done)))),
            None => self.knows_all("the number of connections").map(|()| None),
        }
    }
}
