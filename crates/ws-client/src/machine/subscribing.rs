//! How channels begin, begin again, and end (docs/CLIENTS.md, "Channels").

use ws_proto::action::{Gap as Missing, SubscribeData};
use ws_proto::event::Unsubscribed;
use ws_proto::{ErrorBody, ErrorCode};

use super::channel::{Channel, Phase, Reader};
use super::event::{Event, Gap};
use super::link::Phase as Connection;
use super::output::Output;
use super::problem::Problem;
use super::state::Machine;
use crate::position::Position;

impl Machine {
    pub(super) fn subscribe(&mut self, name: &str, reader: Reader, token: bool) {
        let seq = self.channels.open(name);
        let id = reader.id;
        self.channels.add_reader(id, seq);
        let Some(channel) = self.channels.get(seq) else { return };
        channel.linger = None;
        channel.token.is_needed |= token;
        let waits = reader.stored;
        channel.readers.push(reader);
        if !waits {
            self.join(seq, id);
        }
        self.want(seq);
    }

    /// A channel that nobody had, or that was refused, is to be subscribed.
    fn want(&mut self, seq: u64) {
        if let Some(channel) = self.channels.get(seq)
            && matches!(channel.phase, Phase::Off | Phase::Refused(_))
            && !channel.readers.is_empty()
        {
            channel.phase = Phase::Wanted;
        }
    }

    /// A reader comes to a channel that is open.
    fn join(&mut self, seq: u64, id: u64) {
        let Some(channel) = self.channels.get(seq).filter(|channel| channel.is_open()) else { return };
        let (here, top) = (channel.cursor.clone(), channel.top);
        let Some(reader) = channel.readers.iter_mut().find(|reader| reader.id == id) else { return };
        let Some(here) = here else {
            reader.recovered = (reader.cursor.is_some() || reader.rewind.is_some()).then_some(false);
            (reader.cursor, reader.taken, reader.rewind) = (None, None, None);
            return self.go_live(seq);
        };
        let newest = here.offset.max(top);
        if let Some(n) = reader.rewind.take() {
            reader.moves_to(&here.epoch, newest.saturating_sub(n.into()));
            reader.is_rewinding = true;
            return self.restart(seq);
        }
        match &reader.cursor {
            None => reader.moves_to(&here.epoch, newest),
            Some(cursor) if cursor.epoch != here.epoch || cursor.offset < here.offset => return self.restart(seq),
            Some(cursor) if cursor.offset > newest => return self.restart(seq),
            Some(_) => reader.recovered = Some(true),
        }
        self.go_live(seq);
    }

    pub(super) fn unsubscribe(&mut self, id: u64) {
        let Some(seq) = self.channels.remove_reader(id) else { return };
        let linger = self.t() + self.options.timers.linger;
        let Some(channel) = self.channels.get(seq) else { return };
        channel.readers.retain(|reader| reader.id != id);
        if channel.readers.is_empty() {
            channel.read_failed = false;
            channel.token = super::channel::Token { generation: channel.token.generation, ..Default::default() };
            match channel.phase {
                Phase::Wanted | Phase::Refused(_) => channel.phase = Phase::Off,
                _ => channel.linger = Some(linger),
            }
        }
    }

    /// Ends the subscription; it begins again if somebody wants it.
    pub(super) fn restart(&mut self, seq: u64) {
        if let Some(channel) = self.channels.get(seq)
            && (channel.is_open() || channel.phase == Phase::Subscribing)
        {
            channel.phase = Phase::Leaving { sent: false };
        }
    }

    /// `unsubscribe` was answered.
    pub(super) fn has_left(&mut self, name: &str) {
        let Some(channel) = self.channels.seq(name).and_then(|seq| self.channels.get(seq)) else { return };
        if matches!(channel.phase, Phase::Leaving { sent: true }) {
            let live: Vec<bool> = channel.readers.iter().map(|reader| reader.is_live).collect();
            close(channel);
            // Those who stay where they were notice nothing.
            channel.readers.iter_mut().zip(live).for_each(|(reader, live)| reader.is_live = live);
        }
    }

    pub(super) fn unsubscribe_again(&mut self, name: &str) {
        if let Some(channel) = self.channels.seq(name).and_then(|seq| self.channels.get(seq))
            && channel.phase == (Phase::Leaving { sent: true })
        {
            channel.phase = Phase::Leaving { sent: false };
        }
    }

