//! What a reader gets next: out of the log, out of the history, or the news that
//! something is gone.

use std::sync::Arc;

use ws_proto::event::{BroadcastGap, ChannelGap, Notify};
use ws_proto::{CloseCode, encode_notification};

use super::arena::Id;
use super::history_page::query;
use super::portion::{Note, Source};
use super::questions::Question;
use super::readers::{Member, Reader, ReaderCursor, State};
use super::state::Fanout;
use crate::channel::{Channel, Kind};
use crate::engine::{History, Pending};
use crate::frame::{self, Opcode};
use crate::hub::{Notice, Shared};
use crate::limits::{FANOUT_LARGE_CHANNEL, FANOUT_WRITES_PER_TURN};
use crate::options::OnLag;
use crate::registry::Named;
use crate::run::Cursor;

/// What came of looking.
enum Step {
    Found(Source),
    /// The reader has been put elsewhere: look again.
    Moved(ReaderCursor),
    /// Nothing for now: it is marked when there is something.
    Nothing,
    /// Nothing before the engine has answered.
    Asked,
    /// Nothing before there is room to ask the engine.
    ToAsk,
    /// The engine could not say; ask it again later.
    Failed,
    /// Nothing any more: its subscription has ended.
    Ended,
    /// Nothing any more: its connection is too slow for this channel.
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
                    self.all.has_to_ask(id);
                    self.line_up(member);
                }
                Step::Failed => {
                    reader.state = State::Failed;
                    self.failed.push(id);
                }
                Step::Ended => {
                    reader.state = State::Stopped;
                    self.close_question(id);
                }
                Step::TooSlow => {
                    reader.state = State::Stopped;
                    self.all.members[reader.member].connection.close(CloseCode::TooSlow);
                }
            }
            return None;
        }
    }

    /// Lets members ask that found no room, as far as there is some now. A reader that finds what it needs in the
    /// page at hand needs none: many are often at the same cursor.
    pub(super) fn ask_on(&mut self) {
        for _ in 0..FANOUT_WRITES_PER_TURN {
            let Some(member) = self.questions.first() else { break };
            let next = self.all.members[member].to_ask.first();
            let is_served = next.is_some_and(|id| {
                let reader = &self.all.readers[id];
                self.page.find(&self.all.locals[reader.local].channel, &reader.cursor).is_some()
            });
            if !is_served && !self.questions.has_room() {
                break;
            }
            self.leave_line(member);
            if let Some(id) = self.all.take_to_ask(member) {
                if !is_served {
                    self.ask(id);
                }
                // For one that has asked, once it is answered.
                self.all.mark(id);
            }
            self.line_up(member);
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
        self.questions.open(id, Question { member, from, pending });
    }

    /// The engine has answered for a reader.
    pub(super) fn answered(&mut self, id: Id<Reader>) {
        let Some(reader) = self.all.readers.get_mut(id).filter(|reader| reader.state == State::Asked) else { return };
        reader.state = State::Idle;
        if self.all.members[reader.member].waiting {
            self.close_question(id);
        }
        self.all.mark(id);
    }

    /// A reader asks again what the engine could not answer.
    pub(super) fn retry(&mut self, id: Id<Reader>) {
        if let Some(reader) = self.all.readers.get_mut(id).filter(|reader| reader.state == State::Failed) {
            reader.state = State::Idle;
            self.all.mark(id);
        }
    }

    /// The socket of a member is full: it keeps no answer that it cannot use, and lets others ask.
    pub(super) fn block(&mut self, member: Id<Member>) {
        self.all.block(member);
        self.leave_line(member);
        let answered = |id: &Id<Reader>| self.all.readers[*id].state == State::Blocked;
        let unused: Vec<_> = self.questions.of(member).filter(answered).collect();
        unused.into_iter().for_each(|id| drop(self.close_question(id)));
    }

    /// Takes back a reader's question; another of its member's readers may ask then.
    pub(super) fn close_question(&mut self, id: Id<Reader>) -> Option<Question> {
        let question = self.questions.close(id)?;
        self.line_up(question.member);
        Some(question)
    }

    /// Puts a member into the line of those that have to ask, if it may ask and is not in it.
    pub(super) fn line_up(&mut self, id: Id<Member>) {
        let member = &mut self.all.members[id];
        if member.ticket == 0 && !member.waiting && !member.to_ask.is_empty() && self.questions.has_room_for(id) {
            member.ticket = self.questions.wait(id);
        }
    }

    /// Takes a member out of that line.
    pub(super) fn leave_line(&mut self, id: Id<Member>) {
        self.questions.leave(std::mem::take(&mut self.all.members[id].ticket));
    }

    fn look(&mut self, id: Id<Reader>) -> Step {
        let reader = &mut self.all.readers[id];
        if reader.subscription.as_ref().is_some_and(|subscription| subscription.has_ended()) {
            return Step::Ended;
        }
        let (cursor, local) = (reader.cursor, &self.all.locals[reader.local]);
        let channel = &local.channel;
        if cursor.generation != channel.generation() {
            let news = new_stream(channel, cursor);
            self.close_question(id);
            return news;
        }
        if cursor.offset < cursor.live.offset {
            return self.catch_up(id);
        }
        reader.fresh = false;
        let seq = cursor.live.seq;
        if seq >= channel.end_seq() {
            return Step::Nothing;
        }
        let is_live = local.readers.len() >= FANOUT_LARGE_CHANNEL && !self.live.is_beyond(channel, seq);
        let window = if is_live { &mut self.live } else { &mut self.late };
        let first = window.cover(channel, seq);
        if first.seq > seq {
            return skip(&self.shared, channel, cursor, first);
        }
        match window.range(seq) {
            range if range.is_empty() => Step::Nothing,
            range if is_live => Step::Found(Source::Live(range)),
            range => Step::Found(Source::Late(range)),
        }
    }

    /// What the history has for a reader that is behind what the log had when it came there.
    fn catch_up(&mut self, id: Id<Reader>) -> Step {
        let question = self.close_question(id);
        let Reader { member, cursor, fresh, local, .. } = self.all.readers[id];
        let channel = &self.all.locals[local].channel;
        if let Some(range) = self.page.find(channel, &cursor) {
            return Step::Found(Source::History(range));
        }
        let pending = match question {
            // What was asked from another cursor says nothing about this one.
            Some(question) if question.from == cursor => question.pending,
            _ if self.may_ask(member) => ask(&self.shared, self.shard, id, channel, &cursor),
            _ => return Step::ToAsk,
        };
        let Some(result) = pending.take() else {
            self.questions.open(id, Question { member, from: cursor, pending });
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
        match first.map_or(cursor.live.offset, |first| first - 1).min(cursor.live.offset) {
            // Who has just been told where it begins is not slow: it is told, whatever others are.
            to if to > cursor.offset && fresh => gap(channel, cursor, to),
            to if to > cursor.offset => lag(&self.shared, channel, cursor, to),
            // It is in the page now.
            _ => Step::Moved(cursor),
        }
    }

    /// Whether a member may ask right away: there is room, and nobody waits for it.
    fn may_ask(&self, member: Id<Member>) -> bool {
        self.questions.is_line_empty() && self.questions.has_room() && self.questions.has_room_for(member)
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
        |done| shared.engine.history(query(channel, cursor), done),
        move || waker.shards[shard].notify(Notice::Answered(reader)),
    )
}

/// The channel has begun again.
fn new_stream(channel: &Channel, cursor: ReaderCursor) -> Step {
    let state = channel.lock();
    let (generation, epoch) = (channel.generation(), state.epoch);
    drop(state);
    let epoch = epoch.map(|epoch| epoch.to_string().into());
    let gap = ChannelGap { channel: channel.name().into(), epoch, ..ChannelGap::default() };
    let then = ReaderCursor { generation, offset: 0, live: Cursor { offset: 0, ..cursor.live } };
    note(&gap, 0, then)
}

/// The log begins at `first`, behind the reader.
fn skip(shared: &Shared, channel: &Arc<Channel>, cursor: ReaderCursor, first: Cursor) -> Step {
    let missed = first.offset.saturating_sub(cursor.offset);
    if channel.kind() == Kind::Kept {
        // The history has the publications. What it has not is who came and went.
        owe_counts(shared, channel);
        return Step::Moved(ReaderCursor { live: first, ..cursor });
    }
    let then = ReaderCursor { offset: first.offset, live: first, ..cursor };
    if missed == 0 {
        owe_counts(shared, channel);
        return Step::Moved(then);
    }
    match (channel.kind(), channel.options().on_lag) {
        (Kind::Broadcast, _) => note(&BroadcastGap { broadcast: true, missed }, missed, then),
        (_, OnLag::Gap) => {
            owe_counts(shared, channel);
            let gap = ChannelGap { channel: channel.name().into(), missed: Some(missed), ..ChannelGap::default() };
            note(&gap, missed, then)
        }
        (_, OnLag::Latest) => latest(shared, channel, cursor, first.offset),
        (_, OnLag::Disconnect) => Step::TooSlow,
    }
}

/// The publications behind the reader are gone from the history, up to offset `to`.
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

/// Goes on with the newest publication; all up to offset `to` are gone.
fn latest(shared: &Shared, channel: &Arc<Channel>, cursor: ReaderCursor, to: u64) -> Step {
    let state = channel.lock();
    if channel.generation() != cursor.generation {
        return Step::Moved(cursor);
    }
    let live = if channel.kind() == Kind::Kept { state.end } else { state.before_newest() };
    drop(state);
    let offset = match channel.kind() {
        Kind::Kept if to < live.offset => live.offset - 1,
        _ => live.offset,
    };
    owe_counts(shared, channel);
    shared.counters.missed.add(offset - cursor.offset);
    Step::Moved(ReaderCursor { offset, live, ..cursor })
}

/// Joins and leaves may be among what a reader does not get.
fn owe_counts(shared: &Shared, channel: &Arc<Channel>) {
    if channel.options().join_leave {
        shared.owe_counts(channel, &mut channel.lock());
    }
}

fn note<E: Notify>(event: &E, missed: u64, then: ReaderCursor) -> Step {
    let mut frame = Vec::new();
    frame::append(Opcode::Text, &mut frame, |out| encode_notification(event, out));
    Step::Found(Source::Note(Note { frame, missed, then }))
}
