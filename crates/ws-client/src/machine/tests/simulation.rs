//! The machine, a model of the server, and a bad network between them, in simulated time: whatever happens, every
//! publication ends once and every reader gets everything or is told.
//!
//! A failing seed is printed; `WS_SEED=n` runs it alone and prints every step, `WS_SEEDS=n` runs so many.

mod judge;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::model::{Fault, Server};
use super::script::{Script, Trace};

const CHANNELS: [&str; 3] = ["a", "b", "c"];

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What happens at some time.
enum Happening {
    /// An input for the machine.
    Input(Value),
    /// The next frame of the server arrives.
    Frame { attempt: u64 },
    /// The user, other users, or the network do something.
    Chance,
    /// The server asks for a sign of life.
    Heartbeat,
}

#[derive(Debug, Default)]
struct Reader {
    channel: String,
    epoch: Option<String>,
    offset: Option<u64>,
}

struct World {
    script: Script,
    dice: Dice,
    server: Server,
    queue: BTreeMap<(u64, u64), Happening>,
    next: u64,
    /// Per cent of everything that goes wrong.
    trouble: u64,
    readers: BTreeMap<u64, Reader>,
    next_reader: u64,
    published: Vec<(String, String)>,
    /// In which run of the process each was published.
    published_in: Vec<u32>,
    /// How each publication ended, and in which run of the process.
    ends: BTreeMap<String, (u32, String)>,
    runs: u32,
    /// What the store has.
    stored: BTreeMap<String, Value>,
    order: Vec<String>,
    has_store: bool,
    /// It has failed, and was not told since what it missed.
    is_store_behind: bool,
    /// Publications that went with a process that crashed.
    crashed: BTreeSet<String>,
    idle_ticks: u32,
    seed: u64,
    /// Every step is printed.
    is_loud: bool,
}