    pub(super) fn subscribe_again(&mut self, name: &str) {
        if let Some(channel) = self.channels.seq(name).and_then(|seq| self.channels.get(seq))
            && channel.phase == Phase::Subscribing
        {
            channel.phase = Phase::Wanted;
        }
    }

    pub(super) fn subscribe_refused(&mut self, name: &str, error: &ErrorBody) {
        let Some(seq) = self.channels.seq(name) else { return };
        let Some(channel) = self.channels.get(seq) else { return };
        let is_waiting = channel.phase == Phase::Subscribing;
        if error.code == ErrorCode::AlreadySubscribed {
            // The `subscribed` event stands for the answer, if there was one.
            return self.restart_unopened(seq);
        }
        if is_waiting {
            self.refuse(seq, error.code, error.message.to_string(), error.retryable, error.retry_after_ms);
        }
    }

    fn restart_unopened(&mut self, seq: u64) {
        if self.channels.by_seq.get(&seq).is_some_and(|channel| channel.phase == Phase::Subscribing) {
            self.restart(seq);
        }
    }

    /// `unsubscribed`: the server has ended it.
    pub(super) fn unsubscribed(&mut self, ended: &Unsubscribed<'_>) {
        let Some(seq) = self.channels.seq(&ended.channel) else { return };
        let Some(channel) = self.channels.get(seq).filter(|channel| channel.is_open()) else { return };
        channel.by_server = false;
        if channel.readers.is_empty() {
            return close(channel);
        }
        let code = match ended.code {
            ws_proto::event::EndCode::Error(code) => Some(code),
            ws_proto::event::EndCode::Unsubscribed => None,
        };
        let reason = ended.reason.to_string();
        match code {
            Some(code) => self.refuse(seq, code, reason, ended.retryable, None),
            None if ended.retryable => self.back_off(seq, None),
            None => {
                let error = Problem {
                    retryable: Some(false),
                    ..Problem::with_message(super::problem::Kind::Rejected, Some(reason))
                };
                self.end(seq, error);
            }
        }
    }

    fn refuse(&mut self, seq: u64, code: ErrorCode, message: String, retryable: bool, retry_after: Option<u64>) {
        let Some(channel) = self.channels.get(seq) else { return };
        let expired = code == ErrorCode::TokenExpired && channel.token.is_needed;
        if expired {
            channel.token.value = None;
            if !std::mem::replace(&mut channel.token.expired, true) {
                close(channel);
                return;
            }
        }
        if expired || retryable {
            return self.back_off(seq, retry_after);
        }
        self.end(seq, Problem::rejected(code, message, retryable));
    }

    /// Again, later.
    pub(super) fn back_off(&mut self, seq: u64, retry_after: Option<u64>) {
        let n = self.channels.by_seq.get(&seq).map_or(0, |channel| channel.n);
        let wait = retry_after.unwrap_or_else(|| self.backoff(n));
        let not_before = self.t() + wait;
        if let Some(channel) = self.channels.get(seq) {
            close(channel);
            (channel.n, channel.not_before) = (n + 1, not_before);
        }
    }

    /// The end: every reader is told.
    pub(super) fn end(&mut self, seq: u64, error: Problem) {
        let Some(channel) = self.channels.get(seq) else { return };
        close(channel);
        channel.phase = Phase::Refused(error.clone());
        for at in 0..self.readers(seq) {
            self.deliver(seq, at, Event::Refused { error: error.clone() });
        }
    }

    /// The answer to `subscribe`.
    pub(super) fn subscribed(&mut self, name: &str, data: &SubscribeData<'_>) {
        let Some(seq) = self.channels.seq(name) else { return };
        if self.channels.by_seq.get(&seq).is_some_and(|channel| channel.phase == Phase::Subscribing) {
            self.begin(seq, data);
        }
    }

    /// `subscribed`: opens it whatever state it is in, but while it is being left.
    pub(super) fn opened_by_server(&mut self, data: &SubscribeData<'_>) {
        let seq = self.channels.open(&data.channel);
        let Some(channel) = self.channels.get(seq) else { return };
        channel.by_server = true;
        if matches!(channel.phase, Phase::Leaving { .. }) {
            return;
        }
        if !channel.is_open() {
            channel.rewind = 0;
        }
        self.begin(seq, data);
    }

