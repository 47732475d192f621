//! One step: an input, what follows from it, and what the shell is told at the end.

use super::channel;
use super::input::Input;
use super::link::Phase;
use super::output::{ChannelState, Output, State, Status};
use super::problem::Problem;
use super::state::Machine;

/// The shell is never left alone for longer, so that a sleep is noticed.
const TIMER_MAX: u64 = 10_000;

/// What follows from an input.
#[derive(Debug)]
pub(crate) struct Step {
    /// To be carried out in this order.
    pub(crate) out: Vec<Output>,
    /// In how many milliseconds `tick` is due, if nothing else comes before.
    pub(crate) timer: Option<u64>,
}

impl Machine {
    /// Takes an input. `at` is a monotonic clock, `wall` counts from 1970, both in milliseconds.
    pub(crate) fn step(&mut self, at: u64, wall: u64, input: Input) -> Step {
        let slept = self.clock.advance(at, wall);
        if self.phase != Phase::Closed {
            if slept {
                self.slept();
            }
            self.handle(input);
            let blocked = self.pump();
            self.end_if_flushed();
            if self.phase != Phase::Closed {
                self.expire_now_or_never();
            }
            self.tell();
            self.write_store();
            self.tell_end();
            self.clock.tick_by = self.due(blocked);
        } else {
            self.clock.tick_by = None;
        }
        let timer = self.clock.tick_by.map(|by| by.saturating_sub(self.t()));
        Step { out: std::mem::take(&mut self.out), timer }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Loaded { op, entries } => self.loaded(op, entries),
            Input::Adopted { entries } => self.adopted(entries),
            Input::Stored { op } => self.stored(op),
            Input::StoreFailed { op, message } => self.store_failed(op, message),
            Input::Position { channel, user, position } => self.position_read(&channel, &user, position),
            Input::PositionFailed { channel, user, message } => self.position_failed(&channel, &user, message),
            Input::Subscribe { reader, channel, since, rewind, stored, token } => {
                self.used();
                self.subscribe(&channel, channel::Reader::new(reader, since, rewind, stored), token);
            }
            Input::Unsubscribe { reader } => self.unsubscribe(reader),
            Input::Taken { reader } => self.taken(reader),
            Input::Publish { msg_id, channel, data, tags, max_age } => {
                self.used();
                self.publish(msg_id, channel, data, tags, max_age);
            }
            Input::Abort { msg_id } => self.abort(&msg_id),
            Input::Request { request, action, payload } => {
                self.used();
                self.request(request, action, payload);
            }
            Input::Forget { request } => self.requests.retain(|asked| asked.request != request),
            Input::Login { login } => self.login(login),
            Input::Wake {} => self.wake(true),
            Input::Probe {} => self.wake(false),
            Input::Hide {} => self.hide(),
            Input::Show {} => self.show(),
            Input::Close { flush } => self.close(flush),
            Input::Opened { attempt } => self.opened(attempt),
            Input::Frame { attempt, text } => self.frame(attempt, &text),
            Input::Alive { attempt } => self.alive(attempt),
            Input::Ended { attempt, code, status, retry_after, message } => {
                self.ended(attempt, code, status, retry_after, message);
            }
            Input::Token { generation, token, user, expires } => self.token_given(generation, token, user, expires),
            Input::TokenFailed { generation, denied, retry_after, message } => {
                self.token_failed(generation, denied, retry_after, message);
            }
            Input::ChannelToken { channel, generation, token } => self.channel_token(&channel, generation, token),
            Input::ChannelTokenFailed { channel, generation, denied, retry_after, message } => {
                self.channel_token_failed(&channel, generation, denied, retry_after, message);
            }
            Input::Tick {} => self.tick(),
        }
    }

    /// The first use opens the store and connects.
    pub(super) fn used(&mut self) {
        if self.phase == Phase::Idle && !self.is_hidden && self.closing.is_none() {
            self.open_store_once();
            self.begin_attempt(false);
        }
    }

    /// Tells what has changed.
    fn tell(&mut self) {
        for seq in std::mem::take(&mut self.channels.dirty) {
            self.tell_channel(seq);
        }
        let pending = self.outbox.pending(self.user.as_ref());
        if pending != self.told.pending {
            self.told.pending = pending;
            self.push(Output::Pending { count: pending });
        }
        let status = self.status();
        if self.told.status.as_ref() != Some(&status) {
            self.told.status = Some(status.clone());
            self.push(Output::Status(status));
        }
    }

    fn tell_channel(&mut self, seq: u64) {
        let Some(channel) = self.channels.by_seq.get(&seq) else { return };
        let has_readers = !channel.readers.is_empty();
        let told = match &channel.phase {
            channel::Phase::Refused(error) => (ChannelState::Refused, Some(error.clone())),
            channel::Phase::Off => (ChannelState::Off, None),
            _ if self.phase == Phase::Closed => (ChannelState::Off, None),
            channel::Phase::Wanted | channel::Phase::Subscribing => (ChannelState::Subscribing, None),
            channel::Phase::Leaving { .. } if has_readers => (ChannelState::Subscribing, None),
            channel::Phase::Leaving { .. } => (ChannelState::Off, None),
            channel::Phase::CatchingUp => (ChannelState::CatchingUp, None),
            channel::Phase::Live => (ChannelState::Live, None),
        };
        let is_over = channel.phase == channel::Phase::Off && !has_readers && channel.linger.is_none();
        let before = self.channels.told.get(&seq);
        let is_news = before.map_or(told.0 != ChannelState::Off, |before| *before != told);
        if is_news {
            let channel = channel.name.clone();
            self.channels.told.insert(seq, told.clone());
            self.push(Output::Channel { channel, state: told.0, error: told.1 });
        }
        if is_over {
            self.channels.remove(seq);
        }
    }

    fn status(&self) -> Status {
        let t = self.t();
        let state = match self.phase {
            Phase::Idle => State::Idle,
            Phase::Asking | Phase::Dialing => State::Connecting,
            Phase::Connected => State::Connected,
            Phase::Waiting { .. } => State::Waiting,
            Phase::Closed => State::Closed,
        };
        let told = self.told.status.as_ref();
        let retry_at = match self.phase {
            // The wall clock goes its own way: what was told stays.
            Phase::Waiting { .. } if told.is_some_and(|told| told.state == State::Waiting) => {
                told.and_then(|told| told.retry_at)
            }
            Phase::Waiting { until } => Some(self.clock.wall + until.saturating_sub(t)),
            _ => None,
        };
        Status {
            state,
            retry_at,
            user: self.user.clone().filter(|_| state == State::Connected),
            error: self.error.clone().filter(|_| state != State::Connected),
            store: self.store_error.clone(),
        }
    }

    fn tell_end(&mut self) {
        if self.phase == Phase::Closed && !self.told.is_closed {
            self.told.is_closed = true;
            let unsent = self.told.unsent;
            self.push(Output::Closed { unsent });
        }
    }

    /// When `tick` is due. `blocked`: when the pump may go on.
    fn due(&self, blocked: Option<u64>) -> Option<u64> {
        if self.phase == Phase::Closed || (self.phase == Phase::Idle && self.closing.is_none()) {
            return None;
        }
        let mut due = self.t() + TIMER_MAX;
        let mut at = |time: Option<u64>| due = due.min(time.unwrap_or(u64::MAX));
        at(blocked);
        at(self.closing);
        if let Phase::Waiting { until } = self.phase {
            at(Some(until));
        }
        if let Some(link) = &self.link {
            at((self.phase == Phase::Dialing).then_some(link.connect_by));
            at(link.greeted.then_some(link.heard + link.silence));
            at(link.probe_by);
        }
        at(self.flights.values().map(|flight| flight.answer_by).min());
        at(self.token.question.as_ref().map(|question| question.answer_by));
        at(self.token.ask_at);
        self.channels.by_seq.values().for_each(|channel| at(channel.linger));
        at(self.outbox_due());
        at(self.store_due());
        Some(due.max(self.t()))
    }

    /// What is due by now.
    fn tick(&mut self) {
        self.link_tick();
        self.token_tick();
        self.channels_tick();
        self.outbox_tick();
        self.store_tick();
        if self.closing.is_some_and(|until| until <= self.t()) {
            self.close_now();
        }
    }

    fn end_if_flushed(&mut self) {
        let is_over =
            self.outbox.pending(self.user.as_ref()) == 0 || (self.phase == Phase::Idle && !self.store_blocks());
        if self.closing.is_some() && self.phase != Phase::Closed && is_over {
            self.finish(None);
        }
    }

    /// Ends the client, for this reason if it is not its owner's wish.
    pub(super) fn finish(&mut self, error: Option<Problem>) {
        if self.phase == Phase::Closed {
            return;
        }
        if error.is_some() {
            self.error = error;
        }
        self.abort_question();
        self.drop_link(Some(1_000));
        self.phase = Phase::Closed;
        self.fail_requests();
        self.fail_logins();
        self.close_outbox();
    }
}
