//! What a reader gets next: out of the log, out of the history behind which it is, or the news that
//! something is gone.

use std::sync::Arc;

use ws_proto::event::{BroadcastGap, ChannelGap, Notify};
use ws_proto::{CloseCode, encode_notification};

use super::Fanout;
use super::past::query;
use super::readers::Place;
use super::visit::{Note, Source};
use crate::channel::{Channel, Kind};
use crate::engine::{History, Pending};
use crate::frame::{self, Opcode};
use crate::hub::Shared;
use crate::limits::{FANOUT_ASKED_MAX, FANOUT_LARGE_CHANNEL, FANOUT_WRITES_PER_TURN};
use crate::log::Cursor;
use crate::options::OnLag;
use crate::registry::Named;
use crate::shard::Notice;

/// What came of looking.
enum Step {
    Found(Source),
    /// The reader has been put elsewhere: look again.
    Moved(Place),
    /// Nothing for now: it is marked when there is something.
    Nothing,
    /// Nothing before it is woken.
    Parked,
    /// Nothing before the engine has answered others.
    Queued,
    /// The engine has not said; ask it again later.
    Failed,
    /// Its connection is too slow for this channel.
    TooSlow,
}

impl Fanout {
    /// What a reader gets next, if there is something.
    pub(super) fn next(&mut self, index: u32) -> Option<Source> {
        loop {
            match self.look(index) {
                Step::Found(source) => return Some(source),
                Step::Moved(place) => self.all.readers[index as usize].place = place,
                Step::Nothing => return None,
                step => {
                    let reader = &mut self.all.readers[index as usize];
                    reader.asked = true;
                    match step {
                        Step::Failed => self.failed.push(index),
                        Step::Queued => self.to_ask.push_back(index),
                        Step::TooSlow => self.all.members[reader.member as usize].connection.close(CloseCode::TooSlow),
                        _ => {}
                    }
                    return None;
                }
            }
        }
    }

    /// Lets readers look again that would have asked the engine when it had been asked enough: what it has
    /// answered since may be what they need, for many are often at the same place.
    pub(super) fn ask_on(&mut self) {
        let n = if self.asked.len() < FANOUT_ASKED_MAX { FANOUT_WRITES_PER_TURN } else { 0 };
        for _ in 0..n.min(self.to_ask.len()) {
            self.to_ask.pop_front().into_iter().for_each(|reader| self.answered(reader));
        }
    }

    /// The engine has answered for a reader, or is to be asked again.
    pub(super) fn answered(&mut self, index: u32) {
        if let Some(reader) = self.all.readers.get_mut(index as usize) {
            reader.asked = false;
            self.all.mark(index);
        }
    }

    fn look(&mut self, index: u32) -> Step {
        let reader = &mut self.all.readers[index as usize];
        if reader.subscription.as_ref().is_some_and(|subscription| subscription.has_ended()) {
            return Step::Parked;
        }
        let (place, local) = (reader.place, &self.all.locals[reader.local as usize]);
        let channel = &local.channel;
        if place.generation != channel.generation() {
            return new_stream(channel, place);
        }
        if place.offset < place.live.offset {
            return self.catch_up(index);
        }
        reader.fresh = false;
        let seq = place.live.seq;
        if seq >= channel.end_seq() {
            return Step::Nothing;
        }
        let is_live = local.readers.len() >= FANOUT_LARGE_CHANNEL && !self.live.is_beyond(channel, seq);
        let window = if is_live { &mut self.live } else { &mut self.late };
        let first = window.cover(channel, seq);
        if first.seq > seq {
            return skip(&self.shared, channel, place, first);
        }
        match window.range(seq) {
            range if range.is_empty() => Step::Nothing,
            range if is_live => Step::Found(Source::Live(range)),
            range => Step::Found(Source::Late(range)),
        }
    }

