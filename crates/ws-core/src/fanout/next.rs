//! What a reader gets next: from the log, from the history, or a gap event for what is gone.

use std::sync::Arc;

use ws_proto::event::{BroadcastGap, ChannelGap, Notify};
use ws_proto::{CloseCode, encode_notification};

use super::arena::Id;
use super::history_page::query;
use super::portion::{Note, Source};
use super::queries::OpenQuery;
use super::readers::{Member, Reader, ReaderCursor, State};
use super::state::Fanout;
use crate::channel::Channel;
use crate::engine::History;
use crate::engine::pending::Pending;
use crate::frame::{self, Opcode};
use crate::kind::Kind;
use crate::limits::{FANOUT_LARGE_CHANNEL, FANOUT_WRITES_PER_TURN};
use crate::options::OnLag;
use crate::registry::Named;
use crate::run::Cursor;
use crate::state::{Notice, Shared};

/// The result of looking for what a reader gets next.
enum Step {
    Found(Source),
    /// The reader has a new cursor: look again.
    Moved(ReaderCursor),
    /// Nothing for now; the reader is marked when there is something.
    Nothing,
    /// Nothing until the engine answers.
    Asked,
    /// Nothing until there is room to ask the engine.
    ToAsk,
    /// The engine could not answer; ask it again later.
    Failed,
    /// Nothing ever: its subscription has ended.
    Ended,
    /// Nothing ever: its connection is too slow for this channel.
    TooSlow,
}

impl Fanout {
    /// What a reader gets next, if there is something.
    pub(super) fn next(&mut self, id: Id<Reader>) -> Option<Source> {
        loop {
            let step = self.look(id);
            let reader = &mut self.all.readers[id];
            match step {
                Step::Found(source) => return Some(source),
                Step::Moved(cursor) => {
                    reader.cursor = cursor;
                    continue;
                }
                Step::Nothing => {}
                Step::Asked => reader.state = State::Asked,
                Step::ToAsk => {
                    let member = reader.member;
                    self.all.push_to_ask(id);
                    self.queue_to_ask(member);
                }
                Step::Failed => {
                    reader.state = State::Failed;
                    self.failed.push(id);
                }
                Step::Ended => {
                    reader.state = State::Stopped;
                    self.close_query(id);
                }
                Step::TooSlow => {
                    reader.state = State::Stopped;
                    self.all.members[reader.member].connection.close(CloseCode::TooSlow);
                }
            }
            return None;
        }
    }

    /// Lets queued members ask as far as there is room now. A reader that finds what it needs in the current page needs
    /// no query: many are often at the same cursor.
    pub(super) fn ask_queued(&mut self) {
        for _ in 0..FANOUT_WRITES_PER_TURN {
            let Some(member) = self.queries.first() else { break };
            let next = self.all.members[member].to_ask.first();
            let is_served = next.is_some_and(|id| {
                let reader = &self.all.readers[id];
                self.page.find(&self.all.locals[reader.local].channel, &reader.cursor).is_some()
            });
            if !is_served && !self.queries.has_room() {
                break;
            }
            self.leave_ask_queue(member);
            if let Some(id) = self.all.take_to_ask(member) {
                if !is_served {
                    self.ask(id);
                }
                // Has no effect on a reader that waits for its answer; it is marked once that has come.
                self.all.mark(id);
            }
            self.queue_to_ask(member);
        }
    }

    /// Asks the engine for a reader.
    fn ask(&mut self, id: Id<Reader>) {
        let reader = &mut self.all.readers[id];
        let (member, from, channel) = (reader.member, reader.cursor, &self.all.locals[reader.local].channel);
        let pending = ask(&self.shared, self.shard, id, channel, &from);
        if !pending.is_answered() {
            reader.state = State::Asked;
        }
        self.queries.open(id, OpenQuery { member, from, pending });
    }

    /// The engine has answered for a reader.
    pub(super) fn answered(&mut self, id: Id<Reader>) {
        let Some(reader) = self.all.readers.get_mut(id).filter(|reader| reader.state == State::Asked) else { return };
        reader.state = State::Idle;
        if self.all.members[reader.member].blocked {
            self.close_query(id);
        }
        self.all.mark(id);
    }

    /// Has a reader look again after the engine could not answer.
    pub(super) fn retry(&mut self, id: Id<Reader>) {
        if let Some(reader) = self.all.readers.get_mut(id).filter(|reader| reader.state == State::Failed) {
            reader.state = State::Idle;
            self.all.mark(id);
        }
    }

