//! How channels begin to be followed, and how their positions are asked for.
//!
//! To follow a channel is one pipeline, `SSUBSCRIBE` and the position: Redis executes them in this order, so the position
//! says exactly what was missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use crate::asked::Asked;
use crate::channel::{Channel, Phase, State};
use crate::follow::{self, Next};
use crate::limits::{FOLLOW_BATCH_MAX, FOLLOW_BATCHES_MAX};
use crate::link::{Batch, Failure};
use crate::message::Position;
use crate::resp::Value;
use crate::shared::Shared;

impl Shared {
    /// The connection is there: everything is followed anew.
    pub(crate) fn follow_all(self: &Arc<Self>) {
        // What has come since may be under way already.
        let is_idle = |channel: &Arc<Channel>| {
            let mut state = channel.state.lock();
            let is_idle = state.phase == Phase::Idle;
            if is_idle {
                state.phase = Phase::Queued;
            }
            is_idle
        };
        self.follow(self.feed.all().into_iter().filter(is_idle).collect());
    }

    /// The connection is lost.
    pub(crate) fn unfollow_all(&self) {
        // In this order: a channel that comes in between is still queued, or is followed with all others.
        self.feed.to_follow.lock().by_partition.clear();
        for channel in self.feed.all() {
            let mut state = channel.state.lock();
            state.may_have_lost |= state.phase == Phase::Following;
            state.missing_since.get_or_insert_with(Instant::now);
            (state.phase, state.is_asking, state.ask_again) = (Phase::Idle, false, false);
        }
    }

    /// Follows channels, which are in [`Phase::Queued`].
    pub(crate) fn follow(self: &Arc<Self>, channels: Vec<Arc<Channel>>) {
        self.queue_to_follow(channels);
        self.follow_queued();
    }

    fn queue_to_follow(&self, channels: Vec<Arc<Channel>>) {
        let mut to_follow = self.feed.to_follow.lock();
        for channel in channels {
            to_follow.by_partition.entry(channel.partition).or_default().push(channel);
        }
    }

