//! How a subscription starts and ends.
//!
//! It starts in two steps, because the engine may take time to report the position of the stream. First the
//! subscription is attached to the channel. When the position is known it gets its cursor, from which on the channel
//! keeps everything for it, and the answer is queued. Only then is the fan-out notified, so the answer comes before all
//! publications.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use ws_proto::action::{Gap, PresenceClient, SubscribeData};
use ws_proto::event::{Join, Leave, Notify, Presence};
use ws_proto::{ChannelName, ErrorBody, ErrorCode, encode_notification};

use super::subscription::Subscription;
use crate::access::Identity;
use crate::channel::{Channel, Kind, Shards, State};
use crate::connection::Connection;
use crate::engine::{Epoch, History};
use crate::frame::{self, Opcode};
use crate::hub::{Membership, Notice, Shared, Start, encoded};
use crate::options::ChannelOptions;
use crate::registry::Named;

/// Where a client wants to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartAt<'a> {
    Now,
    Since { epoch: Cow<'a, str>, offset: u64 },
    Last(u64),
}

/// The cursor of a subscription that the fan-out has not been notified of yet.
#[derive(Debug)]
pub(crate) struct Started {
    start: Start,
    to_notify: Shards,
}

impl Membership {
    /// Attaches the connection to a channel. Call [`start`](Self::start) or [`unsubscribe`](Self::unsubscribe)
    /// afterwards.
    ///
    /// # Errors
    /// `already_subscribed`, `limit_exceeded`.
    pub(crate) fn attach(
        &self,
        name: ChannelName<'_>,
        options: &Arc<ChannelOptions>,
    ) -> Result<Arc<Subscription>, ErrorBody> {
        let (shared, name) = (self.shared(), name.as_str());
        let mut subscriptions = self.subscriptions.lock();
        let subscriptions = subscriptions.get_or_insert_default();
        if subscriptions.contains(name) {
            let message = "this connection is already subscribed to the channel";
            return Err(ErrorBody::new(ErrorCode::AlreadySubscribed, message));
        }
        let max = shared.limits.channels_per_connection_max;
        if subscriptions.len() >= max {
            let message =
                format!("this connection has {max} subscriptions already (limits.channels_per_connection_max)");
            return Err(ErrorBody::new(ErrorCode::LimitExceeded, message));
        }
        // Registers interest before the channel exists, so that the engine keeps its epoch for as long as the channel
        // exists.
        shared.engine.interest(name, true);
        let channel = shared.attach(name, options, self.shard());
        let subscription = Arc::new(Subscription::new(channel, self.connection().clone()));
        subscriptions.insert(subscription.clone());
        shared.counters.subscribed.add(1);
        Ok(subscription)
    }

    /// Gives a subscription its cursor, and returns the data of the answer. `history` is the position that the engine
    /// reported, if it was asked. Returns `None` if the engine has to be asked again. Call [`follow`](Self::follow)
    /// after the answer has been queued.
    pub(crate) fn start<'a>(
        &self,
        subscription: &Arc<Subscription>,
        from: &StartAt<'a>,
        history: Option<&History>,
    ) -> Option<(Started, SubscribeData<'a>)> {
        let channel = subscription.channel();
        let mut state = channel.lock();
        if let Some(history) = history {
            match state.epoch {
                Some(epoch) if epoch != history.epoch => return None,
                _ => state.found(history.epoch, history.top),
            }
        }
        // Before the cursor is set, so that it does not get its own join event.
        let to_notify = self.shared().enter(subscription, &mut state);
        let (live, generation) = (state.end, channel.generation());
        state.start_reader(self.shard());
        drop(state);
        let mut data = SubscribeData { channel: channel.name().to_owned().into(), ..SubscribeData::default() };
        let after = match history {
            Some(history) => {
                data.epoch = Some(history.epoch.to_string().into());
                data.offset = Some(live.offset);
                from.resolve(history, live.offset, &mut data)
            }
            None => live.offset,
        };
        Some((Started { start: Start { generation, live, after }, to_notify }, data))
    }

    /// Notifies the fan-out of a subscription whose answer has been queued.
    pub(crate) fn follow(&self, subscription: Arc<Subscription>, started: &Started) {
        self.shared().notify_dirty(subscription.channel(), started.to_notify);
        self.notify(Notice::Subscribe(subscription, started.start));
    }

    /// The position of a channel that the connection is subscribed to.
    pub(crate) fn position<'a>(&self, name: &'a str) -> SubscribeData<'a> {
        let mut data = SubscribeData { channel: name.into(), ..SubscribeData::default() };
        let subscriptions = self.subscriptions.lock();
        if let Some(subscription) = subscriptions.as_ref().and_then(|subscriptions| subscriptions.get(name)) {
            let state = subscription.channel().lock();
            data.epoch = state.epoch.map(|epoch| epoch.to_string().into());
            data.offset = state.epoch.map(|_| state.end.offset);
        }
        data
    }

    /// Ends the subscription to a channel; false if there is none. When it returns, nothing of the channel is delivered
    /// any more.
    pub(crate) fn unsubscribe(&self, name: &str) -> bool {
        let mut subscriptions = self.subscriptions.lock();
        let removed = subscriptions.as_mut().and_then(|subscriptions| subscriptions.remove(name));
        if subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.len() == 0) {
            *subscriptions = None;
        }
        drop(subscriptions);
        let Some(subscription) = removed else { return false };
        self.end(&subscription);
        true
    }

    /// The connection, which was anonymous, is seen as this user in the presence of its channels from now on.
    pub(crate) fn set_user_in_presence(&self, user: &Arc<str>) {
        for subscription in self.subscriptions() {
            let mut state = subscription.channel().lock();
            if subscription.number().is_some() {
                state.presence.set_user(user.clone());
            }
        }
    }

    /// All subscriptions.
    pub(crate) fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        let subscriptions = self.subscriptions.lock();
        subscriptions.iter().flat_map(|subscriptions| subscriptions.iter().cloned()).collect()
    }

    /// Ends all subscriptions.
    pub(crate) fn unsubscribe_all(&self) {
        let subscriptions = self.subscriptions.lock().take();
        let subscriptions = subscriptions.into_iter().flat_map(|subscriptions| subscriptions.into_iter());
        subscriptions.for_each(|subscription| self.end(&subscription));
    }

    fn end(&self, subscription: &Arc<Subscription>) {
        subscription.end();
        self.shared().leave(subscription);
        self.notify(Notice::Unsubscribe(subscription.clone()));
    }
}