    /// The socket of a member is full: it drops answers that it cannot use yet, and lets others ask.
    pub(super) fn block(&mut self, member: Id<Member>) {
        self.all.block(member);
        self.leave_ask_queue(member);
        let answered = |id: &Id<Reader>| self.all.readers[*id].state == State::Blocked;
        let unused: Vec<_> = self.queries.of(member).filter(answered).collect();
        unused.into_iter().for_each(|id| drop(self.close_query(id)));
    }

    /// Closes a reader's query; another of its member's readers may ask then.
    pub(super) fn close_query(&mut self, id: Id<Reader>) -> Option<OpenQuery> {
        let open_query = self.queries.close(id)?;
        self.queue_to_ask(open_query.member);
        Some(open_query)
    }

    /// Puts a member into the queue of those that have to ask, if it may ask and is not in the queue.
    pub(super) fn queue_to_ask(&mut self, id: Id<Member>) {
        let member = &mut self.all.members[id];
        if member.ticket == 0 && !member.blocked && !member.to_ask.is_empty() && self.queries.has_room_for(id) {
            member.ticket = self.queries.wait(id);
        }
    }

    /// Removes a member from that queue.
    pub(super) fn leave_ask_queue(&mut self, id: Id<Member>) {
        self.queries.leave(std::mem::take(&mut self.all.members[id].ticket));
    }

    fn look(&mut self, id: Id<Reader>) -> Step {
        let reader = &mut self.all.readers[id];
        if reader.subscription.as_ref().is_some_and(|subscription| subscription.has_ended()) {
            return Step::Ended;
        }
        let (cursor, local) = (reader.cursor, &self.all.locals[reader.local]);
        let channel = &local.channel;
        if cursor.generation != channel.generation() {
            let news = new_stream(&self.shared, channel, cursor);
            self.close_query(id);
            return news;
        }
        if cursor.offset < cursor.live.offset {
            return self.catch_up(id);
        }
        reader.recovering = false;
        let seq = cursor.live.seq;
        if seq >= channel.end_seq() {
            return Step::Nothing;
        }
        let is_live = local.readers.len() >= FANOUT_LARGE_CHANNEL && !self.live.is_beyond(channel, seq);
        let window = if is_live { &mut self.live } else { &mut self.lagging };
        let first = window.cover(channel, seq);
        if first.seq > seq {
            return skip(&self.shared, channel, cursor, first);
        }
        // After the frames were read, so that none of them is kept from the reader later.
        let hidden = reader.subscription.as_ref().and_then(|subscription| subscription.hidden_from(seq));
        if hidden == Some(seq) {
            return Step::Moved(ReaderCursor { live: Cursor { seq: seq + 1, ..cursor.live }, ..cursor });
        }
        let range = window.range(seq);
        // Up to the frame that this reader is not given.
        let frames = hidden.map_or(range.len(), |hidden| range.len().min((hidden - seq) as usize));
        match range.start..range.start + frames {
            range if range.is_empty() => Step::Nothing,
            range if is_live => Step::Found(Source::Live(range)),
            range => Step::Found(Source::Lagging(range)),
        }
    }

    /// What the history has for a reader that is still before the part of the stream it will read from the log.
    fn catch_up(&mut self, id: Id<Reader>) -> Step {
        let open_query = self.close_query(id);
        let Reader { member, cursor, recovering, local, .. } = self.all.readers[id];
        let channel = &self.all.locals[local].channel;
        if let Some(range) = self.page.find(channel, &cursor) {
            return Step::Found(Source::History(range));
        }
        let pending = match open_query {
            // An answer for another cursor is useless for this one.
            Some(open_query) if open_query.from == cursor => open_query.pending,
            _ if self.may_ask(member) => ask(&self.shared, self.shard, id, channel, &cursor),
            _ => return Step::ToAsk,
        };
        let Some(result) = pending.take() else {
            self.queries.open(id, OpenQuery { member, from: cursor, pending });
            return Step::Asked;
        };
        let Ok(history) = result else { return Step::Failed };
        let epoch = channel.lock().epoch;
        if channel.generation() != cursor.generation {
            return Step::Moved(cursor);
        }
        if epoch != Some(history.epoch) {
            return Step::Failed;
        }
        self.page.fill(channel, cursor.generation, &history, self.shared.clock.now_ms());
        let first = history.publications.first().and_then(|first| first.offset).filter(|first| *first > cursor.offset);
        // An engine tells the hub about a publication before its own position says so: what is above the position is not
        // there yet, and not gone.
        match first.map_or(history.top, |first| first - 1).min(cursor.live.offset) {
            // A reader that is still catching up after it subscribed is not slow: it gets a gap event, whatever
            // `on_lag` says.
            to if to > cursor.offset && recovering => gap(channel, cursor, to),
            to if to > cursor.offset => lag(&self.shared, channel, cursor, to),
            _ if first.is_none() => Step::Failed,
            // It is in the page now.
            _ => Step::Moved(cursor),
        }
    }

