//! A machine that is driven by hand, and the trace of it (docs/CLIENTS.md, "Traces").

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::machine::{Input, Machine, Options, Random};

/// Where the wall clocks of traces begin.
pub(super) const WALL: u64 = 1_795_900_000_000;

/// One step of a trace.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at: u64,
    pub(super) wall: u64,
    pub(super) r#in: Value,
    pub(super) random: Vec<f64>,
    pub(super) out: Vec<Value>,
    pub(super) timer: Option<u64>,
}

/// A trace file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Trace {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) options: Value,
    pub(super) steps: Vec<Line>,
}

/// Options as a trace writes them.
pub(super) fn options(from: &Value) -> Options {
    let mut options = Options::default();
    let number = |value: &Value| value.as_u64().expect("a number");
    for (name, value) in from.as_object().expect("an object") {
        match name.as_str() {
            "provider" => options.provider = value.as_bool().expect("a flag"),
            "store" => options.store = value.as_bool().expect("a flag"),
            "entries" => options.entries = usize::try_from(number(value)).expect("small"),
            "bytes" => options.bytes = usize::try_from(number(value)).expect("small"),
            "max_age" => options.max_age = number(value),
            other => panic!("an option nobody knows: {other}"),
        }
    }
    options
}

/// A machine and its clocks.
pub(super) struct Script {
    machine: Machine,
    pub(super) at: u64,
    pub(super) wall: u64,
    draws: Arc<Mutex<Draws>>,
    pub(super) trace: Trace,
    /// What the last step said.
    pub(super) out: Vec<Value>,
    pub(super) timer: Option<u64>,
    /// When that is over.
    due: Option<u64>,
}

struct Draws {
    state: u64,
    drawn: Vec<f64>,
}

impl Draws {
    /// Three digits: the same number in every language.
    fn draw(&mut self) -> f64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = (self.state >> 33) % 1_000;
        let draw = f64::from(u32::try_from(draw).expect("below 1,000")) / 1_000.0;
        self.drawn.push(draw);
        draw
    }
}

impl Script {
    pub(super) fn new(name: &str, about: &str, given: Value, seed: u64) -> Self {
        let draws = Arc::new(Mutex::new(Draws { state: seed, drawn: Vec::new() }));
        let random = {
            let draws = draws.clone();
            Random::new(move || draws.lock().expect("nobody panics with it").draw())
        };
        Script {
            machine: Machine::new(options(&given), random),
            at: 1_000,
            wall: WALL,
            draws,
            trace: Trace { name: name.to_owned(), about: about.to_owned(), options: given, steps: Vec::new() },
            out: Vec::new(),
            timer: None,
            due: None,
        }
    }