    /// Every reader finds its place in the subscription.
    fn begin(&mut self, seq: u64, data: &SubscribeData<'_>) {
        let Some(channel) = self.channels.get(seq) else { return };
        if data.epoch.is_some() && data.after.is_none() && channel.is_open() {
            return;
        }
        (channel.n, channel.not_before, channel.token.expired) = (0, 0, false);
        let Some((epoch, after)) = data.epoch.as_deref().zip(data.after) else {
            (channel.phase, channel.cursor) = (Phase::Live, None);
            for reader in &mut channel.readers {
                reader.recovered = (reader.was_live || reader.rewind.is_some()).then_some(false);
                (reader.cursor, reader.taken, reader.rewind, reader.is_live) = (None, None, None, false);
            }
            return self.go_live(seq);
        };
        let top = data.offset.unwrap_or(after);
        channel.cursor = Some(Position { epoch: epoch.to_owned(), offset: after });
        channel.top = top;
        channel.phase = if after >= top { Phase::Live } else { Phase::CatchingUp };
        let asked = channel.rewind;
        let start = Start { epoch, after, top, asked, gap: data.gap.as_ref() };
        let mut restart = false;
        for at in 0..self.readers(seq) {
            restart |= self.place(seq, at, &start);
        }
        if restart { self.restart(seq) } else { self.go_live_if_caught_up(seq) }
    }

    /// Puts a reader in its place; whether the subscription began too late for it.
    fn place(&mut self, seq: u64, at: usize, start: &Start<'_>) -> bool {
        let Start { epoch, after, top, asked, gap } = *start;
        let Some(reader) = self.reader(seq, at) else { return false };
        if reader.is_paused || reader.stored {
            return false;
        }
        reader.recovered = reader.was_live.then_some(false);
        let is_rewinding = std::mem::take(&mut reader.is_rewinding);
        let Some(cursor) = reader.cursor.clone() else {
            reader.is_live = false;
            let n = reader.rewind.take();
            let from = n.map_or(top, |n| top.saturating_sub(n.into()));
            let is_late = n.is_some_and(|n| n > asked) && from < after;
            reader.moves_to(epoch, if is_late { from } else { from.max(after) });
            reader.is_rewinding = is_late;
            return is_late;
        };
        let lost = match gap {
            _ if cursor.epoch != epoch || cursor.offset > top => {
                Some((Gap::Epoch { epoch: epoch.to_owned(), after }, after))
            }
            Some(Missing::Offsets { from, to }) if cursor.offset < *to => {
                Some((Gap::Offsets { from: (*from).max(cursor.offset + 1), to: *to }, *to))
            }
            _ if cursor.offset < after && !is_rewinding => return true,
            _ => None,
        };
        reader.recovered = if is_rewinding { None } else { Some(lost.is_none()) };
        reader.is_live &= lost.is_none();
        match lost {
            Some((gap, to)) => {
                reader.moves_to(epoch, to);
                if !is_rewinding {
                    self.deliver(seq, at, Event::Gap(gap));
                }
            }
            None if cursor.offset < after => reader.moves_to(epoch, after),
            None => {}
        }
        false
    }

    /// The connection is gone, and with it every subscription.
    pub(super) fn channels_lost(&mut self) {
        for seq in self.channels.seqs() {
            if let Some(channel) = self.channels.get(seq)
                && !matches!(channel.phase, Phase::Refused(_))
            {
                close(channel);
            }
        }
    }

    /// Another user: positions are forgotten, and what was refused may be granted.
    pub(super) fn channels_change_hands(&mut self) {
        for seq in self.channels.seqs() {
            let Some(channel) = self.channels.get(seq) else { continue };
            channel.readers.iter_mut().for_each(Reader::forget);
            // A token that is asked for is that of the user before.
            (channel.token.value, channel.token.is_asked) = (None, false);
            (channel.is_unsaved, channel.is_read, channel.read_failed) = (false, false, false);
            if matches!(channel.phase, Phase::Refused(_)) {
                close(channel);
            }
        }
    }

    /// The store has said where a channel was.
    pub(super) fn position_read(&mut self, name: &str, user: &Option<String>, position: Option<Position>) {
        let Some(seq) = self.channels.seq(name).filter(|_| self.user.as_ref() == Some(user)) else { return };
        let is_first = position.is_none() && self.store_serves();
        let Some(channel) = self.channels.get(seq) else { return };
        (channel.is_read, channel.read_failed) = (false, false);
        // Where it begins is stored before anything was taken, or a crash before that would lose what comes meanwhile.
        channel.is_unsaved |= is_first;
        let mut came = Vec::new();
        for reader in channel.readers.iter_mut().filter(|reader| reader.stored) {
            reader.stored = false;
            (reader.cursor, reader.taken) = (position.clone(), position.clone());
            came.push(reader.id);
        }
        came.into_iter().for_each(|id| self.join(seq, id));
    }

