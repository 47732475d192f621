//! What arrives in channels, and which readers get it (docs/CLIENTS.md, "Channels").

use serde_json::value::RawValue;
use ws_proto::action::PresenceClient;
use ws_proto::event::{ChannelGap, Presence, PublicationEvent};

use super::channel::{Channel, Phase};
use super::event::{Event, Gap, Publication};
use super::output::Output;
use super::state::Machine;
use crate::position::Position;

impl Machine {
    pub(super) fn publication(&mut self, event: &PublicationEvent<'_, &RawValue>) {
        let own = event.msg_id.as_deref().is_some_and(|msg_id| self.seen(msg_id, event));
        let Some(seq) = self.channels.seq(&event.channel) else { return };
        let Some(channel) = self.channels.by_seq.get_mut(&seq).filter(|channel| channel.is_open()) else { return };
        let epoch = match (event.offset, &mut channel.cursor) {
            (Some(offset), Some(cursor)) if offset > cursor.offset => {
                cursor.offset = offset;
                Some(cursor.epoch.clone())
            }
            (Some(_), Some(_)) => return,
            _ => None,
        };
        let publication = Publication {
            offset: event.offset,
            data: event.data.to_owned(),
            time: event.time,
            from: event.from.clone(),
            msg_id: event.msg_id.as_deref().map(str::to_owned),
            tags: event
                .tags
                .as_ref()
                .map(|tags| tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()),
            own,
        };
        for at in 0..self.readers(seq) {
            self.offer(seq, at, &publication, epoch.as_deref());
        }
        self.go_live_if_caught_up(seq);
    }

    /// One of our own publications is in the channel; whether it is our own.
    fn seen(&mut self, msg_id: &str, event: &PublicationEvent<'_, &RawValue>) -> bool {
        let channel = self.channels.seq(&event.channel).and_then(|seq| self.channels.by_seq.get(&seq));
        let epoch = channel.and_then(|channel| channel.cursor.as_ref()).map(|cursor| cursor.epoch.clone());
        let position = epoch.zip(event.offset).map(|(epoch, offset)| Position { epoch, offset });
        self.outbox_seen(msg_id, &event.channel, position);
        self.outbox.is_own(msg_id)
    }

    fn offer(&mut self, seq: u64, at: usize, publication: &Publication, epoch: Option<&str>) {
        let Some(reader) = self.reader(seq, at).filter(|reader| !reader.stored) else { return };
        let is_behind = match (&reader.cursor, publication.offset, epoch) {
            (Some(cursor), Some(offset), Some(epoch)) => cursor.epoch == epoch && cursor.offset < offset,
            (_, None, _) => true,
            _ => false,
        };
        if reader.is_paused {
            reader.missed += u64::from(publication.offset.is_none());
        } else if is_behind {
            if let (Some(offset), Some(epoch)) = (publication.offset, epoch) {
                reader.moves_to(epoch, offset);
            }
            self.deliver(seq, at, Event::Publication(Box::new(publication.clone())));
        }
    }

    /// Hands an event to a reader. One that has too much is paused; if nobody is left to take what comes, the channel is
    /// left until somebody is.
    pub(super) fn deliver(&mut self, seq: u64, at: usize, event: Event) {
        let Some(reader) = self.reader(seq, at) else { return };
        reader.delivered(event.bytes());
        let (reader, position) = (reader.id, reader.cursor.clone());
        self.push(Output::Deliver { reader, event, position });
        let leaves = |channel: &Channel| channel.cursor.is_some() && !channel.has_takers();
        if self.channels.by_seq.get(&seq).is_some_and(leaves) {
            self.restart(seq);
        }
    }

    pub(super) fn taken(&mut self, id: u64) {
        let Some(seq) = self.channels.seq_of_reader(id) else { return };
        let Some(channel) = self.channels.by_seq.get_mut(&seq) else { return };
        let Some(at) = channel.readers.iter().position(|reader| reader.id == id) else { return };
        channel.is_unsaved |= channel.readers[at].take();
        if channel.readers[at].may_resume() {
            channel.readers[at].is_paused = false;
            self.resume(seq, at);
        }
    }

    /// A reader has room again.
    fn resume(&mut self, seq: u64, at: usize) {
        let Some(channel) = self.channels.get(seq) else { return };
        if !channel.is_open() {
            return;
        }
        let here = channel.cursor.clone();
        let Some(reader) = channel.readers.get_mut(at) else { return };
        if here != reader.cursor {
            return self.restart(seq);
        }
        let missed = std::mem::take(&mut reader.missed);
        if missed > 0 {
            self.deliver(seq, at, Event::Gap(Gap::Missed { missed: Some(missed) }));
        }
        self.go_live_if_caught_up(seq);
    }