    /// An input, now.
    pub(super) fn put(&mut self, input: Value) -> &[Value] {
        let typed: Input = serde_json::from_value(input.clone()).expect("an input of docs/CLIENTS.md");
        let step = self.machine.step(self.at, self.wall, typed);
        let random = std::mem::take(&mut self.draws.lock().expect("nobody panics with it").drawn);
        // By text: the numbers and the raw JSON in it become values.
        let text = serde_json::to_string(&step.out).expect("outputs serialize");
        self.out = serde_json::from_str(&text).expect("it is JSON");
        self.timer = step.timer;
        self.due = step.timer.map(|timer| self.at + timer);
        let (at, wall, out, timer) = (self.at, self.wall, self.out.clone(), self.timer);
        self.trace.steps.push(Line { at, wall, r#in: input, random, out, timer });
        &self.out
    }

    /// Lets time pass, in both clocks.
    pub(super) fn pass(&mut self, ms: u64) -> &mut Self {
        self.at += ms;
        self.wall += ms;
        self
    }

    /// Passes to the next time that the machine asked for, and ticks.
    pub(super) fn tick(&mut self) -> &[Value] {
        let due = self.due.expect("something is due");
        self.pass(due.saturating_sub(self.at)).put(json!({"tick": {}}))
    }

    /// Ticks until so much time has passed.
    pub(super) fn run(&mut self, ms: u64) -> Vec<Value> {
        let end = self.at + ms;
        let mut all = Vec::new();
        while let Some(due) = self.due.filter(|due| *due <= end) {
            self.pass(due.saturating_sub(self.at)).put(json!({"tick": {}}));
            all.extend(self.out.clone());
        }
        self.pass(end.saturating_sub(self.at));
        all
    }

    pub(super) fn frame(&mut self, attempt: u64, frame: &Value) -> &[Value] {
        let text = frame.to_string();
        self.put(json!({"frame": {"attempt": attempt, "text": text}}))
    }

    /// The server's first frame.
    pub(super) fn greet(&mut self, attempt: u64) -> &[Value] {
        self.put(json!({"opened": {"attempt": attempt}}));
        let time = self.wall;
        self.frame(attempt, &connected(time))
    }

    /// An answer to a request.
    pub(super) fn respond(&mut self, attempt: u64, id: u64, data: Value) -> &[Value] {
        self.frame(attempt, &json!({"id": id.to_string(), "type": "response", "data": data}))
    }

    /// A refusal of a request.
    pub(super) fn refuse(&mut self, attempt: u64, id: u64, error: Value) -> &[Value] {
        self.frame(attempt, &json!({"id": id.to_string(), "type": "error", "error": error}))
    }

    pub(super) fn notify(&mut self, attempt: u64, data: Value) -> &[Value] {
        self.frame(attempt, &json!({"type": "notification", "data": data}))
    }

    /// The last step said exactly this.
    #[track_caller]
    pub(super) fn says(&self, expect: &Value) -> &Self {
        assert_eq!(Value::from(self.out.clone()), *expect, "{}", self.trace.name);
        self
    }

    /// Outputs of one kind in the last step.
    pub(super) fn all(&self, kind: &str) -> Vec<&Value> {
        self.out.iter().filter_map(|output| output.get(kind)).collect()
    }

    /// The only output of a kind in the last step.
    #[track_caller]
    pub(super) fn one(&self, kind: &str) -> &Value {
        match self.all(kind)[..] {
            [one] => one,
            ref all => panic!("{}: {} outputs `{kind}` in {:?}", self.trace.name, all.len(), self.out),
        }
    }

    /// An output of the last step, as it is.
    #[track_caller]
    pub(super) fn one_of(&self, kind: &str) -> Value {
        json!({kind: self.one(kind)})
    }

    /// The frames of the last step, without their envelopes: action and payload.
    pub(super) fn sent(&self) -> Vec<(String, Value)> {
        let frames = self.all("send").into_iter().map(|send| {
            let text = send["text"].as_str().expect("a text");
            let frame: Value = serde_json::from_str(text).expect("JSON");
            let name = frame["action"].as_str().or(frame["type"].as_str()).expect("a name");
            (name.to_owned(), frame["payload"].clone())
        });
        frames.collect()
    }

    #[track_caller]
    pub(super) fn sends(&self, actions: &[&str]) -> &Self {
        let sent: Vec<_> = self.sent().into_iter().map(|(action, _)| action).collect();
        assert_eq!(sent, actions, "{}: {:?}", self.trace.name, self.out);
        self
    }

    /// The state of the last status, if the last step told one.
    #[track_caller]
    pub(super) fn is(&self, state: &str) -> &Self {
        assert_eq!(self.one("status")["state"], state, "{}: {:?}", self.trace.name, self.out);
        self
    }
}

pub(super) fn connected(time: u64) -> Value {
    json!({"type": "notification", "data": {
        "event": "connected", "connection_id": "7f1c2d3e-0000-4000-8000-000000000001", "protocol": 1,
        "server": "ws-server/0.1.0", "time": time, "user": null,
        "heartbeat": {"interval_ms": 25_000, "timeout_ms": 10_000},
        "limits": {"message_bytes_max": 65_536, "channels_max": 128}}})
}