    /// Nobody knows where readers from `stored` were: they are told that they may have missed something.
    pub(super) fn tell_unknown_start(&mut self, seq: u64) {
        for at in 0..self.readers(seq) {
            if self.reader(seq, at).is_some_and(|reader| reader.stored) {
                self.deliver(seq, at, Event::Gap(Gap::Missed { missed: None }));
            }
        }
    }

    /// Asks for what `stored` and subscription tokens need.
    pub(super) fn prepare_channel(&mut self, seq: u64) {
        let (connected, store) = (self.phase == Connection::Connected, self.store_serves());
        let user = self.user.clone().flatten();
        let Some(channel) = self.channels.by_seq.get_mut(&seq) else { return };
        if connected && !channel.is_read && channel.readers.iter().any(|reader| reader.stored) {
            let name = channel.name.clone();
            if store {
                channel.is_read = true;
                self.push(Output::ReadPosition { channel: name, user });
            } else if !self.store_may_serve() {
                if self.store_is_lost() {
                    self.tell_unknown_start(seq);
                }
                self.position_read(&name, &user, None);
            }
        }
        let t = self.t();
        let Some(channel) = self.channels.by_seq.get_mut(&seq) else { return };
        let token = &mut channel.token;
        let asks = token.is_needed && token.value.is_none() && !token.is_asked;
        if asks && channel.phase == Phase::Wanted && t >= channel.not_before {
            (token.is_asked, token.generation) = (true, token.generation + 1);
            let (generation, channel) = (token.generation, channel.name.clone());
            self.push(Output::AskChannel { channel, generation });
        }
    }

    pub(super) fn channel_token(&mut self, name: &str, generation: u64, given: String) {
        if let Some(channel) = self.channels.seq(name).and_then(|seq| self.channels.get(seq))
            && channel.token.is_asked
            && channel.token.generation == generation
        {
            (channel.token.is_asked, channel.token.value) = (false, Some(given));
        }
    }

    pub(super) fn channel_token_failed(
        &mut self,
        name: &str,
        generation: u64,
        denied: bool,
        retry_after: Option<u64>,
        message: Option<String>,
    ) {
        let Some(seq) = self.channels.seq(name) else { return };
        let Some(channel) = self.channels.get(seq) else { return };
        if !channel.token.is_asked || channel.token.generation != generation {
            return;
        }
        channel.token.is_asked = false;
        if denied {
            self.end(seq, Problem::with_message(super::problem::Kind::Denied, message));
        } else {
            self.back_off(seq, retry_after);
        }
    }

    pub(super) fn channels_tick(&mut self) {
        let t = self.t();
        for seq in self.channels.seqs() {
            let is_over = |channel: &Channel| channel.linger.is_some_and(|linger| linger <= t);
            if !self.channels.by_seq.get(&seq).is_some_and(is_over) {
                continue;
            }
            self.restart(seq);
            if let Some(channel) = self.channels.get(seq) {
                channel.linger = None;
                if channel.phase == Phase::Wanted {
                    channel.phase = Phase::Off;
                }
            }
        }
    }

    pub(super) fn readers(&self, seq: u64) -> usize {
        self.channels.by_seq.get(&seq).map_or(0, |channel| channel.readers.len())
    }

    pub(super) fn reader(&mut self, seq: u64, at: usize) -> Option<&mut Reader> {
        self.channels.by_seq.get_mut(&seq)?.readers.get_mut(at)
    }
}

/// Where a subscription began.
#[derive(Clone, Copy)]
struct Start<'a> {
    epoch: &'a str,
    after: u64,
    top: u64,
    /// How many its request asked to rewind.
    asked: u32,
    gap: Option<&'a Missing<'a>>,
}

/// It is not subscribed any more: wanted where there are readers.
fn close(channel: &mut Channel) {
    channel.phase = if channel.readers.is_empty() { Phase::Off } else { Phase::Wanted };
    channel.cursor = None;
    channel.readers.iter_mut().for_each(|reader| reader.is_live = false);
    if channel.readers.is_empty() {
        channel.linger = None;
    }
}
