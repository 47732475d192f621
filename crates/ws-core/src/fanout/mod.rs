//! The fan-out: one task per shard that goes round its connections and writes to each, without waiting,
//! everything between its cursors and the current ends of the channels that it reads.
//!
//! One wake-up serves all connections, and what was published while a round is under way joins it, so
//! the busier the server is, the more publications share a system call; what several channels have for one
//! connection goes out in one write. A connection whose socket is full leaves the round until its own task
//! resumes it. The same task looks after heartbeats and write timeouts of its connections, so that an idle
//! connection costs no timer.

mod care;
mod next;
mod past;
mod readers;
mod visit;
mod window;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use ws_proto::CloseCode;

use self::past::Past;
use self::readers::{Member, NONE, Place, Readers, Work};
use self::visit::Visit;
use self::window::Window;
use crate::channel::{Channel, NO_LOCAL};
use crate::connection::Connection;
use crate::drain::DrainPlan;
use crate::engine::{History, Pending};
use crate::hub::Shared;
use crate::limits::{FANOUT_MARKS_PER_SLICE, FANOUT_SKIPS_PER_TURN, FANOUT_WRITES_PER_TURN};
use crate::log::Cursor;
use crate::shard::{Notice, Start};
use crate::subscription::Subscription;

/// The task of one shard, and all that it alone owns.
#[derive(Debug)]
pub(crate) struct Fanout {
    shared: Arc<Shared>,
    shard: usize,
    all: Readers,
    /// Large channels, for readers that keep up.
    live: Window,
    /// Small channels, and readers that are further behind, so that they do not displace what the others need.
    late: Window,
    /// For readers that read the history.
    past: Past,
    /// Questions to the engine by reader, each with the place that it was asked from.
    asked: HashMap<u32, (Place, Pending<History>)>,
    /// Readers that have to ask, when it has answered others.
    to_ask: VecDeque<u32>,
    /// Readers whose question the engine could not answer: asked again with the next sweep.
    failed: Vec<u32>,
    visit: Visit,
    drain: Option<Arc<DrainPlan>>,
    /// Some member does not know of the drain.
    untold: bool,
    closing: Option<CloseCode>,
    counts_paid_ms: u64,
}

/// What happens between two yields.
#[derive(Debug, Default)]
struct Turn {
    now_ms: u64,
    writes: usize,
    skips: usize,
    deliveries: u64,
    caught_up: u64,
    bytes: u64,
    gaps: u64,
    missed: u64,
    blocked: u64,
}

