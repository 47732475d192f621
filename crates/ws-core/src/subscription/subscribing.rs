//! How a subscription begins and ends.
//!
//! It begins in two steps, for the engine may take its time to say where the stream is: first the
//! subscription is attached, so that everything from then on is kept for it; then it gets its cursor and
//! the answer, and only then the fan-out learns of it, so that the answer comes before all publications.

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

/// Where a client wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartAt<'a> {
    Now,
    Since { epoch: Cow<'a, str>, offset: u64 },
    Last(u64),
}

/// A subscription with its cursor, which the fan-out does not know yet.
#[derive(Debug)]
pub(crate) struct Begun {
    start: Start,
    told: Shards,
}

impl Membership {
    /// Takes a place in a channel for the connection. Afterwards [`begin`](Self::begin) or
    /// [`unsubscribe`](Self::unsubscribe).
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
            let message = "this connection is subscribed to the channel already";
            return Err(ErrorBody::new(ErrorCode::AlreadySubscribed, message));
        }
        let max = shared.limits.channels_per_connection_max;
        if subscriptions.len() >= max {
            let message = format!("this connection has {max} subscriptions, which is the most there may be");
            return Err(ErrorBody::new(ErrorCode::LimitExceeded, message));
        }
        // As long as the channel is there, the engine knows of somebody: its epoch stays.
        shared.engine.interest(name, true);
        let channel = shared.attach(name, options, self.shard());
        let subscription = Arc::new(Subscription::new(channel, self.connection().clone()));
        subscriptions.insert(subscription.clone());
        shared.counters.subscribed.add(1);
        Ok(subscription)
    }

    /// Gives a subscription its cursor, and the data of the answer. `history` is where the engine says the
    /// stream is; `None` when it must be asked again. After the answer has been queued,
    /// [`follow`](Self::follow).
    pub(crate) fn begin<'a>(
        &self,
        subscription: &Arc<Subscription>,
        from: &StartAt<'a>,
        history: Option<&History>,
    ) -> Option<(Begun, SubscribeData<'a>)> {
        let channel = subscription.channel();
        let mut state = channel.lock();
        if let Some(history) = history {
            match state.epoch {
                Some(epoch) if epoch != history.epoch => return None,
                _ => state.found(history.epoch, history.top),
            }
        }
        // Before the cursor: nobody is told of its own coming.
        let told = self.shared().enter(subscription, &mut state);
        let (live, generation) = (state.end, channel.generation());
        state.begin(self.shard());
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
        Some((Begun { start: Start { generation, live, after }, told }, data))
    }

    /// Lets the fan-out follow a subscription whose answer is on its way.
    pub(crate) fn follow(&self, subscription: Arc<Subscription>, begun: &Begun) {
        self.shared().tell(subscription.channel(), begun.told);
        self.notify(Notice::Subscribe(subscription, begun.start));
    }

    /// Where the stream of a channel is that the connection is subscribed to.
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

    /// Ends the subscription to a channel. When it returns, nothing of the channel is delivered any more.
    pub(crate) fn unsubscribe(&self, name: &str) -> bool {
        let mut subscriptions = self.subscriptions.lock();
        let removed = subscriptions.as_mut().and_then(|subscriptions| subscriptions.remove(name));
        if subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.len() == 0) {
            *subscriptions = None;
        }
        drop(subscriptions);
        removed.into_iter().inspect(|subscription| self.end(subscription)).count() > 0
    }

    /// Those that are there are seen as this user's from now on; they were anonymous.
    pub(crate) fn name_subscriptions(&self, user: &Arc<str>) {
        for subscription in self.subscriptions() {
            let mut state = subscription.channel().lock();
            if subscription.number().is_some() {
                state.presence.name(user.clone());
            }
        }
    }

    /// All of them.
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
    /// The same, whatever becomes of the frame that it came in.
    pub(crate) fn into_owned(self) -> StartAt<'static> {
        match self {
            StartAt::Now => StartAt::Now,
            StartAt::Since { epoch, offset } => StartAt::Since { epoch: epoch.into_owned().into(), offset },
            StartAt::Last(n) => StartAt::Last(n),
        }
    }

    /// The offset behind which the subscription begins (PROTOCOL section 5).
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

    /// Puts a subscriber among those who are there, and tells the others.
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
        let told = if was_there { self.announce(channel, &mut state, leave) } else { Shards::default() };
        let unused = state.subscriptions == 0;
        drop(state);
        self.tell(channel, told);
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

    /// Tells the subscribers who comes or goes, or that they will get counts.
    fn announce<E: Notify>(&self, channel: &Arc<Channel>, state: &mut State, event: impl FnOnce() -> E) -> Shards {
        if !channel.options().join_leave {
            return Shards::default();
        }
        if state.presence.counts().connections > channel.options().join_leave_max as u64 {
            self.owe_counts(channel, state);
            return Shards::default();
        }
        self.append_event(channel, state, &event())
    }

    /// Has the subscribers told how many they are.
    pub(crate) fn owe_counts(&self, channel: &Arc<Channel>, state: &mut State) {
        if !std::mem::replace(&mut state.counts_due, true) {
            self.counts_due.lock().push(channel.clone());
        }
    }

    /// Sends the counts that are owed.
    pub(crate) fn pay_counts(&self) {
        let due = std::mem::take(&mut *self.counts_due.lock());
        for channel in due {
            let mut state = channel.lock();
            state.counts_due = false;
            let counts = state.presence.counts();
            let (connections, users) = (counts.connections, counts.users);
            let presence = Presence { channel: channel.name().into(), connections, users };
            let told = self.append_event(&channel, &mut state, &presence);
            drop(state);
            self.tell(&channel, told);
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

/// What a token says of a user, without a copy of it.
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

/// What a subscriber of a channel with history has to ask the engine before it can begin.
pub(crate) fn needs_position(channel: &Channel) -> bool {
    channel.kind() == Kind::Kept
}
