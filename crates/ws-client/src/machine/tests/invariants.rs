//! Whatever the shell and the server say, in whatever order: the invariants of docs/CLIENTS.md. The simulation has a server
//! that is right; here it is wrong, too, and inputs come that nobody has asked for.

mod happening;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use self::happening::{CHANNELS, Happening, happening};
use super::script::Script;

const ENTRIES_MAX: u64 = 12;

/// Where a reader is.
#[derive(Debug, Default)]
struct Reader {
    epoch: Option<String>,
    offset: Option<u64>,
    /// Delivered and not taken.
    held: usize,
}

/// The machine, and what it has told.
struct World {
    client: Script,
    attempt: u64,
    generation: u64,
    op: u64,
    /// Requests without an answer on this connection: id, action and channel.
    flights: BTreeMap<u64, (String, Option<String>)>,
    readers: BTreeMap<u64, Reader>,
    next_reader: u64,
    /// Publications without an end.
    pending: BTreeSet<String>,
    ended: BTreeSet<String>,
    next_id: u64,
    requests: BTreeSet<u64>,
    next_request: u64,
    logins: BTreeSet<u64>,
    /// Publications of each channel in the order of their calls, and which each user has sent first: another user's wait
    /// until that one is back.
    called: BTreeMap<&'static str, Vec<String>>,
    sent: BTreeMap<(String, String), Vec<String>>,
    state: String,
    /// Who is connected, as the server has said; `None`: nobody was yet.
    user: Option<Value>,
    is_closed: bool,
    idle_ticks: u32,
}

impl World {
    fn new(provider: bool, store: bool) -> Self {
        let options = json!({"provider": provider, "store": store, "entries": ENTRIES_MAX});
        World {
            client: Script::new("invariants", "", options, 7),
            attempt: 0,
            generation: 0,
            op: 0,
            flights: BTreeMap::new(),
            readers: BTreeMap::new(),
            next_reader: 0,
            pending: BTreeSet::new(),
            ended: BTreeSet::new(),
            next_id: 0,
            requests: BTreeSet::new(),
            next_request: 0,
            logins: BTreeSet::new(),
            called: BTreeMap::new(),
            sent: BTreeMap::new(),
            state: "idle".to_owned(),
            user: None,
            is_closed: false,
            idle_ticks: 0,
        }
    }

    fn put(&mut self, input: Value) {
        let is_tick = input.get("tick").is_some();
        self.client.put(input);
        let out = self.client.out.clone();
        assert!(!self.is_closed || out.is_empty(), "after the end: {out:?}");
        let is_idle = is_tick && out.is_empty() && self.client.timer == Some(0);
        self.idle_ticks = if is_idle { self.idle_ticks + 1 } else { 0 };
        assert!(self.idle_ticks < 2, "a storm of timers");
        // It is told after what was sent as that user.
        let states = out.iter().filter_map(|output| output.get("status"));
        if let Some(status) = states.rev().find(|status| status["state"] == "connected") {
            let before = self.user.replace(status["user"].clone());
            if before.is_some() && before != self.user {
                // Cursors are forgotten.
                self.readers.values_mut().for_each(|reader| reader.offset = None);
            }
        }
        out.iter().for_each(|output| self.carry_out(output));
        assert!(self.flights.len() <= 16, "{:?}", self.flights);
    }

    fn carry_out(&mut self, output: &Value) {
        let (kind, what) = output.as_object().and_then(|object| object.iter().next()).expect("one key");
        let number = |name: &str| what[name].as_u64().expect("a number");
        match kind.as_str() {
            "dial" => {
                assert_eq!(number("attempt"), self.attempt + 1);
                self.attempt += 1;
                self.flights.clear();
            }
            "drop" => self.flights.clear(),
            "send" => self.sends(what["text"].as_str().expect("a text")),
            "ask" => self.generation = number("generation"),
            "store" => self.op = number("op"),
            "deliver" => self.delivers(number("reader"), &what["event"]),
            "settle" => {
                let id = what["msg_id"].as_str().expect("an id").to_owned();
                assert!(what["ack"].is_object() != what["error"].is_object(), "{what}");
                let is_ours = self.pending.remove(&id);
                assert!(is_ours || id.starts_with("old"), "{id} had no call, or ended twice");
                self.ended.insert(id);
            }
            "answer" => assert!(self.requests.remove(&number("request")), "{what}"),
            "logged_in" => assert!(self.logins.remove(&number("login")), "{what}"),
            "status" => what["state"].as_str().expect("a state").clone_into(&mut self.state),
            "pending" => assert!(number("count") <= ENTRIES_MAX + 30, "{what}"),
            "closed" => self.is_closed = true,
            _ => {}
        }
    }

