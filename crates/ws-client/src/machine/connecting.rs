//! The connection: attempts, what ends them, waiting, waking (docs/CLIENTS.md, "Connection").

use super::link::{Kind, Link, Login, Phase, Store};
use super::output::{Answer, Output, Why};
use super::problem::{Cause, Kind as ProblemKind, Problem};
use super::state::Machine;

/// A token this close to its end is not used to connect, in ms.
const TOKEN_MARGIN: i64 = 30_000;

/// How long a token question may wait after a wake, in ms.
const WAKE_SPREAD: u64 = 2_000;

/// `Retry-After` counts up to an hour.
const RETRY_AFTER_MAX: u64 = 3_600_000;

/// Wakes count once in so many ms.
const WAKES_EVERY: u64 = 1_000;

/// What the end of a connection leads to.
enum Reaction {
    Backoff,
    Refused,
    NewToken,
    TooLarge,
    Close,
}

fn reaction(code: u16) -> Reaction {
    match code {
        1002 | 1003 | 1007 | 1010 | 4500..=4999 => Reaction::Close,
        1008 | 4005 | 4006 => Reaction::Refused,
        1009 => Reaction::TooLarge,
        4002 => Reaction::NewToken,
        _ => Reaction::Backoff,
    }
}

impl Machine {
    /// Begins an attempt; after a wake, with a token that still serves.
    pub(super) fn begin_attempt(&mut self, woken: bool) {
        self.token.ask_at = None;
        let Some(why) = self.token_wanted() else { return self.dial(false) };
        if self.token.question.is_none() && woken && why == Why::Expiring {
            self.token.ask_at = Some(self.t() + self.random.below(WAKE_SPREAD));
            return self.dial(false);
        }
        self.phase = Phase::Asking;
        if self.token.question.is_none() {
            self.ask(why, false);
        }
    }

    /// Why a token has to be asked for before connecting, if so.
    fn token_wanted(&self) -> Option<Why> {
        if !self.options.provider {
            return None;
        }
        if self.token.value.is_none() {
            return Some(Why::Connect);
        }
        let server_now = i64::try_from(self.clock.wall).unwrap_or(i64::MAX).saturating_add(self.server_ahead);
        let left = self.token.expires.map_or(i64::MAX, |end| i64::try_from(end).unwrap_or(i64::MAX) - server_now);
        match left {
            _ if self.token.is_stale => Some(Why::Expired),
            _ if self.token.is_new => None,
            ..=0 => Some(Why::Expired),
            1..TOKEN_MARGIN => Some(Why::Expiring),
            TOKEN_MARGIN.. => None,
        }
    }

    /// `is_fresh`: the token was asked for in this attempt.
    pub(super) fn dial(&mut self, is_fresh: bool) {
        self.attempt += 1;
        let attempt = self.attempt;
        self.phase = Phase::Dialing;
        self.link = Some(Link::new(attempt, self.t() + self.options.timers.connect, is_fresh));
        self.pace.reconnected();
        self.push(Output::Dial { attempt });
    }

    pub(super) fn opened(&mut self, attempt: u64) {
        let t = self.t();
        if let Some(link) = self.link.as_mut().filter(|link| link.attempt == attempt) {
            link.heard = t;
        }
    }

    pub(super) fn alive(&mut self, attempt: u64) {
        self.opened(attempt);
    }

    /// The status is `connected` from here on.
    pub(super) fn connected(&mut self, user: Option<String>) {
        let t = self.t();
        let Some(link) = &mut self.link else { return };
        (link.login, link.since) = (Login::Done, t);
        (self.phase, self.error) = (Phase::Connected, None);
        self.token.is_new = false;
        self.spread.connected();
        self.use_as(user);
        self.succeed_logins();
    }

    /// The socket ended, or never opened.
    pub(super) fn ended(
        &mut self,
        attempt: u64,
        code: Option<u16>,
        status: Option<u16>,
        retry_after: Option<u64>,
        message: Option<String>,
    ) {
        if self.link.as_ref().is_none_or(|link| link.attempt != attempt) {
            return;
        }
        let cause = code.is_none().then_some(Cause::Socket);
        self.error = Some(Problem {
            close: Some(code.unwrap_or(1006)),
            status,
            cause,
            ..Problem::with_message(ProblemKind::Lost, message)
        });
        if matches!(code, Some(1009)) {
            self.fail_largest();
        }
        self.forget_link();
        match code.map_or(Reaction::Backoff, reaction) {
            Reaction::Close => self.finish(None),
            Reaction::NewToken => {
                self.token.is_stale = true;
                let again = std::mem::replace(&mut self.was_expired, true);
                if again || self.slot.is_some() { self.wait(0) } else { self.begin_attempt(false) }
            }
            Reaction::Refused => self.wait_refused(),
            Reaction::Backoff | Reaction::TooLarge => match (status, retry_after) {
                (Some(400..=428), _) => self.wait_refused(),
                (_, Some(after)) => self.wait(after.min(RETRY_AFTER_MAX)),
                _ => self.wait(0),
            },
        }
    }

    /// What the client found wrong itself.
    pub(super) fn fault(&mut self, cause: Cause) {
        self.error = Some(Problem { close: Some(1006), cause: Some(cause), ..Problem::new(ProblemKind::Lost) });
        self.drop_link(None);
        match cause {
            Cause::Probe => self.begin_attempt(false),
            _ => self.wait(0),
        }
    }

    /// Waits long: the server does not want this client now, whatever slot it gave it.
    fn wait_refused(&mut self) {
        self.slot = None;
        self.wait(self.options.timers.refused);
    }

