//! What the subscribers of a channel are told about who comes and goes: single events, or in a large channel counts.
//!
//! Where there is a [cluster](crate::engine::cluster), it is told of the own members, and it tells of all: an event
//! comes from there, of the own members too, and who joins or leaves does not see that of itself.

use std::sync::Arc;

use serde::Serialize;
use ws_proto::action::PresenceClient;
use ws_proto::encode_notification;
use ws_proto::event::{Join, Leave, Notify, Presence};

use super::client::{client, member, stored};
use super::publishing::encoded;
use super::shared::Shared;
use super::subscription::Subscription;
use crate::channel::{Channel, Shards, State};
use crate::connection::Connection;
use crate::engine::cluster::{Change, Counts, Member};
use crate::frame::{self, Opcode};
use crate::limits::{CHANNELS_SLICE, MEMBERS_SLICE};
use crate::registry::Named;

impl Shared {
    /// Adds a subscriber to the presence, and announces it to the others; a cluster is [told](Self::tell_entered) apart,
    /// without the channel's lock.
    pub(crate) fn enter(&self, subscription: &Arc<Subscription>, state: &mut State) -> Shards {
        let channel = subscription.channel();
        if !channel.options().presence {
            return Shards::default();
        }
        subscription.set_number(state.presence.enter(subscription.connection()));
        if self.engine.cluster().is_some() {
            return Shards::default();
        }
        let counts = state.presence.counts();
        self.announce(channel, state, counts, || join(channel, client(subscription.connection())))
    }

    /// Tells the cluster, if there is one, of a subscriber that is present, or has another user now.
    pub(crate) fn tell_entered(&self, subscription: &Subscription) {
        if let Some(cluster) = self.engine.cluster()
            && subscription.number().is_some()
        {
            let channel = subscription.channel();
            cluster.enter(channel.name(), member(subscription.connection()), channel.options().join_leave);
        }
    }

    /// Removes a subscriber from the presence, and announces that to the others; a cluster is [told](Self::tell_left)
    /// apart, without the channel's lock.
    pub(super) fn exit(&self, subscription: &Arc<Subscription>, state: &mut State) -> Shards {
        let channel = subscription.channel();
        let is_gone = subscription.number().is_some_and(|number| state.presence.leave(number));
        if !is_gone || self.engine.cluster().is_some() {
            return Shards::default();
        }
        let counts = state.presence.counts();
        self.announce(channel, state, counts, || leave(channel, client(subscription.connection())))
    }

    /// Tells the cluster, if there is one, of a subscriber that was present.
    pub(super) fn tell_left(&self, subscription: &Subscription) {
        if let Some(cluster) = self.engine.cluster()
            && subscription.number().is_some()
        {
            let channel = subscription.channel();
            cluster.leave(channel.name(), subscription.connection().id(), channel.options().join_leave);
        }
    }

    /// Calls `enter` with each member of this node in the channels that are wanted: its channel, itself, and whether it is
    /// announced.
    pub(super) fn own_members(&self, is_wanted: &dyn Fn(&str) -> bool, enter: &mut dyn FnMut(&str, Member, bool)) {
        let is_wanted = |channel: &Channel| channel.options().presence && is_wanted(channel.name());
        let mut after: Option<Arc<Channel>> = None;
        loop {
            let name = after.as_ref().map(|channel| channel.name());
            let page = self.channels.page(name, CHANNELS_SLICE, is_wanted);
            page.iter().for_each(|channel| {
                each_present(channel, |connection| {
                    enter(channel.name(), member(connection), channel.options().join_leave);
                })
            });
            if page.len() < CHANNELS_SLICE {
                return;
            }
            after = page.last().cloned();
        }
    }

