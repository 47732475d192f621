//! How a publication gets into the logs: through the engine to its channel, or at once to everybody.

use std::cell::Cell;
use std::sync::{Arc, Weak};

use ws_proto::event::Notify;
use ws_proto::publication::encode_publication_event;
use ws_proto::{ChannelName, encode_notification};

use crate::channel::Channel;
use crate::connection::Connection;
use crate::engine::{EngineSink, Epoch, Publication, Retention};
use crate::frame::{self, Opcode};
use crate::hub::Shared;
use crate::limits::IDLE_BUFFER_BYTES_MAX;
use crate::options::ChannelOptions;

thread_local! {
    /// Where a thread encodes what it publishes.
    static ENCODED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with what `write` appends, in a buffer that the thread keeps.
pub(crate) fn encoded<R>(write: impl FnOnce(&mut Vec<u8>), f: impl FnOnce(&[u8]) -> R) -> R {
    let mut bytes = ENCODED.take();
    write(&mut bytes);
    let result = f(&bytes);
    bytes.clear();
    bytes.shrink_to(IDLE_BUFFER_BYTES_MAX);
    ENCODED.set(bytes);
    result
}

/// The hub as the engine sees it.
#[derive(Debug)]
pub(crate) struct Sink(Weak<Shared>);

impl Sink {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Sink(Arc::downgrade(shared))
    }
}

impl EngineSink for Sink {
    fn deliver(&self, name: &str, publication: &Publication) {
        let Some(shared) = self.0.upgrade() else { return };
        let Some(channel) = shared.channels.get(name) else { return };
        let event = |out: &mut Vec<u8>| encode_publication_event(name, publication.offset, &publication.body, out);
        encoded(
            |out| frame::append(Opcode::Text, out, event),
            |frame| {
                let mut state = channel.lock();
                let offset = publication.offset.unwrap_or(state.end.offset + 1);
                let told = channel.append(&mut state, frame, offset, &shared.gate);
                drop(state);
                shared.tell(&channel, told);
            },
        );
    }

    fn reset(&self, name: &str, epoch: Epoch) {
        let Some(shared) = self.0.upgrade() else { return };
        let Some(channel) = shared.channels.get(name) else { return };
        let mut state = channel.lock();
        let told = channel.restart(&mut state, epoch, 0, &shared.gate);
        drop(state);
        shared.tell(&channel, told);
    }

    fn has_room(&self) {
        self.0.upgrade().iter().for_each(|shared| shared.gate.release());
    }

    fn retention(&self, channel: &str) -> Option<Retention> {
        let namespace = ChannelName::parse(channel).ok()?.namespace();
        Some(self.0.upgrade()?.namespaces.get(namespace)?.retention())
    }
}

impl Shared {
    /// Appends an event to the log that everybody reads. Only after [`may_broadcast`](Self::may_broadcast).
    pub(crate) fn broadcast<E: Notify>(&self, event: &E) {
        self.counters.broadcasts.add(1);
        let channel = &self.broadcasts;
        encoded(
            |out| frame::append(Opcode::Text, out, |out| encode_notification(event, out)),
            |frame| {
                let mut state = channel.lock();
                let offset = state.end.offset + 1;
                let told = channel.append(&mut state, frame, offset, &self.gate);
                drop(state);
                self.tell(channel, told);
            },
        );
    }

    /// Whether something may be broadcast now. Otherwise `connection` is woken when to ask again.
    pub(crate) fn may_broadcast(&self, connection: &Arc<Connection>) -> bool {
        self.or_held(self.broadcasts.may_append(connection))
    }

    /// Whether something may be published in a channel now. Otherwise `connection` is woken when to ask again.
    pub(crate) fn may_publish(&self, channel: &str, options: &ChannelOptions, connection: &Arc<Connection>) -> bool {
        let may_append = |channel: Arc<Channel>| channel.may_append(connection);
        // What is not retained does not wait for the engine.
        let engine = options.has_history().then_some(&*self.engine);
        self.or_held(self.channels.get(channel).is_none_or(may_append) && self.gate.may_pass(connection, engine))
    }

    fn or_held(&self, open: bool) -> bool {
        self.counters.held.add(u64::from(!open));
        open
    }
}