    /// Waits so long and a back-off, or for the slot of a drain.
    pub(super) fn wait(&mut self, at_least: u64) {
        let t = self.t();
        if let Some(slot) = self.slot.take() {
            if slot <= t {
                return self.begin_attempt(false);
            }
            self.phase = Phase::Waiting { until: slot };
            return;
        }
        let timers = &self.options.timers;
        let backoff = self.spread.wait(&mut self.random, timers.backoff_min, timers.backoff_max);
        self.phase = Phase::Waiting { until: t + at_least + backoff };
    }

    /// Detaches from the socket.
    pub(super) fn drop_link(&mut self, code: Option<u16>) {
        if let Some(link) = &self.link {
            let attempt = link.attempt;
            self.push(Output::Drop { attempt, code });
            self.forget_link();
        }
    }

    /// The socket is gone: what was under way on it is taken back.
    fn forget_link(&mut self) {
        let t = self.t();
        if let Some(link) = self.link.take()
            && self.phase == Phase::Connected
            && t - link.since >= self.options.timers.stable
        {
            self.spread.lasted();
            (self.was_expired, self.was_remade) = (false, false);
        }
        for flight in std::mem::take(&mut self.flights).into_values() {
            if let Kind::Request { request } = flight.kind {
                let error = Problem::new(ProblemKind::Lost);
                self.push(Output::Answer { request, answer: Answer::Error(error) });
            }
        }
        self.outbox_lost();
        self.channels_lost();
    }

    /// The socket is made anew, with the token in hand.
    pub(super) fn remake(&mut self) {
        self.drop_link(Some(1_000));
        self.token.ask_at = None;
        self.dial(true);
    }

    pub(super) fn link_tick(&mut self) {
        let t = self.t();
        match self.phase {
            Phase::Waiting { until } if until <= t => self.begin_attempt(false),
            Phase::Dialing | Phase::Connected => {
                if let Some(cause) = self.overdue() {
                    self.fault(cause);
                }
            }
            _ => {}
        }
    }

    fn overdue(&self) -> Option<Cause> {
        let (t, link) = (self.t(), self.link.as_ref()?);
        if self.phase == Phase::Dialing && link.connect_by <= t {
            Some(Cause::Connect)
        } else if self.flights.values().any(|flight| flight.answer_by <= t) {
            Some(Cause::Request)
        } else if link.probe_by.is_some_and(|by| by <= t) {
            Some(Cause::Probe)
        } else if link.greeted && link.heard + link.silence <= t {
            Some(Cause::Silence)
        } else {
            None
        }
    }

    /// Visible or online again, or (`!reconnect`) perhaps offline.
    pub(super) fn wake(&mut self, reconnect: bool) {
        let t = self.t();
        if reconnect && self.phase == Phase::Idle {
            return self.used();
        }
        // A probe that was only that leaves the next wake alone: `offline` comes right before `online`.
        if !reconnect {
            if self.phase == Phase::Connected {
                self.probe();
            }
            return;
        }
        if self.woken_at.is_some_and(|at| t < at + WAKES_EVERY) {
            return;
        }
        self.woken_at = Some(t);
        if let Store::Left { .. } = self.store {
            self.open_store();
        }
        match self.phase {
            Phase::Waiting { .. } => self.begin_attempt(true),
            Phase::Connected => self.probe(),
            _ => {}
        }
    }

    fn probe(&mut self) {
        let by = self.t() + self.options.timers.probe;
        if let Some(link) = self.link.as_mut().filter(|link| link.probe_by.is_none()) {
            link.probe_by = Some(by);
            self.push(Output::Send { text: ws_proto::encode_ping().to_owned() });
        }
    }

    /// Time has passed that nobody was awake in: before judging the connection by it, it is probed.
    pub(super) fn slept(&mut self) {
        let (t, probe) = (self.t(), self.options.timers.probe);
        let timers = &self.options.timers;
        if let Some(op) = &mut self.op {
            op.answer_by = op.answer_by.max(t + timers.store);
        }
        if let Some(question) = &mut self.token.question {
            question.answer_by = question.answer_by.max(t + probe);
        }
        if self.phase == Phase::Connected
            && let Some(link) = &mut self.link
        {
            link.heard = t;
            link.probe_by = None;
            self.flights.values_mut().for_each(|flight| flight.answer_by = flight.answer_by.max(t + probe));
        }
        if self.phase != Phase::Idle {
            self.wake(true);
        }
        // Also where the last wake was only a moment ago.
        if self.phase == Phase::Connected {
            self.probe();
        }
    }

    pub(super) fn hide(&mut self) {
        if self.phase == Phase::Idle {
            return;
        }
        self.is_hidden = true;
        self.save_at = self.t();
        self.abort_question();
        self.drop_link(Some(1_000));
        self.phase = Phase::Idle;
    }

    pub(super) fn show(&mut self) {
        if std::mem::replace(&mut self.is_hidden, false) {
            self.used();
        }
    }

    pub(super) fn close(&mut self, flush: u64) {
        let until = self.t() + flush;
        self.closing = Some(self.closing.map_or(until, |before| before.min(until)));
        if flush == 0 || self.phase == Phase::Idle {
            self.close_now();
        }
    }

    /// Does not wait for the network any more; for a store that is about to take what is left, it does.
    pub(super) fn close_now(&mut self) {
        match &self.op {
            Some(op) if self.store_blocks() && !self.outbox.items.is_empty() => {
                self.closing = Some(op.answer_by);
                self.abort_question();
                self.drop_link(Some(1_000));
                self.phase = Phase::Idle;
            }
            _ => self.finish(None),
        }
    }
}