    pub(super) fn go_live_if_caught_up(&mut self, seq: u64) {
        let Some(channel) = self.channels.by_seq.get_mut(&seq) else { return };
        let is_there = channel.cursor.as_ref().is_none_or(|cursor| cursor.offset >= channel.top);
        if channel.phase == Phase::CatchingUp && is_there {
            channel.phase = Phase::Live;
            self.channels.dirty.insert(seq);
        }
        self.go_live(seq);
    }

    /// Tells readers that they are live, who do not know.
    pub(super) fn go_live(&mut self, seq: u64) {
        for at in 0..self.readers(seq) {
            if self.channels.by_seq.get(&seq).is_none_or(|channel| channel.phase != Phase::Live) {
                return;
            }
            let Some(reader) = self.reader(seq, at) else { return };
            if reader.is_live || reader.is_paused || reader.stored {
                continue;
            }
            (reader.is_live, reader.was_live) = (true, true);
            let (position, recovered) = (reader.cursor.clone(), reader.recovered.take());
            self.deliver(seq, at, Event::Live { position, recovered });
        }
    }

    pub(super) fn gap(&mut self, event: &ChannelGap<'_>) {
        let Some(seq) = self.channels.seq(&event.channel) else { return };
        let Some(channel) = self.channels.by_seq.get_mut(&seq).filter(|channel| channel.is_open()) else { return };
        match (event.epoch.as_deref(), event.after, event.from, event.to) {
            (Some(epoch), Some(after), ..) => self.next_epoch(seq, epoch, after),
            (_, _, Some(from), Some(to)) => {
                let Some(cursor) = channel.cursor.as_mut().filter(|cursor| cursor.offset < to) else { return };
                cursor.offset = to;
                let epoch = cursor.epoch.clone();
                for at in 0..self.readers(seq) {
                    self.skip(seq, at, &epoch, from, to);
                }
            }
            _ => {
                for at in 0..self.readers(seq) {
                    if self.reader(seq, at).is_some_and(|reader| !reader.is_paused && !reader.stored) {
                        self.deliver(seq, at, Event::Gap(Gap::Missed { missed: event.missed }));
                    }
                }
            }
        }
        self.go_live_if_caught_up(seq);
    }

    fn skip(&mut self, seq: u64, at: usize, epoch: &str, from: u64, to: u64) {
        let Some(reader) = self.reader(seq, at).filter(|reader| !reader.is_paused) else { return };
        let Some(cursor) = reader.cursor.clone().filter(|cursor| cursor.epoch == epoch && cursor.offset < to) else {
            return;
        };
        reader.moves_to(epoch, to);
        let from = from.max(cursor.offset + 1);
        self.deliver(seq, at, Event::Gap(Gap::Offsets { from, to }));
    }

    /// Another stream begins.
    fn next_epoch(&mut self, seq: u64, epoch: &str, after: u64) {
        let Some(channel) = self.channels.get(seq) else { return };
        let is_here = |cursor: &Position| cursor.epoch == epoch && cursor.offset >= after;
        if channel.cursor.as_ref().is_some_and(is_here) {
            return;
        }
        channel.cursor = Some(Position { epoch: epoch.to_owned(), offset: after });
        (channel.top, channel.phase) = (after, Phase::Live);
        for at in 0..self.readers(seq) {
            let Some(reader) = self.reader(seq, at) else { continue };
            if reader.is_paused || reader.stored {
                continue;
            }
            reader.moves_to(epoch, after);
            self.deliver(seq, at, Event::Gap(Gap::Epoch { epoch: epoch.to_owned(), after }));
        }
    }

    pub(super) fn joined(&mut self, channel: &str, joined: bool, client: &PresenceClient<&RawValue>) {
        let Ok(client) = serde_json::value::to_raw_value(client) else { return };
        let event = if joined { Event::Join { client } } else { Event::Leave { client } };
        self.tell_readers(channel, &event);
    }

    pub(super) fn presence(&mut self, presence: &Presence<'_>) {
        let Presence { connections, users, .. } = *presence;
        self.tell_readers(&presence.channel, &Event::Presence { connections, users });
    }

    fn tell_readers(&mut self, name: &str, event: &Event) {
        let Some(seq) = self.channels.seq(name) else { return };
        if !self.channels.by_seq.get(&seq).is_some_and(Channel::is_open) {
            return;
        }
        for at in 0..self.readers(seq) {
            if self.reader(seq, at).is_some_and(|reader| !reader.is_paused && !reader.stored) {
                self.deliver(seq, at, event.clone());
            }
        }
    }
}