    /// Follows what is queued, as far as it may be on its way at a time.
    pub(crate) fn follow_queued(self: &Arc<Self>) {
        while let Some(channels) = self.next_batch() {
            if !self.follow_batch(channels) {
                break;
            }
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

    /// False: the connection has just ended.
    fn follow_batch(self: &Arc<Self>, channels: Vec<Arc<Channel>>) -> bool {
        let link = self.subscriber.read().clone();
        let (mut all, mut kept) = (Vec::new(), Vec::new());
        for channel in channels {
            let is_kept = self.is_kept(&channel.name);
            let mut state = channel.state.lock();
            // Some may have been left meanwhile, or were queued twice.
            if state.phase != Phase::Queued {
                continue;
            }
            state.phase = Phase::Asked;
            if is_kept {
                let number = state.ask();
                kept.push(self.asked(&channel, &state, number));
            }
            drop(state);
            all.push(channel);
        }
        if all.is_empty() {
            self.feed.to_follow.lock().batches -= 1;
            return true;
        }
        let topics = all.iter().map(|channel| self.keys.topic(channel.partition, &channel.name).into_bytes());
        let subscribe: Vec<_> = std::iter::once(b"SSUBSCRIBE".to_vec()).chain(topics).collect();
        let (shared, followed, is_whole) = (self.clone(), all.clone(), kept.is_empty());
        let commands = |batch: &mut Batch<'_>| {
            batch.subscription(subscribe, followed.len(), move |result| {
                shared.subscribed(&followed, &result);
                if is_whole {
                    shared.batch_done();
                }
            });
            if !is_whole {
                let shared = self.clone();
                let args = self.position_args(&kept);
                batch.command(args, move |result| {
                    shared.positioned(&kept, result);
                    shared.batch_done();
                });
            }
        };
        if link.is_some_and(|link| link.send(commands).is_ok()) {
            return true;
        }
        self.follow_later(all);
        false
    }

    /// These could not be asked for: they go with the next connection, which may be there already.
    fn follow_later(&self, mut channels: Vec<Arc<Channel>>) {
        channels.retain(|channel| {
            let mut state = channel.state.lock();
            let is_asked = state.phase == Phase::Asked;
            if is_asked {
                (state.phase, state.is_asking) = (Phase::Queued, false);
            }
            is_asked
        });
        self.queue_to_follow(channels);
        self.feed.to_follow.lock().batches -= 1;
    }

    fn batch_done(self: &Arc<Self>) {
        let mut to_follow = self.feed.to_follow.lock();
        to_follow.batches -= 1;
        let is_last = to_follow.is_empty();
        drop(to_follow);
        if is_last {
            self.recount_all();
        }
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
        let mut to_recount = Vec::new();
        for channel in channels {
            let is_kept = self.is_kept(&channel.name);
            let mut state = channel.state.lock();
            if state.phase != Phase::Asked {
                continue;
            }
            state.phase = Phase::Following;
            if std::mem::take(&mut state.may_have_lost) {
                self.stats.resubscriptions.add(1);
                to_recount.push(channel.clone());
                if !is_kept {
                    self.sink().lost(&channel.name);
                }
            }
            let mut ready = state.take_echoes();
            if !is_kept {
                ready.extend(state.take_followers());
            }
            drop(state);
            ready.into_iter().for_each(|then| then(true));
        }
        self.recount(to_recount);
    }

    /// Asks for the position of a channel that is followed, if it has one; `anew`: one that is already on its way does not
    /// do.
    pub(crate) fn ask(self: &Arc<Self>, channel: &Arc<Channel>, state: &mut State, anew: bool) {
        if !self.is_kept(&channel.name) {
            return;
        }
        let Some(link) = self.subscriber.read().clone() else { return };
        let Some(number) = state.ask_if_needed(anew) else { return };
        let (shared, asked) = (self.clone(), [self.asked(channel, state, number)]);
        let args = self.position_args(&asked);
        // A connection that has ended is replaced, and everything is asked for anew.
        let _ = link.send(|batch| batch.command(args, move |result| shared.positioned(&asked, result)));
    }

    /// As [`Shared::ask`], for many channels together.
    pub(crate) fn ask_all(self: &Arc<Self>, channels: impl IntoIterator<Item = Arc<Channel>>, anew: bool) {
        let Some(link) = self.subscriber.read().clone() else { return };
        let mut by_partition = BTreeMap::<_, Vec<_>>::new();
        for channel in channels.into_iter().filter(|channel| self.is_kept(&channel.name)) {
            let mut state = channel.state.lock();
            if let Some(number) = state.ask_if_needed(anew) {
                by_partition.entry(channel.partition).or_default().push(self.asked(&channel, &state, number));
            }
        }
        for asked in by_partition.values().flat_map(|asked| asked.chunks(FOLLOW_BATCH_MAX)) {
            let (shared, asked) = (self.clone(), asked.to_vec());
            let args = self.position_args(&asked);
            // A connection that has ended is replaced, and everything is asked for anew.
            let _ = link.send(|batch| batch.command(args, move |result| shared.positioned(&asked, result)));
        }
    }

    /// The positions have been answered, or will not be. A Redis that is full is asked for those that it has.
    fn positioned(self: &Arc<Self>, asked: &[Asked], result: Result<Value, Failure>) {
        if !matches!(&result, Err(Failure::Refused(error)) if error.starts_with("OOM")) {
            return self.take_positions(asked, &result);
        }
        let Some(link) = self.subscriber.read().clone() else { return };
        let (shared, asked) = (self.clone(), asked.to_vec());
        let args = self.position_args_when_full(&asked);
        // A connection that has ended is replaced, and everything is asked for anew.
        let _ = link.send(|batch| batch.command(args, move |result| shared.take_positions(&asked, &result)));
    }

    fn take_positions(self: &Arc<Self>, asked: &[Asked], result: &Result<Value, Failure>) {
        let positions = match result {
            Ok(Value::Array(positions)) if positions.len() == asked.len() => positions,
            Err(Failure::Lost { .. }) => return,
            other => {
                let is_renewed = matches!(other, Ok(Value::Bytes(answer)) if answer == b"FENCED")
                    || matches!(other, Err(Failure::Refused(error)) if error.starts_with("NOSCRIPT"));
                if is_renewed {
                    self.renew();
                }
                return asked.iter().for_each(|asked| self.ask_later(asked));
            }
        };
        let mut to_recount = Vec::new();
        for (asked, position) in asked.iter().zip(positions) {
            match position.as_bytes().and_then(Position::parse) {
                Some(position) if self.take_position(asked, &position) => to_recount.push(asked.channel.clone()),
                Some(_) => {}
                None if *position == Value::Null => self.ask_later(asked),
                None => self.end_pair("a script has answered what this version does not understand"),
            }
        }
        self.recount(to_recount);
    }

    /// There is no position yet.
    fn ask_later(&self, Asked { channel, number, .. }: &Asked) {
        if channel.state.lock().is_answered(*number) {
            self.feed.to_ask.lock().push(channel.clone());
        }
    }

    /// Whether it is not the one that was expected.
    fn take_position(self: &Arc<Self>, Asked { channel, number, .. }: &Asked, position: &Position) -> bool {
        let mut state = channel.state.lock();
        if !state.is_answered(*number) {
            return false;
        }
        state.missing_since = None;
        let before = state.known;
        let next = follow::positioned(&mut state.known, position, &channel.name, self.sink());
        match next {
            Next::Regressed => {
                self.wrong[channel.partition].store(position.g, Ordering::Release);
                self.renew();
            }
            Next::Skipped => self.stats.skips.add(1),
            Next::Nothing | Next::Ask => {}
        }
        let is_other = before.is_some() && before != state.known;
        let mut ready = Vec::new();
        let is_needed = state.settle(*number, &mut ready);
        if std::mem::take(&mut state.ask_again) || is_needed {
            self.ask(channel, &mut state, true);
        }
        drop(state);
        ready.into_iter().for_each(|then| then(true));
        is_other
    }
}
