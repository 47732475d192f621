//! Sending: whenever there may be something to send, the first of what there is (docs/CLIENTS.md, "Requests and the
//! pump").

use serde_json::value::RawValue;
use ws_proto::Action;
use ws_proto::action::{Authenticate, Subscribe, Unsubscribe};

use super::channel;
use super::link::{Flight, Kind, Link, Login, Phase};
use super::outbox::Stage;
use super::output::Output;
use super::state::Machine;
use crate::position::Position;

/// A step of the pump.
enum Turn {
    Sent,
    /// Something was done that is no request: look again.
    Again,
    /// Nothing to send; something may be ready at this time.
    Idle(Option<u64>),
}

impl Machine {
    /// Sends what may be sent; when there may be more.
    pub(super) fn pump(&mut self) -> Option<u64> {
        for seq in self.channels.seqs() {
            self.prepare_channel(seq);
        }
        loop {
            if self.link.as_ref().is_none_or(|link| !link.greeted) || !self.pace.has_room(self.flights.len()) {
                return None;
            }
            let open_at = self.pace.next_at();
            if open_at > self.clock.t {
                return Some(open_at);
            }
            match self.send_next() {
                Turn::Sent | Turn::Again => {}
                Turn::Idle(until) => return until,
            }
        }
    }

    fn send_next(&mut self) -> Turn {
        let Some(link) = &self.link else { return Turn::Idle(None) };
        let (login, refresh) = (link.login, link.refresh);
        let mut until = None;
        match login {
            Login::Needed { not_before } if not_before <= self.clock.t => return self.send_authenticate(true),
            Login::Needed { not_before } => return Turn::Idle(Some(not_before)),
            Login::Asking => return Turn::Idle(None),
            Login::Done if refresh => return self.send_authenticate(false),
            Login::Sent | Login::Done => {}
        }
        for seq in self.channels.seqs() {
            if let Some(turn) = self.send_for_channel(seq, &mut until) {
                return turn;
            }
        }
        if self.phase != Phase::Connected {
            return Turn::Idle(until);
        }
        if let Some(asked) = self.requests.pop_front() {
            let raw: Result<&RawValue, _> = serde_json::from_str(&asked.payload);
            let payload = raw.map_or("{}", RawValue::get);
            let id = self.next_id + 1;
            let action = serde_json::Value::from(asked.action);
            let text = format!(r#"{{"id":"{id}","type":"request","action":{action},"payload":{payload}}}"#);
            if text.len() as u64 > self.message_bytes_max() {
                self.request_too_large(asked.request);
                return Turn::Again;
            }
            self.next_id = id;
            self.send(id, text, Kind::Request { request: asked.request });
            return Turn::Sent;
        }
        self.send_publication(until)
    }

    fn message_bytes_max(&self) -> u64 {
        self.link.as_ref().map_or(u64::MAX, |link| link.message_bytes_max)
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn send(&mut self, id: u64, text: String, kind: Kind) {
        let t = self.clock.t;
        let flight =
            Flight { kind, size: text.len(), sent: t, answer_by: t + self.options.timers.request, is_void: false };
        self.flights.insert(id, flight);
        self.pace.sent(t);
        self.push(Output::Send { text });
    }

    fn send_action<A: Action + serde::Serialize>(&mut self, payload: &A, kind: Kind) -> Turn {
        let id = self.next_id();
        if let Ok(text) = ws_proto::encode_request(&id.to_string(), payload) {
            self.send(id, text, kind);
        }
        Turn::Sent
    }

    /// `is_first`: with the positions of channels that the token has subscribed before.
    fn send_authenticate(&mut self, is_first: bool) -> Turn {
        let Some(link) = &mut self.link else { return Turn::Idle(None) };
        sent_login(link, is_first);
        let Some(token) = self.token.value.clone().flatten() else { return Turn::Again };
        let by_server = self.channels.by_seq.values().filter(|channel| is_first && channel.by_server);
        let since: std::collections::BTreeMap<_, _> =
            by_server.filter_map(|channel| Some((channel.name.clone().into(), wire(&channel.begin().0?)))).collect();
        let generation = self.token.generation;
        let payload = Authenticate { token: token.into(), since: (!since.is_empty()).then_some(since) };
        self.send_action(&payload, Kind::Authenticate { generation })
    }

    fn send_for_channel(&mut self, seq: u64, until: &mut Option<u64>) -> Option<Turn> {
        let t = self.clock.t;
        let channel = self.channels.by_seq.get(&seq)?;
        if channel.phase == (channel::Phase::Leaving { sent: false }) {
            let name = channel.name.clone();
            self.channels.get(seq)?.phase = channel::Phase::Leaving { sent: true };
            let payload = Unsubscribe { channel: name.as_str().into() };
            return Some(self.send_action(&payload, Kind::Unsubscribe { channel: name.clone() }));
        }
        if !channel.is_ready(t) {
            if channel.phase == channel::Phase::Wanted && channel.not_before > t {
                *until = Some(until.map_or(channel.not_before, |until| until.min(channel.not_before)));
            }
            return None;
        }
        let (since, rewind) = channel.begin();
        let (name, token) = (channel.name.clone(), channel.token.value.clone());
        let channel = self.channels.get(seq)?;
        (channel.phase, channel.rewind) = (channel::Phase::Subscribing, rewind.unwrap_or(0));
        let payload = Subscribe {
            channel: name.as_str().into(),
            since: since.as_ref().map(wire),
            rewind,
            token: token.map(Into::into),
        };
        Some(self.send_action(&payload, Kind::Subscribe { channel: name.clone() }))
    }

    fn send_publication(&mut self, mut until: Option<u64>) -> Turn {
        let backoffs = self.outbox.backoffs.values().map(|(at, _)| *at).filter(|at| *at > self.clock.t).min();
        until = [until, backoffs].into_iter().flatten().min();
        let Some(user) = self.user.clone().filter(|_| !self.store_blocks()) else { return Turn::Idle(until) };
        let Some(at) = self.outbox.next(&user, self.clock.t, &self.channels_behind_store()) else {
            return Turn::Idle(until);
        };
        let stores = self.store_serves();
        let (now, wall) = (self.clock.now(), self.clock.wall);
        let item = &mut self.outbox.items[at];
        if !item.was_sent && item.stage == Stage::Waiting {
            (item.entry.first_sent, item.first_sent) = (Some(wall), Some(now));
            if stores {
                (item.stage, item.is_unsaved) = (Stage::Storing, true);
                return Turn::Again;
            }
        }
        let id = self.next_id + 1;
        let limit = self.message_bytes_max();
        match self.publish_frame(at, &id.to_string()) {
            Some(text) if text.len() as u64 <= limit => {
                self.next_id = id;
                let item = &mut self.outbox.items[at];
                (item.stage, item.was_sent) = (Stage::InFlight, true);
                let msg_id = item.entry.msg_id.clone();
                self.send(id, text, Kind::Publish { msg_id });
                Turn::Sent
            }
            _ => {
                self.too_large(at);
                Turn::Again
            }
        }
    }
}

fn sent_login(link: &mut Link, is_first: bool) {
    link.refresh = false;
    if is_first {
        link.login = Login::Sent;
    }
}

fn wire(position: &Position) -> ws_proto::Position<'static> {
    ws_proto::Position { epoch: position.epoch.clone().into(), offset: position.offset }
}
