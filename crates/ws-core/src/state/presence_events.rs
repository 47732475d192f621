//! What the subscribers of a channel are told about who comes and goes: single events, or in a large channel counts.

use std::sync::Arc;

use ws_proto::encode_notification;
use ws_proto::event::{Join, Leave, Notify, Presence};

use super::client::client;
use super::publishing::encoded;
use super::shared::Shared;
use super::subscription::Subscription;
use crate::channel::{Channel, Shards, State};
use crate::frame::{self, Opcode};
use crate::registry::Named;

impl Shared {
    /// Adds a subscriber to the presence, and announces it to the others.
    pub(crate) fn enter(&self, subscription: &Arc<Subscription>, state: &mut State) -> Shards {
        let channel = subscription.channel();
        if !channel.options().presence {
            return Shards::default();
        }
        subscription.set_number(state.presence.enter(subscription.connection()));
        let join = || Join { channel: channel.name().into(), client: client(subscription.connection()) };
        self.announce(channel, state, join)
    }

    /// Removes a subscriber from the presence, and announces that to the others.
    pub(super) fn exit(&self, subscription: &Arc<Subscription>, state: &mut State) -> Shards {
        let channel = subscription.channel();
        if !subscription.number().is_some_and(|number| state.presence.leave(number)) {
            return Shards::default();
        }
        let leave = || Leave { channel: channel.name().into(), client: client(subscription.connection()) };
        self.announce(channel, state, leave)
    }

    /// Announces a join or leave to the subscribers, or schedules counts if there are too many.
    fn announce<E: Notify>(&self, channel: &Arc<Channel>, state: &mut State, event: impl FnOnce() -> E) -> Shards {
        if !channel.options().join_leave {
            return Shards::default();
        }
        if state.presence.counts().connections > channel.options().join_leave_max as u64 {
            self.schedule_counts(channel, state);
            return Shards::default();
        }
        self.append_event(channel, state, &event())
    }

    /// Schedules an event with the presence counts for the subscribers.
    pub(crate) fn schedule_counts(&self, channel: &Arc<Channel>, state: &mut State) {
        if !std::mem::replace(&mut state.counts_due, true) {
            self.counts_due.lock().push(channel.clone());
        }
    }

    /// Sends the counts that are due.
    pub(crate) fn send_due_counts(&self) {
        let due = std::mem::take(&mut *self.counts_due.lock());
        for channel in due {
            let mut state = channel.lock();
            state.counts_due = false;
            let counts = state.presence.counts();
            let (connections, users) = (counts.connections, counts.users);
            let presence = Presence { channel: channel.name().into(), connections, users };
            let to_notify = self.append_event(&channel, &mut state, &presence);
            drop(state);
            self.notify_dirty(&channel, to_notify);
        }
    }

    fn append_event<E: Notify>(&self, channel: &Channel, state: &mut State, event: &E) -> Shards {
        let offset = state.end.offset;
        encoded(
            |out| frame::append(Opcode::Text, out, |out| encode_notification(event, out)),
            |frame| channel.append(state, frame, offset, None, &self.gate),
        )
    }
}