    fn sends(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).expect("JSON");
        let Some(id) = frame["id"].as_str() else { return };
        let (action, payload) = (frame["action"].as_str().expect("an action").to_owned(), &frame["payload"]);
        let channel = payload["channel"].as_str().map(str::to_owned);
        if action == "publish" {
            let under_way = |(other, of): &(String, Option<String>)| other == "publish" && *of == channel;
            assert!(!self.flights.values().any(under_way), "two publications of {channel:?} are unanswered");
            let (id, channel) = (payload["msg_id"].as_str().expect("an id"), channel.clone().expect("a channel"));
            assert!(!self.ended.contains(id), "{id} is sent after its end");
            let sent = self.sent.entry((channel, format!("{:?}", self.user))).or_default();
            if !sent.iter().any(|before| before == id) {
                sent.push(id.to_owned());
            }
        }
        let is_new = self.flights.insert(id.parse().expect("a number"), (action, channel)).is_none();
        assert!(is_new, "an id is used twice");
    }

    /// Nothing twice, and in order; a bound for what nobody takes.
    fn delivers(&mut self, id: u64, event: &Value) {
        let reader = self.readers.get_mut(&id).unwrap_or_else(|| panic!("reader {id} is gone: {event}"));
        reader.held += 1;
        assert!(reader.held <= 1_024 + 2, "a reader holds {}", reader.held);
        match event["type"].as_str().expect("a type") {
            "publication" => {
                if let Some(offset) = event["offset"].as_u64() {
                    assert!(reader.offset.is_none_or(|before| before < offset), "{event} after {reader:?}");
                    reader.offset = Some(offset);
                }
            }
            "gap" if event["epoch"].is_string() => {
                reader.epoch = event["epoch"].as_str().map(str::to_owned);
                reader.offset = event["after"].as_u64();
            }
            "gap" => {
                if let (Some(from), Some(to)) = (event["from"].as_u64(), event["to"].as_u64()) {
                    assert!(from <= to && reader.offset.is_none_or(|before| before < from), "{event} after {reader:?}");
                    reader.offset = Some(to);
                }
            }
            "live" => {
                let position = &event["position"];
                (reader.epoch, reader.offset) =
                    (position["epoch"].as_str().map(str::to_owned), position["offset"].as_u64());
            }
            _ => {}
        }
    }

    fn attempt(&self, stale: bool) -> u64 {
        if stale { self.attempt.saturating_sub(1) } else { self.attempt }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Pass(ms) => _ = self.client.pass(ms),
            Happening::WallJump(ms) => self.client.wall = self.client.wall.saturating_add_signed(ms),
            Happening::Tick => self.put(json!({"tick": {}})),
            Happening::Subscribe { channel, start, offset } => self.subscribe(CHANNELS[channel], start, offset),
            Happening::Unsubscribe(nth) => {
                if let Some(id) = pick(self.readers.keys(), nth) {
                    self.readers.remove(&id);
                    self.put(json!({"unsubscribe": {"reader": id}}));
                }
            }
            Happening::Taken(nth) => {
                if let Some(id) = pick(self.readers.keys(), nth) {
                    let reader = self.readers.get_mut(&id).expect("it is there");
                    reader.held = reader.held.saturating_sub(1);
                    self.put(json!({"taken": {"reader": id}}));
                }
            }
            Happening::Publish { channel, max_age } => self.publish(CHANNELS[channel], max_age),
            Happening::Abort(nth) => {
                if let Some(id) = pick(self.pending.iter(), nth) {
                    self.put(json!({"abort": {"msg_id": id}}));
                }
            }
            Happening::Request => {
                self.next_request += 1;
                self.requests.insert(self.next_request);
                self.put(json!({"request": {"request": self.next_request, "action": "echo", "payload": "{}"}}));
            }
            Happening::Forget(nth) => {
                // What is sent may still be answered; what was not never is.
                if let Some(request) = pick(self.requests.iter(), nth) {
                    self.put(json!({"forget": {"request": request}}));
                    if !self.flights.values().any(|(action, _)| action == "echo") {
                        self.requests.remove(&request);
                    }
                }
            }
            Happening::Wake => self.put(json!({"wake": {}})),
            Happening::Probe => self.put(json!({"probe": {}})),
            Happening::Hide => self.put(json!({"hide": {}})),
            Happening::Show => self.put(json!({"show": {}})),
            Happening::Login => {
                self.next_request += 1;
                self.logins.insert(self.next_request);
                self.put(json!({"login": {"login": self.next_request}}));
            }
            other => self.answer(other),
        }
    }

    fn subscribe(&mut self, channel: &str, start: u8, offset: u64) {
        if self.readers.len() == 4 {
            return;
        }
        self.next_reader += 1;
        let mut input = json!({"reader": self.next_reader, "channel": channel});
        let mut reader = Reader::default();
        match start {
            1 => {
                input["since"] = json!({"epoch": "e1", "offset": offset});
                (reader.epoch, reader.offset) = (Some("e1".to_owned()), Some(offset));
            }
            2 => input["rewind"] = offset.into(),
            3 => input["stored"] = true.into(),
            _ => {}
        }
        self.readers.insert(self.next_reader, reader);
        self.put(json!({"subscribe": input}));
    }

    fn publish(&mut self, channel: &'static str, max_age: Option<u64>) {
        self.next_id += 1;
        let id = format!("m{}", self.next_id);
        self.pending.insert(id.clone());
        self.called.entry(channel).or_default().push(id.clone());
        let mut input = json!({"msg_id": id, "channel": channel, "data": "1"});
        if let Some(max_age) = max_age {
            input["max_age"] = max_age.into();
        }
        self.put(json!({"publish": input}));
    }

    /// What a server, a provider or a store may say.
    fn answer(&mut self, what: Happening) {
        let (attempt, generation, op) = (self.attempt, self.generation, self.op);
        let text = |frame: Value| json!({"frame": {"attempt": attempt, "text": frame.to_string()}});
        let notify = |data: Value| text(json!({"type": "notification", "data": data}));
        let input = match what {
            Happening::Token { stale, user } => {
                let (token, user) =
                    if user == 0 { (None, None) } else { (Some(format!("t{user}")), Some(format!("u{user}"))) };
                let mut token = json!({"generation": generation.saturating_sub(stale.into()), "token": token});
                if let Some(user) = user {
                    token["user"] = user.into();
                }
                json!({"token": token})
            }
            Happening::TokenFailed { stale, denied } => {
                json!({"token_failed": {"generation": generation.saturating_sub(stale.into()), "denied": denied}})
            }
            Happening::Opened => json!({"opened": {"attempt": attempt}}),
            Happening::Connected => text(super::script::connected(self.client.wall)),
            Happening::Ended { stale, code } => {
                let attempt = self.attempt(stale);
                let mut ended = json!({"attempt": attempt});
                if let Some(code) = code {
                    ended["code"] = code.into();
                }
                if attempt == self.attempt {
                    self.flights.clear();
                }
                json!({"ended": ended})
            }
            Happening::Respond { nth, kind, offset } => match self.respond(nth, kind, offset) {
                Some(frame) => text(frame),
                None => return,
            },
            Happening::Publication { channel, offset, own } => {
                let mut data = json!({"event": "publication", "channel": CHANNELS[channel], "data": 1, "time": 1});
                if let Some(offset) = offset {
                    data["offset"] = offset.into();
                }
                if let Some(id) = pick(self.pending.iter(), own).filter(|_| own % 4 == 0) {
                    data["msg_id"] = id.into();
                }
                notify(data)
            }
            Happening::Gap { channel, from, len } => {
                notify(json!({"event": "gap", "channel": CHANNELS[channel], "from": from, "to": from + len}))
            }
            Happening::Epoch { channel, epoch, after } => notify(
                json!({"event": "gap", "channel": CHANNELS[channel], "epoch": format!("e{epoch}"), "after": after}),
            ),
            Happening::Subscribed { channel, offset } => notify(json!({
                "event": "subscribed", "channel": CHANNELS[channel], "epoch": "e1", "offset": offset, "after": offset / 2})),
            Happening::Unsubscribed { channel, retryable } => notify(json!({
                "event": "unsubscribed", "channel": CHANNELS[channel], "code": "unsubscribed", "reason": "", "retryable": retryable})),
            Happening::Draining(ms) => notify(json!({"event": "draining", "reconnect_after_ms": [ms, ms * 2]})),
            Happening::TokenExpiring => notify(json!({"event": "token_expiring", "expires_at": 1})),
            Happening::Junk(text) => json!({"frame": {"attempt": attempt, "text": text}}),
            Happening::Loaded { with } => {
                let entry = |nth: usize| {
                    json!({"msg_id": format!("old{nth}"), "channel": "a", "data": "1", "created": 1_795_899_990_000_u64,
                           "max_age": 86_400_000, "user": null})
                };
                json!({"loaded": {"op": op, "entries": (0..with).map(entry).collect::<Vec<_>>()}})
            }
            Happening::Stored => json!({"stored": {"op": op}}),
            Happening::StoreFailed => json!({"store_failed": {"op": op}}),
            Happening::Position { channel, offset } => {
                let mut position = json!({"channel": CHANNELS[channel], "user": null});
                if let Some(offset) = offset {
                    position["position"] = json!({"epoch": "e1", "offset": offset});
                }
                json!({"position": position})
            }
            Happening::PositionFailed(channel) => {
                json!({"position_failed": {"channel": CHANNELS[channel], "user": null}})
            }
            _ => unreachable!("an input of the caller"),
        };
        self.put(input);
    }

    fn respond(&mut self, nth: usize, kind: u8, offset: u64) -> Option<Value> {
        let id = pick(self.flights.keys(), nth)?;
        let (action, channel) = self.flights.remove(&id)?;
        let error = |code: &str, retryable: bool| {
            let error = json!({"code": code, "message": "", "retryable": retryable});
            json!({"id": id.to_string(), "type": "error", "error": error})
        };
        Some(match kind {
            0 => error("rate_limited", true),
            1 => error("overloaded", true),
            2 => error("engine_unavailable", true),
            3 if action == "publish" => error("unknown_outcome", false),
            3 if action == "authenticate" => error("token_expired", false),
            4 if action != "authenticate" => error("permission_denied", false),
            _ => {
                let data = match action.as_str() {
                    "authenticate" => json!({"user": "u1"}),
                    "subscribe" => {
                        json!({"channel": channel, "epoch": "e1", "offset": offset, "after": offset.saturating_sub(3)})
                    }
                    "publish" => {
                        json!({"channel": channel, "epoch": "e1", "offset": offset, "ack": "memory", "duplicate": false})
                    }
                    _ => json!({"channel": channel}),
                };
                json!({"id": id.to_string(), "type": "response", "data": data})
            }
        })
    }

    /// The client ends: everything else has ended too.
    fn end(&mut self) {
        self.put(json!({"close": {"flush": 0}}));
        if !self.is_closed {
            // It waits for a store that is being opened, as long as that may take.
            self.client.pass(2_000);
            self.put(json!({"tick": {}}));
        }
        assert!(self.is_closed);
        assert!(self.pending.is_empty(), "without an end: {:?}", self.pending);
        assert!(self.logins.is_empty(), "without an end: {:?}", self.logins);
        for ((channel, user), sent) in &self.sent {
            let called = self.called.get(channel.as_str()).map(Vec::as_slice).unwrap_or_default();
            let order: Vec<_> = sent.iter().filter_map(|id| called.iter().position(|other| other == id)).collect();
            assert!(order.is_sorted(), "{user} sent {channel} in another order: {sent:?}");
        }
    }
}

/// One of them.
fn pick<'a, T: Clone + 'a>(mut of: impl ExactSizeIterator<Item = &'a T>, nth: usize) -> Option<T> {
    let len = of.len();
    of.nth(nth % len.max(1)).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_whatever_happens(
        provider: bool,
        store: bool,
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut world = World::new(provider, store);
        for what in happenings {
            world.happen(what);
            if world.is_closed {
                break;
            }
        }
        if !world.is_closed {
            world.end();
        }
    }
}
