//! How publications get into the logs: through the engine into their channel, or directly to everybody.
//!
//! Every publisher, a session or another caller, brings a [`Waiter`]: if there is no room yet, it is woken when it is
//! time to try again.

use std::cell::Cell;
use std::sync::{Arc, Weak};
use std::task::Waker;

use serde_json::value::RawValue;
use ws_proto::action::{Ack, Publish, PublishData};
use ws_proto::event::{ChannelGap, Sender};
use ws_proto::publication::{BODY_DATA_START, Tags, encode_publication_body, encode_publication_event};
use ws_proto::{ChannelName, ErrorBody, ErrorCode, encode_notification, limits};

use super::canary::is_canary;
use super::error::unavailable;
use super::feed::Feed;
use super::shared::Shared;
use crate::channel::{Channel, Restart, Shards, State};
use crate::clock::Clock;
use crate::engine::pending::Pending;
use crate::engine::{Append, Appended, EngineError, EngineSink, Epoch, Publication};
use crate::frame::{self, Opcode};
use crate::gate::{Gate, Logs};
use crate::kind::Kind;
use crate::limits::{IDLE_BUFFER_BYTES_MAX, PUBLICATION_ENVELOPE_BYTES};
use crate::options::{ChannelOptions, OnLag};
use crate::retention::Retention;
use crate::waiter::{Room, Waiter};

thread_local! {
    /// The buffer in which a thread encodes what it publishes.
    static ENCODED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with what `write` appends to a buffer that the thread reuses.
pub(super) fn encoded<R>(write: impl FnOnce(&mut Vec<u8>), f: impl FnOnce(&[u8]) -> R) -> R {
    let mut bytes = ENCODED.take();
    write(&mut bytes);
    let result = f(&bytes);
    bytes.clear();
    bytes.shrink_to(IDLE_BUFFER_BYTES_MAX);
    ENCODED.set(bytes);
    result
}

/// The hub's side of the engine: takes what the engine delivers.
#[derive(Debug)]
pub(crate) struct Sink(Weak<Shared>);

impl Sink {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Sink(Arc::downgrade(shared))
    }
}

impl Sink {
    /// Changes what is known of the broadcasts of all nodes, if this is their channel; whether it is.
    fn feed(&self, name: &str, change: impl FnOnce(&Shared, &Feed)) -> bool {
        let Some(shared) = self.0.upgrade() else { return false };
        let Some(feed) = shared.feed_of(name) else { return false };
        change(&shared, feed);
        true
    }

    /// Changes a channel that has subscribers; `change` returns the shards to notify.
    fn change(&self, name: &str, change: impl FnOnce(&Channel, &mut State, &Gate) -> Shards) {
        let Some(shared) = self.0.upgrade() else { return };
        let Some(channel) = shared.channel(name) else { return };
        let mut state = channel.lock();
        let to_notify = change(&channel, &mut state, &shared.gate);
        drop(state);
        shared.notify_dirty(&channel, to_notify);
    }

    /// What is not retained has no epochs.
    fn restart(&self, name: &str, epoch: Epoch, restart: Restart) {
        self.change(name, |channel, state, gate| match channel.kind() {
            Kind::Ephemeral => Shards::default(),
            _ => channel.restart(state, epoch, restart, gate),
        });
    }
}

impl EngineSink for Sink {
    fn deliver(&self, name: &str, publication: &Publication, read_us: Option<u64>) {
        let Some(shared) = self.0.upgrade() else { return };
        if let Some(feed) = shared.feed_of(name) {
            return shared.feed_deliver(feed, publication, read_us);
        }
        let Some(channel) = shared.channel(name) else { return };
        // The way of the canary is measured apart.
        let read_us = read_us.filter(|_| !is_canary(name));
        let event = |out: &mut Vec<u8>| encode_publication_event(name, publication.offset, &publication.body, out);
        encoded(
            |out| frame::append(Opcode::Text, out, event),
            |frame| {
                let mut state = channel.lock();
                let next = state.end.offset + 1;
                let offset = match publication.offset {
                    // It comes from a server that keeps nothing here, and counts for nothing.
                    None if channel.kind() == Kind::Retained => state.end.offset,
                    None => next,
                    Some(offset) => offset,
                };
                if publication.offset.is_some() && offset != next && state.epoch.is_some() {
                    // Never taken for the next one: readers look in the history for what is between.
                    let to_notify = channel.skip(&mut state, offset.saturating_sub(1), &shared.gate);
                    shared.notify_dirty(&channel, to_notify);
                }
                let to_notify = channel.append(&mut state, frame, offset, read_us, &shared.gate);
                drop(state);
                shared.notify_dirty(&channel, to_notify);
            },
        );
    }