impl World {
    fn new(seed: u64, about: &str) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (provider, has_store) = (dice.percent(50), dice.percent(50));
        let options = json!({"provider": provider, "store": has_store});
        World {
            script: Script::new(&format!("seed-{seed}"), about, options, seed),
            dice,
            server: Server::default(),
            queue: BTreeMap::new(),
            next: 0,
            trouble: 0,
            readers: BTreeMap::new(),
            next_reader: 0,
            published: Vec::new(),
            published_in: Vec::new(),
            ends: BTreeMap::new(),
            runs: 0,
            stored: BTreeMap::new(),
            order: Vec::new(),
            has_store,
            is_store_behind: false,
            crashed: BTreeSet::new(),
            idle_ticks: 0,
            seed,
            is_loud: std::env::var_os("WS_SEED").is_some(),
        }
    }

    fn at(&mut self, after: u64, what: Happening) {
        self.next += 1;
        self.queue.insert((self.script.at + after, self.next), what);
    }

    /// Trouble for so long, then a good end.
    fn run(&mut self, troubled: u64, trouble: u64) {
        self.trouble = trouble;
        self.at(0, Happening::Chance);
        self.at(0, Happening::Heartbeat);
        let begin = self.script.at;
        while self.script.at < begin + troubled {
            self.happen();
        }
        self.trouble = 0;
        // The longest waits: 20 s of back-off, 30 s of a provider, a slow pace.
        while self.script.at < begin + troubled + 150_000 {
            self.happen();
        }
        self.judge();
    }

    /// The next thing.
    fn happen(&mut self) {
        let tick = self.script.timer.map(|timer| self.script.trace.steps.last().map_or(0, |step| step.at) + timer);
        let first = self.queue.first_key_value().map(|((at, _), _)| *at);
        match (first, tick) {
            (Some(at), tick) if tick.is_none_or(|tick| at <= tick) => {
                let now = self.script.at;
                self.script.pass(at.saturating_sub(now));
                let (_, what) = self.queue.pop_first().expect("there is one");
                self.take(what);
            }
            (_, Some(tick)) => {
                let now = self.script.at;
                self.script.pass(tick.saturating_sub(now));
                self.put(json!({"tick": {}}));
                let is_idle = self.script.out.is_empty() && self.script.timer == Some(0);
                self.idle_ticks = if is_idle { self.idle_ticks + 1 } else { 0 };
                assert!(self.idle_ticks < 2, "a storm of timers");
            }
            (None, None) => drop(self.script.pass(1_000)),
            (Some(_), None) => unreachable!("the guard has taken it"),
        }
    }

    fn take(&mut self, what: Happening) {
        match what {
            Happening::Input(input) => self.put(input),
            Happening::Frame { attempt } => {
                let Some(connection) = self.server.connection.as_mut().filter(|link| link.attempt == attempt) else {
                    return;
                };
                let Some(frame) = connection.frames.pop_front() else { return };
                if connection.is_dead {
                    return;
                }
                if let Some(id) = frame["id"].as_str() {
                    connection.unanswered.remove(id);
                }
                let text = frame.to_string();
                self.put(json!({"frame": {"attempt": attempt, "text": text}}));
            }
            Happening::Chance => self.chance(),
            Happening::Heartbeat => {
                self.at(20_000, Happening::Heartbeat);
                if let Some(connection) = &mut self.server.connection {
                    connection.frames.push_back(json!({"type": "ping"}));
                }
                self.deliver_frames();
            }
        }
    }

    fn put(&mut self, input: Value) {
        self.script.put(input);
        if self.is_loud {
            println!("{}", serde_json::to_string(&self.script.trace.steps.last()).expect("it serializes"));
        }
        for output in self.script.out.clone() {
            self.carry_out(&output);
        }
        self.deliver_frames();
    }

    /// Frames of the server get on their way.
    fn deliver_frames(&mut self) {
        let Some(connection) = &self.server.connection else { return };
        let (attempt, waiting) = (connection.attempt, connection.frames.len());
        let queued = self
            .queue
            .values()
            .filter(|what| matches!(what, Happening::Frame { attempt: of } if *of == attempt))
            .count();
        for _ in queued..waiting {
            let delay = 1 + self.dice.below(20);
            self.at(delay, Happening::Frame { attempt });
        }
    }

    fn carry_out(&mut self, output: &Value) {
        let (kind, what) = output.as_object().and_then(|object| object.iter().next()).expect("one key");
        let delay = self.dice.below(30);
        match kind.as_str() {
            "dial" => self.dial(what["attempt"].as_u64().expect("a number")),
            "drop" => self.server.connection = None,
            "send" => {
                let fault = self.fault();
                let now = self.script.wall;
                self.server.receive(what["text"].as_str().expect("a text"), now, fault);
            }
            "ask" => {
                let generation = &what["generation"];
                let fails = self.dice.percent(self.trouble);
                let answer = if fails {
                    json!({"token_failed": {"generation": generation, "denied": false}})
                } else {
                    json!({"token": {"generation": generation, "token": "t", "user": "ann"}})
                };
                self.at(delay, Happening::Input(answer));
            }
            "store" => self.store(what, delay),
            "deliver" => self.delivered(what),
            "settle" => self.settled(what),
            "status" => self.is_store_behind |= what["store"].is_object(),
            "abort_ask" | "channel" | "pending" => {}
            other => panic!("an output that nothing here leads to: {other}"),
        }
    }

    fn dial(&mut self, attempt: u64) {
        let delay = self.dice.below(50);
        if self.dice.percent(self.trouble) {
            self.at(delay, Happening::Input(json!({"ended": {"attempt": attempt}})));
        } else if !self.dice.percent(self.trouble / 4) {
            self.server.accept(attempt, self.script.wall);
            self.script_opened(attempt);
        }
    }

    fn script_opened(&mut self, attempt: u64) {
        self.at(0, Happening::Input(json!({"opened": {"attempt": attempt}})));
    }

    fn fault(&mut self) -> Fault {
        if !self.dice.percent(self.trouble) {
            return Fault::None;
        }
        match self.dice.below(4) {
            0 => Fault::RateLimited,
            1 => Fault::Overloaded,
            nth => Fault::Unavailable { published: nth == 2 },
        }
    }

    fn store(&mut self, what: &Value, delay: u64) {
        let op = &what["op"];
        // One that cannot be opened at first holds back what goes before our own: order is kept as far as it is known.
        if *op != 1 && self.dice.percent(self.trouble / 3) {
            self.is_store_behind = true;
            if self.dice.percent(50) {
                self.at(delay, Happening::Input(json!({"store_failed": {"op": op}})));
            }
            return;
        }
        if what["open"] == true {
            let entries: Vec<_> = self.order.iter().filter_map(|id| self.stored.get(id)).cloned().collect();
            return self.at(delay, Happening::Input(json!({"loaded": {"op": op, "entries": entries}})));
        }
        self.is_store_behind = false;
        for entry in what["put"].as_array().into_iter().flatten() {
            let id = entry["msg_id"].as_str().expect("an id").to_owned();
            if self.stored.insert(id.clone(), entry.clone()).is_none() {
                self.order.push(id);
            }
        }
        for id in what["remove"].as_array().into_iter().flatten() {
            self.stored.remove(id.as_str().expect("an id"));
        }
        self.at(delay, Happening::Input(json!({"stored": {"op": op}})));
    }

    /// Somebody does something.
    fn chance(&mut self) {
        if self.trouble == 0 {
            return;
        }
        let pause = self.dice.below(400);
        self.at(pause, Happening::Chance);
        let channel = CHANNELS[usize::try_from(self.dice.below(3)).expect("small")];
        let now = self.script.wall;
        match self.dice.below(20) {
            0..=6 => self.publish(channel),
            7..=9 => {
                let data = json!({"other": self.next});
                self.server.append(channel, None, data, now);
                self.deliver_frames();
            }
            10..=11 => self.subscribe(channel),
            12 => self.unsubscribe(),
            13 => self.put(json!({"wake": {}})),
            14 if self.dice.percent(20) => {
                self.server.remove(channel, now);
                self.deliver_frames();
            }
            15 if self.dice.percent(10) => self.crash(),
            16 => {
                let jump = self.dice.below(8_000);
                self.script.wall += jump;
            }
            _ => self.break_connection(),
        }
    }

    fn publish(&mut self, channel: &str) {
        let id = format!("m{}", self.published.len());
        self.published.push((id.clone(), channel.to_owned()));
        self.published_in.push(self.runs);
        let data = json!({"mine": self.published.len()}).to_string();
        self.put(json!({"publish": {"msg_id": id, "channel": channel, "data": data}}));
    }

    fn subscribe(&mut self, channel: &str) {
        if self.readers.len() >= 6 {
            return;
        }
        self.next_reader += 1;
        let id = self.next_reader;
        let mut input = json!({"reader": id, "channel": channel});
        let mut reader = Reader { channel: channel.to_owned(), ..Reader::default() };
        match self.dice.below(3) {
            0 => input["rewind"] = self.dice.below(6).into(),
            1 => {
                let now = self.script.wall;
                let (epoch, top) = {
                    let stream = self.server.stream(channel, now);
                    (stream.epoch(), stream.top)
                };
                let offset = top.saturating_sub(self.dice.below(20));
                input["since"] = json!({"epoch": epoch, "offset": offset});
                (reader.epoch, reader.offset) = (Some(epoch), Some(offset));
            }
            _ => {}
        }
        self.readers.insert(id, reader);
        self.put(json!({"subscribe": input}));
    }

    fn unsubscribe(&mut self) {
        if let Some(id) = self.readers.keys().next().copied() {
            self.readers.remove(&id);
            self.put(json!({"unsubscribe": {"reader": id}}));
        }
    }

    fn break_connection(&mut self) {
        if !self.dice.percent(self.trouble * 3) {
            return;
        }
        let Some(connection) = &mut self.server.connection else { return };
        let attempt = connection.attempt;
        match self.dice.below(4) {
            // It goes dead, and nobody says so.
            0 => connection.is_dead = true,
            1 => {
                self.server.connection = None;
                self.put(json!({"ended": {"attempt": attempt, "code": 1001}}));
            }
            _ => {
                self.server.connection = None;
                self.put(json!({"ended": {"attempt": attempt}}));
            }
        }
    }

    /// The process dies, and another one begins with what the store has.
    fn crash(&mut self) {
        // While the store is out of use nobody can promise what a crash does not lose.
        if !self.has_store || self.is_store_behind {
            return;
        }
        for (id, _) in &self.published {
            if !self.ends.contains_key(id) && !self.stored.contains_key(id) {
                self.crashed.insert(id.clone());
            }
        }
        self.runs += 1;
        let about = self.script.trace.about.clone();
        let options = self.script.trace.options.clone();
        let (at, wall) = (self.script.at, self.script.wall);
        self.script = Script::new(&self.script.trace.name.clone(), &about, options, self.seed + 1);
        (self.script.at, self.script.wall) = (at, wall);
        self.queue.retain(|_, what| matches!(what, Happening::Chance | Happening::Heartbeat));
        self.server.connection = None;
        self.readers.clear();
        self.put(json!({"wake": {}}));
    }
}

/// Short ones for other languages.
pub(super) fn traces() -> Vec<Trace> {
    let run = |seed| {
        let mut world = World::new(seed, "Chance: a model of the server behind a bad network");
        world.run(6_000, 12);
        world.script.trace
    };
    (1..=24).map(run).collect()
}

#[test]
fn whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let seeds = match number("WS_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("WS_SEEDS").unwrap_or(1_000),
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, "");
            world.run(30_000, 3 + seed % 20);
        });
        assert!(run.is_ok(), "seed {seed}: WS_SEED={seed} cargo test -p ws-client whatever_happens");
    }
}
