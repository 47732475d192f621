//! How channels begin to be followed, and how their positions are asked for.
//!
//! To follow a channel is one pipeline, `SSUBSCRIBE` and the position: Redis executes them in this order, so the position
//! says exactly what was missed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::channel::{Channel, Phase, State};
use crate::follow::{self, Next};
use crate::limits::{FOLLOW_BATCH_MAX, FOLLOW_BATCHES_MAX};
use crate::link::{Batch, Failure};
use crate::message::Position;
use crate::resp::Value;
use crate::scripts::{Script, ttl_ms};
use crate::shared::{Shared, random};

impl Shared {
    /// The connection is there: everything is followed anew.
    pub(crate) fn follow_all(self: &Arc<Self>) {
        let channels = self.feed.all();
        channels.iter().for_each(|channel| channel.state.lock().phase = Phase::Asked);
        self.follow(channels);
    }

    /// The connection is lost.
    pub(crate) fn unfollow_all(&self) {
        self.feed.to_follow.lock().by_partition.clear();
        for channel in self.feed.all() {
            let mut state = channel.state.lock();
            state.may_have_lost |= state.phase == Phase::Following;
            (state.phase, state.is_asking, state.ask_again) = (Phase::Idle, false, false);
        }
    }

    /// Follows channels.
    pub(crate) fn follow(self: &Arc<Self>, channels: impl IntoIterator<Item = Arc<Channel>>) {
        let mut to_follow = self.feed.to_follow.lock();
        for channel in channels {
            to_follow.by_partition.entry(channel.partition).or_default().push(channel);
        }
        drop(to_follow);
        self.follow_queued();
    }

    fn follow_queued(self: &Arc<Self>) {
        while let Some(channels) = self.next_batch() {
            self.follow_batch(channels);
        }
    }

    fn next_batch(&self) -> Option<Vec<Arc<Channel>>> {
        self.subscriber.read().as_ref()?;
        let mut to_follow = self.feed.to_follow.lock();
        if to_follow.batches >= FOLLOW_BATCHES_MAX {
            return None;
        }
        let mut first = to_follow.by_partition.first_entry()?;
        let rest = first.get().len().saturating_sub(FOLLOW_BATCH_MAX);
        let batch = first.get_mut().split_off(rest);
        if rest == 0 {
            first.remove();
        }
        to_follow.batches += 1;
        Some(batch)
    }