    fn reset(&self, name: &str, epoch: Epoch, after: u64) {
        if self.feed(name, |shared, feed| shared.feed_reset(feed, epoch, after)) {
            return;
        }
        self.restart(name, epoch, Restart::New { after });
    }

    fn renew(&self, name: &str, epoch: Epoch, survived: u64) {
        if self.feed(name, |shared, feed| shared.feed_renew(feed, epoch, survived)) {
            return;
        }
        self.restart(name, epoch, Restart::Renewed { survived });
    }

    fn skip(&self, name: &str, to: u64) {
        if self.feed(name, |_, feed| feed.skip(to)) {
            return;
        }
        self.change(name, |channel, state, gate| match state.epoch {
            Some(_) if to > state.end.offset => channel.skip(state, to, gate),
            Some(_) => Shards::default(),
            // Nobody reads yet. Who has been told an earlier position, and has not begun at it, begins here.
            None => {
                state.end.offset = state.end.offset.max(to);
                Shards::default()
            }
        });
    }

    fn lost(&self, name: &str) {
        self.change(name, |channel, state, gate| {
            if channel.kind() != Kind::Ephemeral || channel.options().on_lag == OnLag::Latest {
                return Shards::default();
            }
            let gap = ChannelGap { channel: name.into(), ..ChannelGap::default() };
            let event = |out: &mut Vec<u8>| encode_notification(&gap, out);
            let offset = state.end.offset;
            encoded(
                |out| frame::append(Opcode::Text, out, event),
                |frame| channel.append(state, frame, offset, None, gate),
            )
        });
    }

    fn has_room(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.engine_room.wake_waiters();
        }
    }

    fn retention(&self, channel: &str) -> Option<Retention> {
        let shared = self.0.upgrade()?;
        if let Some(canary) = shared.canary_of(channel) {
            return Some(canary.channel().options().retention());
        }
        if let Some(feed) = shared.feed_of(channel) {
            return Some(feed.options().retention());
        }
        let channel = ChannelName::parse(channel).ok()?;
        // What is kept of a stream depends on whether its run is open, which is not known at the start.
        let namespace = if channel.stream().is_some() { return None } else { channel.namespace() };
        Some(shared.namespaces.get(namespace)?.retention())
    }
}

/// A publication that has passed all checks.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) channel: &'a str,
    pub(crate) options: &'a ChannelOptions,
    pub(crate) data: &'a RawValue,
    pub(crate) from: Option<&'a Sender>,
    pub(crate) msg_id: Option<&'a str>,
    /// Whether readers see the `msg_id`.
    pub(crate) shows_id: bool,
    /// Whether it is the last one of a stream.
    pub(crate) is_last: bool,
    /// `None`: it is sent for the first time.
    pub(crate) repeat: Option<Repeat>,
    pub(crate) tags: Option<&'a Tags<'a>>,
    /// When the request was read, on the hub's clock in microseconds.
    pub(crate) read_us: u64,
}

/// A publication that was sent before, as its `age_ms` says, and was not answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeat {
    age_ms: u64,
    /// When the repeat arrived, on the hub's clock: no later than it did.
    arrived_ms: u64,
}

impl Repeat {
    /// From a request that arrived then, or later; `None` if it is sent for the first time.
    ///
    /// # Errors
    /// `invalid_payload`: without a `msg_id` nobody can tell what is repeated.
    pub(crate) fn of(payload: &Publish<'_, &RawValue>, arrived_ms: u64) -> Result<Option<Self>, ErrorBody> {
        match payload.age_ms.unwrap_or_default() {
            0 => Ok(None),
            age_ms if payload.msg_id.is_some() => Ok(Some(Repeat { age_ms, arrived_ms })),
            _ => {
                let message = "`payload.age_ms` is the age of a `msg_id`, and there is none";
                Err(ErrorBody::new(ErrorCode::InvalidPayload, message))
            }
        }
    }

    /// Its age now. While it lies unread, or waits for room, it grows older.
    fn age_ms(self, now_ms: u64) -> u64 {
        self.age_ms.saturating_add(now_ms.saturating_sub(self.arrived_ms))
    }
}

/// The pending answer to a publication.
pub(crate) type Publishing = Pending<Appended, Ahead>;

/// Room that a publication takes from its admission to its delivery: in its channel, and in all logs together if the
/// engine delivers it after the call.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// `None` if the channel has no subscribers.
    channel: Option<Arc<Channel>>,
    logs: Option<Arc<Logs>>,
    bytes: u64,
}