impl Fanout {
    pub(crate) fn new(shared: Arc<Shared>, shard: usize) -> Self {
        Fanout {
            shared,
            shard,
            all: Readers::default(),
            live: Window::default(),
            late: Window::default(),
            past: Past::default(),
            asked: HashMap::new(),
            to_ask: VecDeque::new(),
            failed: Vec::new(),
            visit: Visit::default(),
            drain: None,
            untold: false,
            closing: None,
            counts_paid_ms: 0,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut sweep = care::sweep_interval(&self.shared);
        loop {
            if self.all.work.is_empty() {
                [&mut self.live, &mut self.late].into_iter().for_each(Window::clear);
                self.past.clear();
                self.all.give_back();
                tokio::select! {
                    () = self.shared.shards[self.shard].notified() => {}
                    _ = sweep.tick() => self.sweep(),
                }
            } else if std::future::poll_fn(|cx| Poll::Ready(sweep.poll_tick(cx).is_ready())).await {
                self.sweep();
            }
            self.follow();
            if std::mem::take(&mut self.untold) {
                self.announce().await;
            }
            self.turn();
            if !self.all.work.is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Does as much as fits between two yields.
    fn turn(&mut self) {
        let mut turn = Turn { now_ms: self.shared.clock.now_ms(), ..Turn::default() };
        self.past.clear_before(turn.now_ms);
        self.ask_on();
        while turn.writes < FANOUT_WRITES_PER_TURN && turn.skips < FANOUT_SKIPS_PER_TURN {
            let Some(work) = self.all.work.pop_front() else { break };
            match work {
                Work::Visit(member) => self.visit(member, &mut turn),
                Work::Mark(local, from) => turn.skips += self.all.mark_slice(local, from, FANOUT_MARKS_PER_SLICE),
                Work::Settle(local) => self.settle(local),
            }
            turn.skips += 1;
        }
        self.count(&turn);
    }

    fn count(&self, turn: &Turn) {
        let counters = &self.shared.counters;
        let counts = [
            (&counters.deliveries, turn.deliveries),
            (&counters.caught_up, turn.caught_up),
            (&counters.bytes_sent, turn.bytes),
            (&counters.gaps, turn.gaps),
            (&counters.missed, turn.missed),
            (&counters.blocked, turn.blocked),
        ];
        counts.into_iter().filter(|(_, n)| *n > 0).for_each(|(count, n)| count.add(n));
    }

    fn follow(&mut self) {
        for notice in self.shared.shards[self.shard].take() {
            match notice {
                Notice::Join(connection) => self.join(connection),
                Notice::Broadcasts(connection, cursor) => self.broadcasts(&connection, cursor),
                Notice::Resume(connection) => self.resume(&connection),
                Notice::Leave(connection) => self.leave(&connection),
                Notice::Subscribe(subscription, start) => self.subscribe(subscription, start),
                Notice::Unsubscribe(subscription) => self.unsubscribe(&subscription),
                Notice::Dirty(channel) => self.round(&channel),
                Notice::Answered(reader) => self.answered(reader),
                Notice::Drain(plan) => (self.drain, self.untold) = (Some(plan), true),
                Notice::Close(code) => {
                    self.closing = Some(code);
                    self.all.members.iter().for_each(|(_, member)| member.connection.close(code));
                }
            }
        }
    }

    fn join(&mut self, connection: Arc<Connection>) {
        if let Some(code) = self.closing {
            connection.close(code);
        }
        self.untold |= self.drain.is_some();
        let slot = self.all.members.vacant_key() as u32;
        connection.slot.store(slot, Ordering::Relaxed);
        self.all.members.insert(Member::new(connection, self.shared.clock.now_ms()));
    }

    fn broadcasts(&mut self, connection: &Connection, cursor: Cursor) {
        let slot = connection.slot.load(Ordering::Relaxed);
        let broadcasts = self.shared.broadcasts.clone();
        let place = Place { generation: 0, offset: cursor.offset, live: cursor };
        self.all.members[slot as usize].broadcasts = self.read(&broadcasts, None, slot, place);
    }

    fn resume(&mut self, connection: &Connection) {
        let slot = connection.slot.load(Ordering::Relaxed);
        if slot == NONE {
            return;
        }
        for local in self.all.resume(slot) {
            // So that the log gives up what was kept.
            let channel = self.all.locals[local as usize].channel.clone();
            self.round(&channel);
        }
    }

    fn leave(&mut self, connection: &Connection) {
        let slot = connection.slot.swap(NONE, Ordering::Relaxed);
        if let Some(member) = self.all.members.get(slot as usize) {
            let broadcasts = member.broadcasts;
            if broadcasts != NONE {
                self.forget_reader(broadcasts);
            }
            self.all.remove_member(slot);
        }
    }

    fn subscribe(&mut self, subscription: Arc<Subscription>, start: Start) {
        let member = subscription.connection().slot.load(Ordering::Relaxed);
        let channel = subscription.channel().clone();
        let reader = self.read(&channel, Some(subscription.clone()), member, Place::new(start));
        subscription.slot.store(reader, Ordering::Relaxed);
    }

    fn unsubscribe(&mut self, subscription: &Subscription) {
        match subscription.slot.swap(NONE, Ordering::Relaxed) {
            // It was never begun.
            NONE => subscription.channel().lock().detach(subscription.channel(), self.shard, &self.shared.gate),
            reader => self.forget_reader(reader),
        }
    }

    /// Adds a reader that has begun, and goes round, for the channel keeps everything for it until then.
    fn read(
        &mut self,
        channel: &Arc<Channel>,
        subscription: Option<Arc<Subscription>>,
        member: u32,
        place: Place,
    ) -> u32 {
        let mut state = channel.lock();
        state.arrive(self.shard);
        let (mut local, mark) = state.local(self.shard);
        if local == NO_LOCAL {
            local = self.all.add_local(channel.clone(), mark);
            state.set_local(self.shard, local);
        }
        drop(state);
        let reader = self.all.add_reader(subscription, member, local, place);
        self.all.mark(reader);
        self.all.round(local, mark);
        reader
    }

    fn forget_reader(&mut self, reader: u32) {
        let found = &self.all.readers[reader as usize];
        let (local, asked) = (found.local, found.asked);
        if asked && self.asked.remove(&reader).is_none() {
            self.to_ask.retain(|other| *other != reader);
        }
        let channel = self.all.locals[local as usize].channel.clone();
        self.all.remove_reader(reader);
        channel.lock().detach(&channel, self.shard, &self.shared.gate);
        self.forget_unused(local);
    }

    /// A channel has something new.
    fn round(&mut self, channel: &Arc<Channel>) {
        let mut state = channel.lock();
        let (local, mark) = state.local(self.shard);
        if local == NO_LOCAL {
            // Nobody here but readers that are still to come.
            state.settle(channel, self.shard, mark, false, &self.shared.gate);
        } else {
            drop(state);
            self.all.round(local, mark);
        }
    }

    /// A round may be over.
    fn settle(&mut self, local: u32) {
        if !self.all.is_over(local) {
            return;
        }
        let found = &self.all.locals[local as usize];
        let mut next = None;
        // Without readers the channel may already stand for others, who are not known here yet.
        if !found.readers.is_empty() {
            let channel = &found.channel;
            let behind = found.behind > 0;
            next = channel.lock().settle(channel, self.shard, found.offered, behind, &self.shared.gate);
        }
        self.all.end_round(local, next);
        self.forget_unused(local);
    }

    fn forget_unused(&mut self, local: u32) {
        if !self.all.is_unused(local) {
            return;
        }
        let channel = self.all.locals.remove(local as usize).channel;
        let mut state = channel.lock();
        if state.local(self.shard).0 == local {
            state.set_local(self.shard, NO_LOCAL);
        }
    }
}