    /// Whether a member may ask at once: there is room, and nobody waits for it.
    fn may_ask(&self, member: Id<Member>) -> bool {
        self.queries.is_queue_empty() && self.queries.has_room() && self.queries.has_room_for(member)
    }
}

fn ask(
    shared: &Arc<Shared>,
    shard: usize,
    reader: Id<Reader>,
    channel: &Channel,
    cursor: &ReaderCursor,
) -> Pending<History> {
    let (waker, reader) = (shared.clone(), reader.raw());
    Pending::start(
        |done| shared.read_history(query(channel, cursor), done),
        move || waker.shards[shard].notify(Notice::Answered(reader)),
    )
}

/// The channel has started a new stream.
fn new_stream(shared: &Shared, channel: &Arc<Channel>, cursor: ReaderCursor) -> Step {
    // What was not sent of the old one is left out, joins and leaves too.
    schedule_counts(shared, channel);
    let state = channel.lock();
    let (generation, epoch) = (channel.generation(), state.epoch);
    let offset = state.carried_over(cursor.generation, cursor.offset);
    drop(state);
    let epoch = epoch.map(|epoch| epoch.to_string().into());
    let gap = ChannelGap { channel: channel.name().into(), epoch, after: Some(offset), ..ChannelGap::default() };
    let then = ReaderCursor { generation, offset, live: Cursor { offset, ..cursor.live } };
    note(&gap, 0, then)
}

/// The log starts at `first`, after the reader's cursor: frames in between are gone from it.
fn skip(shared: &Shared, channel: &Arc<Channel>, cursor: ReaderCursor, first: Cursor) -> Step {
    let missed = first.offset.saturating_sub(cursor.offset);
    if channel.kind() == Kind::Retained {
        // The history has the publications, but not the joins and leaves.
        schedule_counts(shared, channel);
        return Step::Moved(ReaderCursor { live: first, ..cursor });
    }
    let then = ReaderCursor { offset: first.offset, live: first, ..cursor };
    if missed == 0 {
        schedule_counts(shared, channel);
        return Step::Moved(then);
    }
    match (channel.kind(), channel.options().on_lag) {
        (Kind::Broadcast, _) => note(&BroadcastGap { broadcast: true, missed: Some(missed) }, missed, then),
        (_, OnLag::Gap) => {
            schedule_counts(shared, channel);
            let gap = ChannelGap { channel: channel.name().into(), missed: Some(missed), ..ChannelGap::default() };
            note(&gap, missed, then)
        }
        (_, OnLag::Latest) => latest(shared, channel, cursor, first.offset),
        (_, OnLag::Disconnect) => Step::TooSlow,
    }
}

/// The next publications of the reader are gone from the history, up to offset `to`.
fn lag(shared: &Shared, channel: &Arc<Channel>, cursor: ReaderCursor, to: u64) -> Step {
    match channel.options().on_lag {
        OnLag::Gap => gap(channel, cursor, to),
        OnLag::Latest => latest(shared, channel, cursor, to),
        OnLag::Disconnect => Step::TooSlow,
    }
}

fn gap(channel: &Channel, cursor: ReaderCursor, to: u64) -> Step {
    let (from, name) = (cursor.offset + 1, channel.name().into());
    let gap = ChannelGap { channel: name, from: Some(from), to: Some(to), ..ChannelGap::default() };
    note(&gap, to - cursor.offset, ReaderCursor { offset: to, ..cursor })
}

/// Continues with the newest publication; all up to offset `to` are gone.
fn latest(shared: &Shared, channel: &Arc<Channel>, cursor: ReaderCursor, to: u64) -> Step {
    let state = channel.lock();
    if channel.generation() != cursor.generation {
        return Step::Moved(cursor);
    }
    let live = if channel.kind() == Kind::Retained { state.end } else { state.before_newest() };
    drop(state);
    let offset = match channel.kind() {
        Kind::Retained if to < live.offset => live.offset - 1,
        _ => live.offset,
    };
    schedule_counts(shared, channel);
    shared.counters.missed.add(offset - cursor.offset);
    Step::Moved(ReaderCursor { offset, live, ..cursor })
}

/// Joins and leaves may be among what a reader misses.
fn schedule_counts(shared: &Shared, channel: &Arc<Channel>) {
    if channel.options().join_leave {
        shared.schedule_counts(channel, &mut channel.lock());
    }
}

fn note<E: Notify>(event: &E, missed: u64, then: ReaderCursor) -> Step {
    let mut frame = Vec::new();
    frame::append(Opcode::Text, &mut frame, |out| encode_notification(event, out));
    Step::Found(Source::Note(Note { frame, missed, then }))
}