impl Ahead {
    /// The room that something takes in a log until it is appended there.
    pub(super) fn of(channel: Arc<Channel>, bytes: u64) -> Self {
        Ahead { channel: Some(channel), logs: None, bytes }
    }

    /// Takes room in all logs together: the engine has not answered within the call.
    fn charge_logs(mut self, logs: &Arc<Logs>) -> Self {
        if self.channel.is_some() {
            logs.take(self.bytes);
            self.logs = Some(logs.clone());
        }
        self
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.release(self.bytes);
        }
        if let Some(logs) = &self.logs {
            logs.release(self.bytes);
        }
    }
}

impl Shared {
    /// The answer to a publication, from the engine's result.
    pub(crate) fn published<'a>(
        &self,
        channel: &'a str,
        result: Result<Appended, EngineError>,
    ) -> Result<PublishData<'a>, ErrorBody> {
        match result {
            Ok(Appended { position, duplicate }) => {
                let count = if duplicate { &self.counters.duplicates } else { &self.counters.publications };
                count.add(1);
                let epoch = position.map(|(epoch, _)| epoch.to_string().into());
                let offset = position.map(|(_, offset)| offset);
                let ack = if position.is_some() { self.engine.ack() } else { Ack::Memory };
                Ok(PublishData { channel: channel.into(), epoch, offset, ack, duplicate })
            }
            Err(EngineError::Conflict) => {
                let message = "`payload.msg_id` was used for other data in this channel; choose another one";
                Err(ErrorBody::new(ErrorCode::Conflict, message))
            }
            Err(EngineError::UnknownOutcome) => {
                let message = "it may have been published when it was sent before, and what could tell is no longer \
                               retained; nothing was published now";
                Err(ErrorBody::new(ErrorCode::UnknownOutcome, message))
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Gives a publication to the engine. `None` if there is no room for it: the waker that `waker` returns is woken
    /// when it is time to try again with the same waiter.
    pub(crate) fn publish(
        &self,
        draft: &Draft<'_>,
        waiter: &mut Waiter,
        waker: impl Fn() -> Waker,
    ) -> Option<Publishing> {
        // Publications that are not retained do not wait for the engine's room.
        let engine = draft.options.has_history().then_some(&self.engine_room);
        let mut data = 0;
        let encode = |out: &mut Vec<u8>| {
            // Now, not when it began to wait: times in a channel must not go back.
            let time = Clock::unix_ms();
            let shown_id = draft.msg_id.filter(|_| draft.shows_id);
            data = encode_publication_body(draft.data, time, draft.from, shown_id, draft.tags, out);
        };
        let entered = encoded(encode, |body| {
            let bytes = (body.len() + draft.channel.len() + PUBLICATION_ENVELOPE_BYTES) as u64;
            let may_go = waiter.enter(self.gate.logs(), bytes, &waker)
                && engine.is_none_or(|engine| waiter.enter(engine, bytes, &waker));
            let channel = if may_go { self.channel(draft.channel) } else { None };
            let may_go = may_go && channel.as_ref().is_none_or(|channel| waiter.enter(channel, bytes, &waker));
            may_go.then(|| (Ahead { channel, logs: None, bytes }, Arc::<[u8]>::from(body)))
        });
        let Some((ahead, body)) = entered else {
            self.counters.held.add(1);
            return None;
        };
        let append = Append {
            channel: draft.channel,
            retention: if draft.is_last { draft.options.last_retention() } else { draft.options.retention() },
            body,
            data: BODY_DATA_START..BODY_DATA_START + data,
            msg_id: draft.msg_id,
            age_ms: draft.repeat.map_or(0, |repeat| repeat.age_ms(self.clock.now_ms())),
            read_us: Some(draft.read_us),
        };
        let publishing = Pending::call(|done| {
            let is_timed = self.counters.appends.takes(draft.read_us);
            let done = if is_timed { self.timed(|counters| &counters.engine_append_us, done) } else { done };
            self.engine.append(append, done);
        });
        publishing.guard(|| ahead.charge_logs(self.gate.logs()));
        Some(publishing)
    }
}

/// Checks the length of a `msg_id`.
///
/// # Errors
/// `invalid_payload`.
pub(crate) fn check_msg_id(msg_id: Option<&str>) -> Result<(), ErrorBody> {
    let bytes = msg_id.map_or(0, str::len);
    if bytes > limits::MSG_ID_BYTES_MAX {
        let message = format!("`payload.msg_id` has {bytes} bytes, more than {}", limits::MSG_ID_BYTES_MAX);
        return Err(ErrorBody::new(ErrorCode::InvalidPayload, message));
    }
    Ok(())
}
