//! A server that takes ten requests a second, and closes who is refused too often (PROTOCOL, "Errors"): a client with much
//! to ask for finds its pace.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::script::Script;

const PER_SECOND: u64 = 10;
const CHANNELS: u64 = 128;
const PUBLICATIONS: u64 = 200;

/// Refusals within [`REFUSALS_WITHIN`] that the server bears; the next one would end in 4006.
const REFUSALS_MAX: usize = 20;
const REFUSALS_WITHIN: u64 = 10_000;

/// The server's side: its bucket, what it has refused, and answers on their way.
struct Server {
    attempt: u64,
    /// When the bucket is full again, in microseconds.
    full_at: u64,
    refused_at: VecDeque<u64>,
    answers: BTreeMap<(u64, u64), Value>,
    tops: BTreeMap<String, u64>,
    dice: u64,
}

impl Server {
    /// Takes a request at this time, or says in how many milliseconds there is room.
    fn take(&mut self, now: u64) -> Result<(), u64> {
        let (now_us, cost) = (now * 1_000, 1_000_000 / PER_SECOND);
        let full_at = self.full_at.max(now_us) + cost;
        match (full_at - now_us).checked_sub(cost * PER_SECOND) {
            None | Some(0) => {
                self.full_at = full_at;
                Ok(())
            }
            Some(wait) => Err(wait.div_ceil(1_000)),
        }
    }

    fn receive(&mut self, now: u64, text: &str) {
        let frame: Value = serde_json::from_str(text).expect("clients send JSON");
        let Some(id) = frame["id"].as_str() else { return };
        let answer = match self.take(now) {
            Ok(()) => json!({"id": id, "type": "response", "data": self.data(&frame)}),
            Err(wait) => {
                self.refuse(now);
                let error = json!({"code": "rate_limited", "message": "", "retryable": true, "retry_after_ms": wait});
                json!({"id": id, "type": "error", "error": error})
            }
        };
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let last = self.answers.last_key_value().map_or(0, |((at, _), _)| *at);
        let arrives = last.max(now + 1 + (self.dice >> 33) % 40);
        self.answers.insert((arrives, id.parse().expect("a number")), answer);
    }

    fn refuse(&mut self, now: u64) {
        self.refused_at.retain(|at| at + REFUSALS_WITHIN > now);
        self.refused_at.push_back(now);
        assert!(self.refused_at.len() <= REFUSALS_MAX, "closed with 4006 at {now}");
    }

    fn data(&mut self, frame: &Value) -> Value {
        let channel = frame["payload"]["channel"].as_str().expect("a channel");
        let top = self.tops.entry(channel.to_owned()).or_default();
        if frame["action"] == "publish" {
            *top += 1;
            return json!({"channel": channel, "epoch": "e", "offset": top, "ack": "memory", "duplicate": false});
        }
        // Publications are not what this is about: nothing came since.
        let after = frame["payload"]["since"]["offset"].as_u64().unwrap_or(*top);
        json!({"channel": channel, "epoch": "e", "offset": after, "after": after, "recovered": true})
    }
}

/// Feeds an input, and the server what is sent.
fn put(client: &mut Script, server: &mut Server, input: Value) {
    client.put(input);
    for send in client.all("send") {
        server.receive(client.at, send["text"].as_str().expect("a text"));
    }
}

fn publish_all(client: &mut Script, server: &mut Server, run: u64) {
    for n in 0..PUBLICATIONS {
        let channel = format!("room:{}", n % CHANNELS);
        put(client, server, json!({"publish": {"msg_id": format!("{run}-{n}"), "channel": channel, "data": "1"}}));
    }
}

/// Goes on until so many channels are live and all publications acknowledged; returns how long that took.
fn run(client: &mut Script, server: &mut Server) -> u64 {
    let (begun, mut live, mut acked) = (client.at, 0, 0);
    while live < CHANNELS || acked < PUBLICATIONS {
        assert!(client.at < begun + 120_000, "{live} live, {acked} acknowledged after two minutes");
        let tick = client.at + client.timer.expect("it is connected");
        match server.answers.first_key_value().map(|((at, _), _)| *at) {
            Some(at) if at <= tick => {
                let (_, answer) = server.answers.pop_first().expect("there is one");
                client.pass(at.saturating_sub(client.at));
                let frame = json!({"frame": {"attempt": server.attempt, "text": answer.to_string()}});
                put(client, server, frame);
            }
            _ => {
                client.pass(tick - client.at);
                put(client, server, json!({"tick": {}}));
            }
        }
        live += client.all("channel").iter().filter(|channel| channel["state"] == "live").count() as u64;
        acked += client.all("settle").iter().filter(|settled| settled["ack"].is_object()).count() as u64;
        if client.at % 20_000 < 40 {
            // The heartbeat, as far as the client is concerned.
            put(client, server, json!({"alive": {"attempt": server.attempt}}));
        }
    }
    client.at - begun
}

#[test]
fn a_hundred_channels_come_back_at_ten_requests_a_second() {
    for seed in 1..=20 {
        let mut client = Script::new("rates", "", json!({"provider": false, "store": false}), seed);
        let (answers, tops) = (BTreeMap::new(), BTreeMap::new());
        let mut server = Server { attempt: 1, full_at: 0, refused_at: VecDeque::new(), answers, tops, dice: seed };
        for nth in 0..CHANNELS {
            client.put(json!({"subscribe": {"reader": nth + 1, "channel": format!("room:{nth}")}}));
        }
        publish_all(&mut client, &mut server, 1);
        client.greet(1);
        for send in client.all("send") {
            server.receive(client.at, send["text"].as_str().expect("a text"));
        }
        let at_least = (CHANNELS + PUBLICATIONS) * 1_000 / PER_SECOND;
        let first = run(&mut client, &mut server);
        assert!(first < at_least * 3 / 2, "seed {seed}: {first} ms, where {at_least} are needed");

        // It comes back with as much to ask for, to a server that has forgotten nothing.
        (server.attempt, server.full_at) = (2, 0);
        server.answers.clear();
        server.refused_at.clear();
        client.put(json!({"ended": {"attempt": 1, "code": 1001}}));
        publish_all(&mut client, &mut server, 2);
        while client.all("dial").is_empty() {
            client.tick();
        }
        client.greet(2);
        for send in client.all("send") {
            server.receive(client.at, send["text"].as_str().expect("a text"));
        }
        let second = run(&mut client, &mut server);
        assert!(second < at_least * 3 / 2, "seed {seed}: {second} ms, where {at_least} are needed");
    }
}