    fn follow_batch(self: &Arc<Self>, channels: Vec<Arc<Channel>>) {
        let link = self.subscriber.read().clone();
        // Some may have been left meanwhile.
        let is_followed = |channel: &Arc<Channel>| {
            self.followed(&channel.name).is_some_and(|followed| Arc::ptr_eq(&followed, channel))
        };
        let channels: Vec<_> = channels.into_iter().filter(is_followed).collect();
        if channels.is_empty() {
            self.feed.to_follow.lock().batches -= 1;
            return;
        }
        let kept: Vec<_> = channels.iter().filter(|channel| self.is_kept(&channel.name)).cloned().collect();
        let topics = channels.iter().map(|channel| self.keys.topic(channel.partition, &channel.name).into_bytes());
        let subscribe: Vec<_> = std::iter::once(b"SSUBSCRIBE".to_vec()).chain(topics).collect();
        for channel in &kept {
            let mut state = channel.state.lock();
            (state.is_asking, state.asked) = (true, state.asked + 1);
        }
        let (shared, followed, then) = (self.clone(), channels.clone(), kept.is_empty());
        let commands = |batch: &mut Batch<'_>| {
            batch.subscription(subscribe, followed.len(), move |result| {
                shared.subscribed(&followed, &result);
                if then {
                    shared.batch_done();
                }
            });
            if !kept.is_empty() {
                let shared = self.clone();
                let args = self.position_args(&kept);
                batch.command(args, move |result| {
                    shared.positioned(&kept, result);
                    shared.batch_done();
                });
            }
        };
        // A connection that has ended is replaced, and everything is followed anew.
        if link.is_none_or(|link| link.send(commands).is_err()) {
            self.feed.to_follow.lock().batches -= 1;
        }
    }

    fn batch_done(self: &Arc<Self>) {
        self.feed.to_follow.lock().batches -= 1;
        self.follow_queued();
    }

    fn subscribed(self: &Arc<Self>, channels: &[Arc<Channel>], result: &Result<Value, Failure>) {
        if let Err(failure) = result {
            if let Failure::Refused(error) = failure {
                // Rights were taken away, or the data has moved: the connection is made anew.
                self.end_pair(&format!("Redis refuses a subscription: {error}"));
            }
            return;
        }
        for channel in channels {
            let mut state = channel.state.lock();
            state.phase = Phase::Following;
            let is_kept = self.is_kept(&channel.name);
            if std::mem::take(&mut state.may_have_lost) {
                self.recount([channel.clone()]);
                if !is_kept {
                    self.sink().lost(&channel.name);
                }
            }
            let echoes = std::mem::take(&mut state.echoes);
            let followers = if is_kept { Vec::new() } else { std::mem::take(&mut state.followers) };
            drop(state);
            echoes.into_values().for_each(|then| then(true));
            followers.into_iter().for_each(|done| done(Ok(())));
        }
    }

    fn position_args(&self, channels: &[Arc<Channel>]) -> Vec<Vec<u8>> {
        let partition = channels.first().map_or(0, |channel| channel.partition);
        let mut keys = vec![self.keys.generation(partition).into_bytes()];
        let mut rest = vec![self.options.position_ttl.as_millis().to_string().into_bytes()];
        for channel in channels {
            let retention = self.sink().retention(&channel.name);
            let (size, ttl) = retention.map_or((usize::MAX >> 12, 0), |kept| (kept.size, ttl_ms(kept)));
            keys.push(self.keys.meta(partition, &channel.name).into_bytes());
            keys.push(self.keys.stream(partition, &channel.name).into_bytes());
            rest.extend([random().to_vec(), size.to_string().into_bytes(), ttl.to_string().into_bytes()]);
        }
        let mut args = self.eval(Script::Position, keys);
        args.extend(rest);
        args
    }

    /// Asks for the position of a channel that is followed; `anew`: one that is already on its way does not do.
    pub(crate) fn ask(self: &Arc<Self>, channel: &Arc<Channel>, state: &mut State, anew: bool) {
        if state.phase != Phase::Following {
            // It is asked for with the subscription.
            return;
        }
        if state.is_asking {
            state.ask_again |= anew;
            return;
        }
        let Some(link) = self.subscriber.read().clone() else { return };
        (state.is_asking, state.asked) = (true, state.asked + 1);
        let (shared, channels) = (self.clone(), vec![channel.clone()]);
        let args = self.position_args(&channels);
        // A connection that has ended is replaced, and everything is asked for anew.
        let _ = link.send(|batch| batch.command(args, move |result| shared.positioned(&channels, result)));
    }

    fn positioned(self: &Arc<Self>, channels: &[Arc<Channel>], result: Result<Value, Failure>) {
        let positions = match &result {
            Ok(Value::Array(positions)) if positions.len() == channels.len() => positions,
            Err(Failure::Lost { .. }) => return,
            other => {
                let is_renewed = matches!(other, Ok(Value::Bytes(answer)) if answer == b"FENCED")
                    || matches!(other, Err(Failure::Refused(error)) if error.starts_with("NOSCRIPT"));
                if is_renewed {
                    self.renew();
                }
                channels.iter().for_each(|channel| channel.state.lock().is_asking = false);
                self.feed.to_ask.lock().extend_from_slice(channels);
                return;
            }
        };
        for (channel, position) in channels.iter().zip(positions) {
            match position.as_bytes().and_then(Position::parse) {
                Some(position) => self.take_position(channel, &position),
                None => self.end_pair("a script has answered what this version does not understand"),
            }
        }
    }

    fn take_position(self: &Arc<Self>, channel: &Arc<Channel>, position: &Position) {
        let mut state = channel.state.lock();
        state.is_asking = false;
        let before = state.known;
        let next = follow::positioned(&mut state.known, position, &channel.name, self.sink());
        if next == Next::Regressed {
            self.wrong[channel.partition].store(position.g, Ordering::Release);
            self.renew();
        }
        if before.is_some() && before != state.known {
            self.recount([channel.clone()]);
        }
        let (mut ready, answered) = (Vec::new(), state.asked);
        let is_needed = state.settle(answered, &mut ready);
        if std::mem::take(&mut state.ask_again) || is_needed {
            self.ask(channel, &mut state, true);
        }
        let followers = std::mem::take(&mut state.followers);
        drop(state);
        ready.into_iter().for_each(|then| then(true));
        followers.into_iter().for_each(|done| done(Ok(())));
    }
}
