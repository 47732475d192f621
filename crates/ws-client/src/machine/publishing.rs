//! Publications from their call to their end (docs/CLIENTS.md, "Outbox").

use ws_proto::{ErrorBody, ErrorCode};

use super::link::{Kind, Phase};
use super::outbox::Stage;
use super::output::{Ack, Answer, End, Output, Settled};
use super::problem::{Kind as ProblemKind, Problem};
use super::state::Machine;
use crate::entry::{Entry, Tags};
use crate::position::Position;

/// Requests of callers that wait to be sent, at most.
const REQUESTS_MAX: usize = 1_000;

impl Machine {
    pub(super) fn publish(
        &mut self,
        msg_id: String,
        channel: String,
        data: String,
        tags: Option<Tags>,
        max_age: Option<u64>,
    ) {
        let max_age = max_age.unwrap_or(self.options.max_age);
        let (created, user) = (self.clock.wall, self.publisher());
        let entry = Entry { msg_id, channel, data, tags, created, first_sent: None, max_age, user };
        if self.closing.is_some() {
            self.refuse_entry(entry, ProblemKind::Closed);
        } else if self.outbox.has_room(&entry, self.options.entries, self.options.bytes) {
            self.outbox.push(entry, &self.clock);
        } else {
            self.refuse_entry(entry, ProblemKind::Full);
        }
    }

    /// To whom a publication of now belongs, if that is known.
    fn publisher(&self) -> Option<Option<String>> {
        match (&self.user, &self.token.value, &self.token.user) {
            (Some(user), ..) if self.phase == Phase::Connected => Some(user.clone()),
            (_, Some(Some(_)), Some(user)) => Some(Some(user.clone())),
            (_, Some(None), _) => Some(None),
            (user, ..) => user.clone(),
        }
    }

    fn refuse_entry(&mut self, entry: Entry, kind: ProblemKind) {
        let end = End::Failed { error: Problem::new(kind), entry: entry.clone(), kept: false };
        self.push(Output::Settle(Box::new(Settled { msg_id: entry.msg_id, end })));
    }

    pub(super) fn abort(&mut self, msg_id: &str) {
        let Some(at) = self.outbox.find(msg_id) else { return };
        let item = &self.outbox.items[at];
        if !item.was_sent && matches!(item.stage, Stage::Waiting | Stage::Stored) {
            self.fail(at, Problem::new(ProblemKind::Aborted));
        }
    }

    pub(super) fn request(&mut self, request: u64, action: String, payload: String) {
        let refused = if self.closing.is_some() {
            ProblemKind::Closed
        } else if self.requests.len() >= REQUESTS_MAX {
            ProblemKind::Full
        } else {
            return self.requests.push_back(super::link::Asked { request, action, payload });
        };
        self.push(Output::Answer { request, answer: Answer::Error(Problem::new(refused)) });
    }

    pub(super) fn fail_requests(&mut self) {
        for asked in std::mem::take(&mut self.requests) {
            let answer = Answer::Error(Problem::new(ProblemKind::Closed));
            self.push(Output::Answer { request: asked.request, answer });
        }
    }

    /// Ends a publication.
    fn fail(&mut self, at: usize, error: Problem) {
        let item = self.outbox.remove(at);
        self.forget_stored(&item.entry.msg_id);
        let msg_id = item.entry.msg_id.clone();
        let end = End::Failed { error, entry: item.entry, kept: false };
        self.push(Output::Settle(Box::new(Settled { msg_id, end })));
    }

    /// A publication that has not ended.
    pub(crate) fn queued(&self, msg_id: &str) -> Option<&Entry> {
        self.outbox.find(msg_id).map(|at| &self.outbox.items[at].entry)
    }

    fn acknowledge(&mut self, at: usize, ack: Ack) {
        let item = self.outbox.remove(at);
        self.forget_stored(&item.entry.msg_id);
        let (msg_id, end) = (item.entry.msg_id, End::Acknowledged { ack });
        self.push(Output::Settle(Box::new(Settled { msg_id, end })));
    }

    pub(super) fn published(&mut self, msg_id: &str, ack: Ack) {
        if let Some(at) = self.outbox.find(msg_id) {
            self.acknowledge(at, ack);
        }
    }

    pub(super) fn publish_refused(&mut self, msg_id: &str, error: &ErrorBody) {
        let Some(at) = self.outbox.find(msg_id) else { return };
        if let Some(position) = self.outbox.items[at].seen.take() {
            return self.acknowledge(at, Ack { position, level: None, duplicate: false });
        }
        let channel = self.outbox.items[at].entry.channel.clone();
        match error.code {
            ErrorCode::RateLimited => self.outbox.items[at].unsend(),
            ErrorCode::UnknownOutcome => self.fail(at, Problem { kind: ProblemKind::Unknown, ..Problem::from(error) }),
            code if error.retryable => {
                match code {
                    ErrorCode::Overloaded => self.outbox.items[at].unsend(),
                    _ => self.outbox.items[at].doubt(),
                }
                let n = self.outbox.backoffs.get(&channel).map_or(0, |(_, n)| *n);
                let wait = error.retry_after_ms.unwrap_or_else(|| self.backoff(n));
                self.outbox.backoffs.insert(channel, (self.clock.t + wait, n + 1));
            }
            _ => self.fail(at, Problem::from(error)),
        }
    }

