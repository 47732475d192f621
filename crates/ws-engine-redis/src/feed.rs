//! The feed: what Redis tells about the channels that this server follows, and who waits for it. Everything is dealt with
//! on the task that reads the connection, in its order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;
use tokio::time::Instant;
use ws_core::LogLimit;
use ws_core::engine::{Done, Epoch, Publication};

use crate::channel::{Channel, Phase, State, Then, Until, Wait};
use crate::follow::{self, Next};
use crate::limits::{CHECK_AFTER, LINGER, LOGGED_PER_SECOND};
use crate::member::Changed;
use crate::message::Message;
use crate::resp::Value;
use crate::shared::Shared;

static STRANGE: LogLimit = LogLimit::new(LOGGED_PER_SECOND);

impl Shared {
    /// The channel of this name, if it is followed.
    pub(crate) fn followed(&self, name: &str) -> Option<Arc<Channel>> {
        self.feed.partitions[self.keys.partition(name)].lock().get(name).cloned()
    }

    /// Whether a channel has a history.
    pub(crate) fn is_kept(&self, name: &str) -> bool {
        self.sink().retention(name).is_none_or(|retention| retention.size > 0)
    }

    /// One subscriber more, or one less.
    pub(crate) fn interest(self: &Arc<Self>, name: &str, interested: bool) {
        let partition = self.keys.partition(name);
        let mut channels = self.feed.partitions[partition].lock();
        if !interested {
            let Some(channel) = channels.get(name).cloned() else { return };
            drop(channels);
            let mut state = channel.state.lock();
            state.subscribers = state.subscribers.saturating_sub(1);
            if state.subscribers == 0 && state.left.replace(Instant::now()).is_none() {
                drop(state);
                self.feed.leaving.lock().push(channel);
            }
            return;
        }
        let channel = channels.entry(name.into()).or_insert_with(|| {
            self.feed.channels.fetch_add(1, Ordering::Relaxed);
            Channel::new(name, partition)
        });
        let channel = channel.clone();
        // Under the lock of the partition, so that it is not removed meanwhile.
        let mut state = channel.state.lock();
        state.subscribers += 1;
        drop(channels);
        let is_new = state.phase == Phase::Idle;
        if is_new {
            state.phase = Phase::Queued;
        }
        drop(state);
        if is_new {
            self.follow(vec![channel]);
        }
    }

    /// Calls `done` once what is published in a channel arrives.
    pub(crate) fn following(self: &Arc<Self>, name: &str, done: Done<()>) {
        let Some(channel) = self.followed(name) else { return done(Ok(())) };
        let is_kept = self.is_kept(name);
        let state = channel.state.lock();
        if state.phase == Phase::Following && (!is_kept || state.known.is_some()) {
            drop(state);
            return done(Ok(()));
        }
        let shared = self.clone();
        let then: Then = Box::new(move |has_come| done(if has_come { Ok(()) } else { Err(shared.unavailable()) }));
        self.wait(&channel, state, Until::Followed, self.deadline(Instant::now()), then);
    }

    /// Calls `then` when this server's sink has been given an offset of an epoch, or follows the channel no more; within the
    /// command timeout, and by a deadline.
    pub(crate) fn when_delivered(
        self: &Arc<Self>,
        name: &str,
        (epoch, offset): (Epoch, u64),
        deadline: Instant,
        then: Then,
    ) {
        let Some(channel) = self.followed(name) else { return then(true) };
        let (state, until) = (channel.state.lock(), Until::Delivered(epoch, offset));
        if state.subscribers == 0 || state.has_come(until) == Some(true) {
            drop(state);
            return then(true);
        }
        self.wait(&channel, state, until, deadline, then);
    }

    fn wait(
        self: &Arc<Self>,
        channel: &Arc<Channel>,
        mut state: MutexGuard<'_, State>,
        until: Until,
        deadline: Instant,
        then: Then,
    ) {
        if self.is_closed() {
            drop(state);
            return then(false);
        }
        let is_other = state.has_come(until).is_none();
        let settled_by = is_other.then_some(state.asked + 1);
        let since = Instant::now();
        let by = deadline.min(since + self.options.command_timeout);
        state.waits.push(Wait { until, since, by, settled_by, then });
        if is_other {
            self.ask(channel, &mut state, true);
        }
        self.list(channel, state);
    }

