//! The fan-out: one task per shard that visits its connections and writes to each, without waiting, everything between
//! its cursors and the current ends of the channels it reads.
//!
//! One wake-up serves all connections, and a visit also writes what was published after the round started, so the
//! busier the server is, the more publications share a system call. What several channels have for one connection goes
//! out in one write. A connection whose socket is full leaves the round until its own task resumes it. The same task
//! sweeps its connections for heartbeats and write timeouts, so an idle connection costs no timer.

mod arena;
mod history_page;
mod list;
mod next;
mod portion;
mod queries;
mod readers;
mod state;
mod sweep;
mod visit;
mod window;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use self::arena::Id;
use self::readers::{Local, Member, Reader, ReaderCursor, Work};
pub(crate) use self::state::Fanout;
use self::state::Turn;
use self::window::Window;
use crate::channel::Channel;
use crate::connection::Connection;
use crate::limits::{FANOUT_MARKS_PER_SLICE, FANOUT_SKIPS_PER_TURN, FANOUT_WRITES_PER_TURN};
use crate::run::Cursor;
use crate::state::{Notice, Start, Subscription};

impl Fanout {
    pub(crate) async fn run(mut self) {
        let mut sweep = sweep::sweep_interval(&self.shared);
        self.swept_ms = self.shared.clock.now_ms();
        loop {
            if self.all.work.is_empty() {
                [&mut self.live, &mut self.lagging].into_iter().for_each(Window::clear);
                self.page.clear();
                self.all.shrink();
                tokio::select! {
                    () = self.shared.shards[self.shard].notified() => {}
                    _ = sweep.tick() => self.sweep(),
                }
            } else if std::future::poll_fn(|cx| Poll::Ready(sweep.poll_tick(cx).is_ready())).await {
                self.sweep();
            }
            self.handle_notices();
            if std::mem::take(&mut self.drain_unannounced) {
                self.announce().await;
            }
            self.turn();
            if !self.all.work.is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Does the work between two yields.
    fn turn(&mut self) {
        let mut turn = Turn { now_ms: self.shared.clock.now_ms(), ..Turn::default() };
        self.page.clear_before(turn.now_ms);
        self.ask_queued();
        while turn.writes < FANOUT_WRITES_PER_TURN && turn.skips < FANOUT_SKIPS_PER_TURN {
            let Some(work) = self.all.work.pop_front() else { break };
            match work {
                Work::Visit(member) if self.is_internal(member) => {
                    let mut uncounted = Turn { now_ms: turn.now_ms, ..Turn::default() };
                    self.visit(member, &mut uncounted);
                    turn.writes += uncounted.writes;
                }
                Work::Visit(member) => self.visit(member, &mut turn),
                Work::Mark(local, from) => turn.skips += self.all.mark_slice(local, from, FANOUT_MARKS_PER_SLICE),
                Work::EndRound(local) => self.finish_round(local),
            }
            turn.skips += 1;
        }
        // Answers have been used: there may be room for more queries.
        self.ask_queued();
        self.count(&mut turn);
    }

    /// Whether it is a connection of the server to itself.
    fn is_internal(&self, id: Id<Member>) -> bool {
        self.all.members.get(id).is_some_and(|member| member.connection.is_internal)
    }

    fn count(&self, turn: &mut Turn) {
        let counters = &self.shared.counters;
        counters.write_frames.take(&mut turn.write_frames);
        counters.cursor_lag.take(&mut turn.cursor_lag);
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

    /// Handles the notices in the inbox.
    fn handle_notices(&mut self) {
        for notice in self.shared.shards[self.shard].take() {
            match notice {
                Notice::Join(connection) => self.join(connection),
                Notice::Broadcasts(connection, cursor) => self.broadcasts(&connection, cursor),
                Notice::Resume(connection) => self.resume(&connection),
                Notice::Leave(connection) => self.leave(&connection),
                Notice::Subscribe(subscription, start) => self.subscribe(subscription, start),
                Notice::Unsubscribe(subscription) => self.unsubscribe(&subscription),
                Notice::Dirty(channel) => self.start_round(&channel),
                Notice::Answered(reader) => self.answered(Id::from_raw(reader)),
                Notice::Cursors(subscriptions, answer) => drop(answer.send(self.cursors(&subscriptions))),
                Notice::Drain(plan) => (self.drain, self.drain_unannounced) = (Some(plan), true),
                Notice::Close(code) => {
                    self.closing = Some(code);
                    self.all.members.iter().for_each(|(_, member)| member.connection.close(code));
                }
            }
        }
    }

    /// Where these subscriptions are.
    fn cursors(&self, subscriptions: &[Arc<Subscription>]) -> Vec<Option<u64>> {
        let cursor = |subscription: &Arc<Subscription>| {
            let cursor = self.all.readers.get(Id::from_raw(subscription.slot.load(Ordering::Relaxed)))?.cursor;
            (cursor.generation == subscription.channel().generation()).then_some(cursor.offset)
        };
        subscriptions.iter().map(cursor).collect()
    }

    fn join(&mut self, connection: Arc<Connection>) {
        if let Some(code) = self.closing {
            connection.close(code);
        }
        self.drain_unannounced |= self.drain.is_some();
        let id = self.all.members.insert(Member::new(connection, self.shared.clock.now_ms()));
        self.all.members[id].connection.slot.store(id.raw(), Ordering::Relaxed);
    }

    fn broadcasts(&mut self, connection: &Connection, cursor: Cursor) {
        let member = member_of(connection);
        let broadcasts = self.shared.broadcasts.clone();
        let cursor = ReaderCursor { generation: 0, offset: cursor.offset, live: cursor };
        self.all.members[member].broadcasts = self.read(&broadcasts, None, member, cursor);
    }

    fn resume(&mut self, connection: &Connection) {
        let member = member_of(connection);
        if member.is_none() {
            return;
        }
        for local in self.all.unblock(member) {
            let channel = self.all.locals[local].channel.clone();
            self.start_round(&channel);
        }
        self.queue_to_ask(member);
    }

    fn leave(&mut self, connection: &Connection) {
        let id = Id::from_raw(connection.slot.swap(Id::<Member>::NONE.raw(), Ordering::Relaxed));
        if let Some(member) = self.all.members.get(id) {
            let broadcasts = member.broadcasts;
            if !broadcasts.is_none() {
                self.forget_reader(broadcasts);
            }
            self.leave_ask_queue(id);
            self.all.remove_member(id);
        }
    }

    fn subscribe(&mut self, subscription: Arc<Subscription>, start: Start) {
        let member = member_of(subscription.connection());
        let channel = subscription.channel().clone();
        let reader = self.read(&channel, Some(subscription.clone()), member, ReaderCursor::new(start));
        subscription.slot.store(reader.raw(), Ordering::Relaxed);
    }

    fn unsubscribe(&mut self, subscription: &Subscription) {
        let reader = Id::<Reader>::from_raw(subscription.slot.swap(Id::<Reader>::NONE.raw(), Ordering::Relaxed));
        if reader.is_none() {
            // It was never started, so whether other readers are blocked is not known here.
            subscription.channel().lock().detach(subscription.channel(), self.shard, true, &self.shared.gate);
        } else {
            self.forget_reader(reader);
        }
    }

    /// Adds a reader that has started, and starts a round: until that ends, the channel keeps everything for the
    /// reader.
    fn read(
        &mut self,
        channel: &Arc<Channel>,
        subscription: Option<Arc<Subscription>>,
        member: Id<Member>,
        cursor: ReaderCursor,
    ) -> Id<Reader> {
        let mut state = channel.lock();
        state.take_over_reader(self.shard);
        let (local, position) = state.local(self.shard);
        let mut local = Id::from_raw(local);
        if local.is_none() {
            local = self.all.add_local(channel.clone(), position);
            state.set_local(self.shard, local.raw());
        }
        drop(state);
        let reader = self.all.add_reader(subscription, member, local, cursor);
        self.all.mark(reader);
        self.all.start_round(local, position);
        reader
    }

    fn forget_reader(&mut self, id: Id<Reader>) {
        let Reader { member, local, .. } = self.all.readers[id];
        self.all.remove_reader(id);
        self.close_query(id);
        if self.all.members[member].to_ask.is_empty() {
            self.leave_ask_queue(member);
        }
        let found = &self.all.locals[local];
        found.channel.lock().detach(&found.channel, self.shard, found.is_behind(), &self.shared.gate);
        self.forget_unused(local);
    }

    /// A channel is dirty: starts a round in it.
    fn start_round(&mut self, channel: &Arc<Channel>) {
        let mut state = channel.lock();
        let (local, position) = state.local(self.shard);
        let local = Id::from_raw(local);
        if local.is_none() {
            // It has no readers here yet, only ones that are about to be taken over.
            state.end_round(channel, self.shard, position, false, &self.shared.gate);
        } else {
            drop(state);
            self.all.start_round(local, position);
        }
    }

    /// Ends the round in a channel, if it is over.
    fn finish_round(&mut self, local: Id<Local>) {
        if !self.all.is_over(local) {
            return;
        }
        let found = &self.all.locals[local];
        let mut next = None;
        // Without readers here, the channel must keep what readers need that have not been taken over yet.
        if !found.readers.is_empty() {
            let channel = &found.channel;
            let is_blocked = found.blocked > 0;
            let mut state = channel.lock();
            next = state.end_round(channel, self.shard, found.round_end, is_blocked, &self.shared.gate);
            let timed = state.take_timed(self.shard, found.round_end);
            drop(state);
            if let Some(read_us) = timed {
                let took_us = self.shared.clock.now_us().saturating_sub(read_us);
                self.shared.counters.frame_us.record(took_us);
            }
        }
        self.all.end_round(local, next);
        self.forget_unused(local);
    }

    fn forget_unused(&mut self, local: Id<Local>) {
        if !self.all.is_unused(local) {
            return;
        }
        let channel = self.all.locals.remove(local).channel;
        let mut state = channel.lock();
        if state.local(self.shard).0 == local.raw() {
            state.set_local(self.shard, Id::<Local>::NONE.raw());
        }
    }
}

/// The member of a connection; none before it has joined and after it has left.
fn member_of(connection: &Connection) -> Id<Member> {
    Id::from_raw(connection.slot.load(Ordering::Relaxed))
}