    /// The cluster says that somebody has come or gone.
    pub(super) fn presence_changed(&self, name: &str, change: &Change, counts: Counts) {
        let channel = self.channels.get(name).filter(|channel| channel.options().join_leave);
        let Some(channel) = channel else { return };
        let (member, is_join) = match change {
            Change::Joined(member) => (Some(member), true),
            Change::Left(member) => (Some(member), false),
            Change::Unknown => (None, false),
        };
        // Before the channel is locked, as the order of locks is.
        let own = member.and_then(|member| self.subscription_of(member, name));
        let client = member.and_then(|member| stored(member).ok());
        let mut state = channel.lock();
        let told = state.told.get_or_insert_default();
        told.counts = counts;
        let number = own.as_ref().and_then(|own| own.number());
        // Counts that it was sent were without what it is not told now.
        let was_counted = number.is_some_and(|number| number < told.counted_below);
        let is_appended = client.is_some() && is_single(&channel, counts);
        // Only one event can be kept from its own connection at a time: from one that comes and goes faster than it
        // reads, others get the counts. What is not appended must not be hidden: the next frame would be.
        let is_hidden = !is_appended || own.is_none_or(|own| number.is_none() || own.hide(state.end.seq));
        if was_counted || !is_hidden {
            self.schedule_counts(&channel, &mut state);
        }
        let to_notify = match client {
            Some(_) if !is_hidden => Shards::default(),
            Some(client) if is_join => self.announce(&channel, &mut state, counts, || join(&channel, client)),
            Some(client) => self.announce(&channel, &mut state, counts, || leave(&channel, client)),
            None => self.append_counts(&channel, &mut state),
        };
        drop(state);
        self.notify_dirty(&channel, to_notify);
    }

    /// The subscription of a member of this node.
    fn subscription_of(&self, member: &Member, channel: &str) -> Option<Arc<Subscription>> {
        let entry = self.directory.get(member.connection)?;
        let subscriptions = entry.subscriptions.lock();
        subscriptions.as_ref()?.get(channel).cloned()
    }

    /// Announces a join or leave to the subscribers, or schedules counts if there are too many.
    fn announce<E: Notify>(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        counts: Counts,
        event: impl FnOnce() -> E,
    ) -> Shards {
        if !channel.options().join_leave {
            return Shards::default();
        }
        if !is_single(channel, counts) {
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
            let to_notify = self.append_counts(&channel, &mut state);
            drop(state);
            self.notify_dirty(&channel, to_notify);
        }
    }

    /// Tells the subscribers how many are there: in a cluster as it last said. Where it has said nothing, nobody has come
    /// or gone.
    fn append_counts(&self, channel: &Channel, state: &mut State) -> Shards {
        let (below, own) = (state.presence.next_number(), state.presence.counts());
        let counts = match (&mut state.told, self.engine.cluster()) {
            (Some(told), _) => {
                told.counted_below = below;
                told.counts
            }
            (None, None) => own,
            (None, Some(_)) => return Shards::default(),
        };
        let Counts { connections, users } = counts;
        self.append_event(channel, state, &Presence { channel: channel.name().into(), connections, users })
    }

    fn append_event<E: Notify>(&self, channel: &Channel, state: &mut State, event: &E) -> Shards {
        let offset = state.end.offset;
        encoded(
            |out| frame::append(Opcode::Text, out, |out| encode_notification(event, out)),
            |frame| channel.append(state, frame, offset, None, &self.gate),
        )
    }
}

/// Calls `f` with each connection that is present on this node, under the channel's lock, for a slice at a time.
fn each_present(channel: &Channel, mut f: impl FnMut(&Connection)) {
    let mut after = None;
    loop {
        let state = channel.lock();
        let (from, mut found) = (after, 0);
        for (number, connection) in state.presence.page(from, MEMBERS_SLICE) {
            f(connection);
            (after, found) = (Some(number), found + 1);
        }
        if found < MEMBERS_SLICE {
            return;
        }
    }
}

/// Whether those who come and go are told one by one.
fn is_single(channel: &Channel, counts: Counts) -> bool {
    counts.connections <= channel.options().join_leave_max as u64
}

fn join<M: Serialize>(channel: &Channel, client: PresenceClient<M>) -> Join<'_, M> {
    Join { channel: channel.name().into(), client }
}

fn leave<M: Serialize>(channel: &Channel, client: PresenceClient<M>) -> Leave<'_, M> {
    Leave { channel: channel.name().into(), client }
}