    /// Somebody waits in the channel: it is looked after.
    fn list(&self, channel: &Arc<Channel>, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.is_listed, true) {
            drop(state);
            self.feed.waiting.lock().push(channel.clone());
        }
    }

    /// Calls `then` when an own publication without retention has come back; within the command timeout, and by a deadline.
    /// Not if the channel is not followed.
    pub(crate) fn when_echoed(self: &Arc<Self>, name: &str, sequence: u64, deadline: Instant, then: Then) -> bool {
        let Some(channel) = self.followed(name) else { return false };
        let mut state = channel.state.lock();
        if state.subscribers == 0 || state.phase != Phase::Following || self.is_closed() {
            return false;
        }
        let by = deadline.min(Instant::now() + self.options.command_timeout);
        state.echoes.insert(sequence, (by, then));
        self.list(&channel, state);
        true
    }

    /// An own publication without retention will not come back: Redis has refused it.
    pub(crate) fn expect_no_echo(&self, name: &str, sequence: u64) {
        let channel = self.followed(name);
        let echo = channel.and_then(|channel| channel.state.lock().echoes.remove(&sequence));
        echo.into_iter().for_each(|(_, then)| then(true));
    }

    /// The outcome of a publication is unknown: whether it was stored is found out.
    pub(crate) fn check(self: &Arc<Self>, name: &str) {
        if let Some(channel) = self.followed(name) {
            self.ask(&channel, &mut channel.state.lock(), true);
        }
    }

    /// A partition has another generation: all of its channels have other epochs.
    pub(crate) fn check_partition(self: &Arc<Self>, partition: usize) {
        let channels: Vec<_> = self.feed.partitions[partition].lock().values().cloned().collect();
        self.ask_all(channels, true);
    }

    /// Redis has pushed something.
    pub(crate) fn pushed(self: &Arc<Self>, parts: &[Value]) {
        let [kind, topic, payload] = parts else { return };
        let (Some(b"smessage"), Some(topic), Some(payload)) = (kind.as_bytes(), topic.as_bytes(), payload.as_bytes())
        else {
            return;
        };
        let Some(name) = self.keys.channel_of(topic) else {
            if topic != self.keys.echo(&self.node_name).as_bytes() {
                return self.heard(payload);
            }
            return self.has_echoed(payload);
        };
        let Some(channel) = self.followed(name) else { return };
        match Message::parse(payload) {
            Some(message) => self.told(&channel, message),
            None => {
                if let Some(left_out) = STRANGE.pass(Instant::now().into_std()) {
                    tracing::error!(
                        left_out,
                        channel = name,
                        "a server of another version publishes what this one cannot read"
                    );
                }
            }
        }
    }

    fn told(self: &Arc<Self>, channel: &Arc<Channel>, message: Message) {
        let mut state = channel.state.lock();
        let mut echo = None;
        match message {
            Message::Published(published) => {
                match follow::published(&mut state.known, &published, &channel.name, &self.node, self.sink()) {
                    // Another server has a history for it.
                    Next::Ask if !self.is_kept(&channel.name) => {
                        for (_, body) in published.all {
                            self.sink().deliver(&channel.name, &Publication { offset: None, body }, None);
                        }
                    }
                    // A position that is on its way was executed after this.
                    Next::Ask => self.ask(channel, &mut state, false),
                    Next::Skipped => self.stats.skips.add(1),
                    Next::Nothing | Next::Regressed => {}
                }
            }
            Message::Removed { e, g } => follow::removed(&mut state.known, (e, g), &channel.name, self.sink()),
            Message::Passed { node, sequence, tag, body } => {
                let is_own = node == self.node;
                let read_us = is_own.then_some(tag).and_then(|tag| tag.checked_sub(1));
                let publication = Publication { offset: None, body };
                self.sink().deliver(&channel.name, &publication, read_us);
                echo = if is_own { state.echoes.remove(&sequence).map(|(_, then)| then) } else { None };
            }
            // Who has said so begins to follow here just now, and is told all the same.
            Message::Missed { node } => {
                if node != self.node && !self.is_kept(&channel.name) {
                    self.sink().lost(&channel.name);
                }
            }
            Message::Changed(Changed { counts, all }) => {
                let sink = self.nodes.sink();
                all.into_iter().for_each(|change| sink.changed(&channel.name, change, counts));
            }
        }
        let mut ready = Vec::new();
        if !state.waits.is_empty() && state.settle(0, &mut ready) {
            self.ask(channel, &mut state, true);
        }
        drop(state);
        ready.into_iter().chain(echo).for_each(|then| then(true));
    }

    /// Looks after what waits: asks again, gives up, and follows no more what nobody needs.
    pub(crate) fn tick_feed(self: &Arc<Self>) {
        self.follow_queued();
        let to_ask = std::mem::take(&mut *self.feed.to_ask.lock());
        self.ask_all(to_ask, false);
        let waiting = std::mem::take(&mut *self.feed.waiting.lock());
        let waiting: Vec<_> = waiting.into_iter().filter(|channel| self.look_after(channel)).collect();
        self.feed.waiting.lock().extend(waiting);
        let leaving = std::mem::take(&mut *self.feed.leaving.lock());
        let leaving: Vec<_> = leaving.into_iter().filter(|channel| !self.leave(channel)).collect();
        self.feed.leaving.lock().extend(leaving);
    }

    /// Whether somebody still waits in the channel.
    fn look_after(self: &Arc<Self>, channel: &Arc<Channel>) -> bool {
        let mut state = channel.state.lock();
        let late = state.take_late();
        let next = state.asked + 1;
        let overdue = state.waits.iter_mut().filter(|wait| wait.settled_by.is_none());
        let overdue = overdue.filter(|wait| wait.since.elapsed() > CHECK_AFTER);
        let is_overdue = overdue.map(|wait| wait.settled_by = Some(next)).count() > 0;
        if is_overdue {
            self.ask(channel, &mut state, true);
        }
        let is_listed = state.is_waited_in();
        state.is_listed = is_listed;
        drop(state);
        late.into_iter().for_each(|then| then(false));
        is_listed
    }

    /// Whether the channel need not be looked at again: it has left, or somebody has come back.
    fn leave(self: &Arc<Self>, channel: &Arc<Channel>) -> bool {
        let mut channels = self.feed.partitions[channel.partition].lock();
        let mut state = channel.state.lock();
        if state.subscribers > 0 {
            state.left = None;
            return true;
        }
        if state.left.is_some_and(|left| left.elapsed() < LINGER) {
            return false;
        }
        if state.phase == Phase::Asked {
            // Its subscription is on its way, and has to be ended after it.
            return false;
        }
        channels.remove(&channel.name);
        self.feed.channels.fetch_sub(1, Ordering::Relaxed);
        let was = std::mem::replace(&mut state.phase, Phase::Idle);
        if was == Phase::Following
            && let Some(link) = &*self.subscriber.read()
        {
            let topic = self.keys.topic(channel.partition, &channel.name);
            // A connection that has ended follows nothing.
            let _ = link.send(|batch| batch.subscription(["SUNSUBSCRIBE", &topic], 1, |_| {}));
        }
        let all = state.take_all();
        drop(state);
        drop(channels);
        all.into_iter().for_each(|then| then(true));
        true
    }

    /// Whether somebody waits for something to arrive.
    pub(crate) fn is_waited(&self) -> bool {
        let waiting = self.feed.waiting.lock().clone();
        waiting.iter().any(|channel| channel.state.lock().is_waited_in())
    }

    /// Tells everybody who waits that it is in vain.
    pub(crate) fn end_feed(&self) {
        for channel in self.feed.all() {
            let all = channel.state.lock().take_all();
            all.into_iter().for_each(|then| then(false));
        }
    }
}