impl StartAt<'_> {
    /// The same without borrowing from the frame that it came in.
    pub(crate) fn into_owned(self) -> StartAt<'static> {
        match self {
            StartAt::Now => StartAt::Now,
            StartAt::Since { epoch, offset } => StartAt::Since { epoch: epoch.into_owned().into(), offset },
            StartAt::Last(n) => StartAt::Last(n),
        }
    }

    /// The offset after which the subscription starts (PROTOCOL section 5).
    fn resolve<'a>(&self, history: &History, top: u64, data: &mut SubscribeData<'a>) -> u64
    where
        Self: 'a,
    {
        let oldest = history.oldest.saturating_sub(1);
        match self {
            StartAt::Now => top,
            StartAt::Last(n) => top.saturating_sub(*n).max(oldest.min(top)),
            StartAt::Since { epoch, offset } => {
                let is_known = Epoch::parse(epoch) == Some(history.epoch) && *offset <= top;
                let (after, gap) = match () {
                    () if !is_known => (oldest, Some(Gap::Epoch { epoch: epoch.to_string().into() })),
                    () if *offset < oldest => (oldest, Some(Gap::Offsets { from: offset + 1, to: oldest })),
                    () => (*offset, None),
                };
                data.recovered = Some(gap.is_none());
                data.gap = gap;
                after
            }
        }
    }
}

impl Shared {
    fn attach(&self, name: &str, options: &Arc<ChannelOptions>, shard: usize) -> Arc<Channel> {
        loop {
            let channel = self.channels.get_or_insert(name, || Channel::new(name, options.clone(), &self.gate));
            let mut state = channel.lock();
            if !state.gone {
                state.attach(shard);
                drop(state);
                return channel;
            }
        }
    }

    /// Adds a subscriber to the presence, and announces it to the others.
    fn enter(&self, subscription: &Arc<Subscription>, state: &mut State) -> Shards {
        let channel = subscription.channel();
        if !channel.options().presence {
            return Shards::default();
        }
        subscription.set_number(state.presence.enter(subscription.connection()));
        let join = || Join { channel: channel.name().into(), client: client(subscription.connection()) };
        self.announce(channel, state, join)
    }

    fn leave(&self, subscription: &Arc<Subscription>) {
        let channel = subscription.channel();
        let mut state = channel.lock();
        state.subscriptions -= 1;
        let was_there = subscription.number().is_some_and(|number| state.presence.leave(number));
        let leave = || Leave { channel: channel.name().into(), client: client(subscription.connection()) };
        let to_notify = if was_there { self.announce(channel, &mut state, leave) } else { Shards::default() };
        let unused = state.subscriptions == 0;
        drop(state);
        self.notify_dirty(channel, to_notify);
        if unused {
            self.channels.remove_if(channel, |channel| {
                let mut state = channel.lock();
                state.gone = state.subscriptions == 0;
                state.gone
            });
        }
        self.engine.interest(channel.name(), false);
        self.counters.unsubscribed.add(1);
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
            |frame| channel.append(state, frame, offset, &self.gate),
        )
    }
}

/// The `info` that a token has about its user, without a copy.
#[derive(Debug)]
pub struct PresenceInfo(Arc<Identity>);

impl Serialize for PresenceInfo {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.info().serialize(to)
    }
}

/// A connection as others see it.
pub(crate) fn client(connection: &Connection) -> PresenceClient<PresenceInfo> {
    let identity = connection.identity();
    PresenceClient {
        connection_id: connection.id(),
        user: identity.as_ref().map(|identity| identity.user().to_string()),
        info: identity.filter(|identity| identity.info().is_some()).map(PresenceInfo),
    }
}

/// Whether a subscription has to ask the engine for the position before it can start.
pub(crate) fn needs_position(channel: &Channel) -> bool {
    channel.kind() == Kind::Retained
}