    /// A publication with this id was seen in the channel.
    pub(super) fn outbox_seen(&mut self, msg_id: &str, channel: &str, position: Option<Position>) {
        let Some(at) = self.outbox.find(msg_id) else { return };
        let item = &mut self.outbox.items[at];
        if item.entry.channel != channel || !item.was_sent {
            return;
        }
        if item.stage == Stage::InFlight {
            item.seen = Some(position);
        } else {
            self.acknowledge(at, Ack { position, level: None, duplicate: false });
        }
    }

    /// The connection is gone: what was not answered waits again, unless it was seen.
    pub(super) fn outbox_lost(&mut self) {
        let mut at = 0;
        while let Some(item) = self.outbox.items.get_mut(at) {
            match item.stage {
                Stage::InFlight => item.doubt(),
                Stage::Storing | Stage::Stored if !item.was_sent => item.unsend(),
                _ => {}
            }
            match item.seen.take() {
                Some(position) => self.acknowledge(at, Ack { position, level: None, duplicate: false }),
                None => at += 1,
            }
        }
        self.outbox.backoffs.clear();
    }

    /// 1009: the largest frame under way was too large, whatever it was.
    pub(super) fn fail_largest(&mut self) {
        // The first of the largest.
        let largest = self.flights.iter().rev().max_by_key(|(_, flight)| flight.size).map(|(id, _)| *id);
        match largest.and_then(|id| self.flights.get(&id)).map(|flight| &flight.kind) {
            Some(Kind::Publish { msg_id }) => {
                let found = self.outbox.find(msg_id).filter(|at| self.outbox.items[*at].seen.is_none());
                if let Some(at) = found {
                    self.too_large(at);
                }
            }
            Some(&Kind::Request { request }) => {
                self.flights.retain(|id, _| Some(*id) != largest);
                self.request_too_large(request);
            }
            _ => {}
        }
    }

    /// The connection belongs to this user.
    pub(super) fn use_as(&mut self, user: Option<String>) {
        if self.user.as_ref().is_some_and(|before| *before != user) {
            self.channels_change_hands();
            // Subscriptions were asked for with what belonged to the user before.
            self.flights.values_mut().for_each(|flight| flight.is_void = true);
        }
        self.user = Some(user);
        self.claim();
    }

    /// What belongs to nobody yet belongs to the user of the connection, if there is one.
    pub(super) fn claim(&mut self) {
        if self.phase != Phase::Connected {
            return;
        }
        for item in self.outbox.items.iter_mut().filter(|item| item.entry.user.is_none()) {
            item.entry.user.clone_from(&self.user);
            item.is_unsaved = true;
        }
    }

    /// The frame of a publication, and that it is under way.
    pub(super) fn publish_frame(&mut self, at: usize, id: &str) -> Option<String> {
        let item = &self.outbox.items[at];
        let age_ms = item.age(&self.clock, self.options.timers.request);
        let entry = &item.entry;
        let tags = entry.tags.as_ref();
        let payload = ws_proto::action::Publish {
            channel: entry.channel.as_str().into(),
            data: entry.raw()?,
            msg_id: Some(entry.msg_id.as_str().into()),
            age_ms,
            tags: tags.map(|tags| tags.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect()),
        };
        ws_proto::encode_request(id, &payload).ok()
    }

    /// Its frame is too large. What became of an earlier sending nobody knows.
    pub(super) fn too_large(&mut self, at: usize) {
        let is_in_doubt = self.outbox.items[at].is_in_doubt;
        self.fail(at, Problem::new(if is_in_doubt { ProblemKind::Unknown } else { ProblemKind::TooLarge }));
    }

    pub(super) fn request_too_large(&mut self, request: u64) {
        let answer = Answer::Error(Problem::new(ProblemKind::TooLarge));
        self.push(Output::Answer { request, answer });
    }

    /// `max_age: 0`: now or not at all.
    pub(super) fn expire_now_or_never(&mut self) {
        if self.outbox.items.iter().any(|item| item.entry.max_age == 0) {
            self.expire(|item| item.entry.max_age == 0);
        }
    }

    pub(super) fn outbox_tick(&mut self) {
        self.expire(|_| true);
        let t = self.clock.t;
        self.outbox.backoffs.retain(|channel, (until, _)| {
            *until > t || self.outbox.items.iter().any(|item| item.entry.channel == *channel)
        });
    }

    fn expire(&mut self, which: impl Fn(&super::outbox::Item) -> bool) {
        let mut at = 0;
        while let Some(item) = self.outbox.items.get(at) {
            let is_idle = matches!(item.stage, Stage::Waiting);
            if which(item) && is_idle && item.expires_in(&self.clock) == 0 {
                let kind = if item.was_sent { ProblemKind::Unknown } else { ProblemKind::Expired };
                self.fail(at, Problem::new(kind));
            } else {
                at += 1;
            }
        }
    }

    pub(super) fn outbox_due(&self) -> Option<u64> {
        let idle = self.outbox.items.iter().filter(|item| item.stage == Stage::Waiting);
        idle.map(|item| self.clock.t + item.expires_in(&self.clock)).min()
    }

    /// The client ends: what is left is unknown if it was sent, and kept where there is a store.
    pub(super) fn close_outbox(&mut self) {
        let serves = self.store_serves();
        self.told.unsent = self.outbox.pending(self.user.as_ref());
        for at in 0..self.outbox.items.len() {
            let item = &self.outbox.items[at];
            let kind = if item.was_sent { ProblemKind::Unknown } else { ProblemKind::Closed };
            let (msg_id, entry, kept) = (item.entry.msg_id.clone(), item.entry.clone(), serves || item.is_kept);
            let end = End::Failed { error: Problem::new(kind), entry, kept };
            self.push(Output::Settle(Box::new(Settled { msg_id, end })));
        }
    }
}