    /// What the history has for a reader that is behind what the log had when it came there.
    fn catch_up(&mut self, index: u32) -> Step {
        let reader = &self.all.readers[index as usize];
        let (place, channel) = (reader.place, &self.all.locals[reader.local as usize].channel);
        let asked = self.asked.remove(&index);
        if let Some(range) = self.past.find(channel, &place) {
            return Step::Found(Source::Past(range));
        }
        let pending = match asked {
            // What was asked from another place says nothing about this one.
            Some((from, pending)) if from == place => pending,
            _ if self.asked.len() >= FANOUT_ASKED_MAX => return Step::Queued,
            _ => ask(&self.shared, self.shard, index, channel, &place),
        };
        let Some(result) = pending.take() else {
            self.asked.insert(index, (place, pending));
            return Step::Parked;
        };
        let Ok(history) = result else { return Step::Failed };
        let epoch = channel.lock().epoch;
        if channel.generation() != place.generation {
            return Step::Moved(place);
        }
        if epoch != Some(history.epoch) {
            return Step::Failed;
        }
        self.past.fill(channel, place.generation, &history, self.shared.clock.now_ms());
        let first = history.publications.first().and_then(|first| first.offset).filter(|first| *first > place.offset);
        match first.map_or(place.live.offset, |first| first - 1).min(place.live.offset) {
            // Who has just been told where it begins is not slow: it is told, whatever others are.
            to if to > place.offset && reader.fresh => gap(channel, place, to),
            to if to > place.offset => lag(&self.shared, channel, place, to),
            // It is in the page now.
            _ => Step::Moved(place),
        }
    }
}

fn ask(shared: &Arc<Shared>, shard: usize, reader: u32, channel: &Channel, place: &Place) -> Pending<History> {
    let waker = shared.clone();
    Pending::start(
        |done| shared.engine.history(query(channel, place), done),
        move || waker.shards[shard].notify(Notice::Answered(reader)),
    )
}

/// The channel has begun again.
fn new_stream(channel: &Channel, place: Place) -> Step {
    let state = channel.lock();
    let (generation, epoch) = (channel.generation(), state.epoch);
    drop(state);
    let epoch = epoch.map(|epoch| epoch.to_string().into());
    let gap = ChannelGap { channel: channel.name().into(), epoch, ..ChannelGap::default() };
    let then = Place { generation, offset: 0, live: Cursor { offset: 0, ..place.live } };
    note(&gap, 0, then)
}

/// The log begins at `first`, behind the reader.
fn skip(shared: &Shared, channel: &Arc<Channel>, place: Place, first: Cursor) -> Step {
    let missed = first.offset.saturating_sub(place.offset);
    if channel.kind() == Kind::Kept {
        // The history has the publications. What it has not is who came and went.
        owe_counts(shared, channel);
        return Step::Moved(Place { live: first, ..place });
    }
    let then = Place { offset: first.offset, live: first, ..place };
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
        (_, OnLag::Latest) => latest(shared, channel, place, first.offset),
        (_, OnLag::Disconnect) => Step::TooSlow,
    }
}

/// The publications behind the reader are gone from the history, up to offset `to`.
fn lag(shared: &Shared, channel: &Arc<Channel>, place: Place, to: u64) -> Step {
    match channel.options().on_lag {
        OnLag::Gap => gap(channel, place, to),
        OnLag::Latest => latest(shared, channel, place, to),
        OnLag::Disconnect => Step::TooSlow,
    }
}

fn gap(channel: &Channel, place: Place, to: u64) -> Step {
    let (from, name) = (place.offset + 1, channel.name().into());
    let gap = ChannelGap { channel: name, from: Some(from), to: Some(to), ..ChannelGap::default() };
    note(&gap, to - place.offset, Place { offset: to, ..place })
}

/// Goes on with the newest publication; all up to offset `to` are gone.
fn latest(shared: &Shared, channel: &Arc<Channel>, place: Place, to: u64) -> Step {
    let state = channel.lock();
    if channel.generation() != place.generation {
        return Step::Moved(place);
    }
    let live = if channel.kind() == Kind::Kept { state.end } else { state.before_newest() };
    drop(state);
    let offset = match channel.kind() {
        Kind::Kept if to < live.offset => live.offset - 1,
        _ => live.offset,
    };
    owe_counts(shared, channel);
    shared.counters.missed.add(offset - place.offset);
    Step::Moved(Place { offset, live, ..place })
}

/// Joins and leaves may be among what a reader does not get.
fn owe_counts(shared: &Shared, channel: &Arc<Channel>) {
    if channel.options().join_leave {
        shared.owe_counts(channel, &mut channel.lock());
    }
}

fn note<E: Notify>(event: &E, missed: u64, then: Place) -> Step {
    let mut frame = Vec::new();
    frame::append(Opcode::Text, &mut frame, |out| encode_notification(event, out));
    Step::Found(Source::Note(Note { frame, missed, then }))
}
