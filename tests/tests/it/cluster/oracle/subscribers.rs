//! Clients that read: each subscribes to everything, and goes on where it was when its connection ends.

use std::collections::BTreeMap;

use tokio::time::{Instant, sleep_until};
use ws_tests::fault_proxy::Rng;
use ws_tests::prelude::*;

use super::field::{Field, Goal};
use super::trace::{BROADCASTS, Gap, Position, Told, Trace};
use super::wire::Wire;

/// How soon everybody gets to the end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// How soon it is tried again what was refused.
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Subscriber {
    field: Field,
    who: String,
    home: usize,
    /// It comes and goes by itself.
    is_restless: bool,
    rng: Rng,
    channels: BTreeMap<String, Followed>,
}

#[derive(Default)]
struct Followed {
    is_asked: bool,
    is_followed: bool,
    position: Option<Position>,
    /// The end has come, in a channel that has no position.
    has_ended: bool,
    trace: Vec<(u64, Told)>,
}

impl Subscriber {
    pub(super) fn new(field: &Field, who: &str, home: usize, is_restless: bool, rng: Rng, channels: &[String]) -> Self {
        let channels = channels.iter().map(String::as_str).chain([BROADCASTS]);
        let channels = channels.map(|channel| (channel.to_owned(), Followed::default())).collect();
        Subscriber { field: field.clone(), who: who.to_owned(), home, is_restless, rng, channels }
    }

    /// Reads to the end. What it was told, and what is wrong.
    pub(super) async fn run(mut self) -> (Vec<Trace>, Vec<String>) {
        let mut wrong = Vec::new();
        let mut ends = None;
        while !self.is_done() && ends.is_none_or(|ends| Instant::now() < ends) {
            let mut wire = self.field.connect(self.home, &mut self.rng).await;
            self.connected();
            self.read(&mut wire, &mut ends).await;
            self.home = self.field.any(&mut self.rng);
        }
        if !self.is_done() {
            let left = self.channels.iter().filter(|(name, followed)| !self.has_come(name, followed));
            let left: Vec<_> = left.map(|(name, followed)| (name, &followed.position)).collect();
            wrong.push(format!("(b) {} has not got to the end within {END_WITHIN:?}: {left:?}", self.who));
        }
        let who = self.who;
        let trace =
            |(channel, followed): (String, Followed)| Trace { who: who.clone(), channel, events: followed.trace };
        (self.channels.into_iter().map(trace).collect(), wrong)
    }

    fn connected(&mut self) {
        for (channel, followed) in &mut self.channels {
            (followed.is_asked, followed.is_followed) = (false, false);
            if channel == BROADCASTS {
                (followed.is_asked, followed.is_followed) = (true, true);
                followed.trace.push((self.field.clock.now(), Told::Began { since: None, after: None, gap: None }));
            }
        }
    }

    /// Reads until the connection ends, it has had enough, or everything has come.
    async fn read(&mut self, wire: &mut Wire, ends: &mut Option<Instant>) {
        let leaves = Instant::now() + Duration::from_millis(50) + self.rng.time(Duration::from_millis(700));
        let mut tick = Instant::now();
        loop {
            let is_calm = !self.field.is_load();
            if self.field.goal().is_some() {
                ends.get_or_insert(Instant::now() + END_WITHIN);
            }
            if self.is_done() || ends.is_some_and(|ends| Instant::now() > ends) {
                return;
            }
            if self.is_restless && !is_calm && Instant::now() > leaves {
                return;
            }
            tokio::select! {
                frame = wire.next() => match frame {
                    Some(frame) => self.take(&frame),
                    None => return,
                },
                () = sleep_until(tick) => {
                    tick = Instant::now() + TICK;
                    if !self.subscribe(wire).await {
                        return;
                    }
                }
            }
        }
    }

    /// Asks for everything that it does not follow. Whether the connection was still there.
    async fn subscribe(&mut self, wire: &mut Wire) -> bool {
        for (channel, followed) in &mut self.channels {
            if followed.is_followed || followed.is_asked {
                continue;
            }
            followed.is_asked = true;
            let since = followed.position.as_ref().map(|(epoch, offset)| json!({"epoch": epoch, "offset": offset}));
            if !wire.ask(channel, "subscribe", json!({"channel": channel, "since": since})).await {
                return false;
            }
        }
        true
    }

    fn take(&mut self, frame: &Value) {
        let at = self.field.clock.now();
        let data = &frame["data"];
        let channel = match (frame["id"].as_str(), data["event"].as_str()) {
            (Some(id), _) => id,
            (None, Some("broadcast")) => BROADCASTS,
            (None, _) if data["broadcast"] == true => BROADCASTS,
            (None, _) => data["channel"].as_str().unwrap_or_default(),
        };
        let Some(followed) = self.channels.get_mut(channel) else { return };
        let told = match (frame["type"].as_str(), data["event"].as_str()) {
            (Some("response"), _) => followed.began(data),
            (Some("error"), _) => {
                followed.is_asked = false;
                return;
            }
            (_, Some("publication")) => followed.published(data, &data["data"]),
            (_, Some("broadcast")) => followed.published(data, &data["message"]),
            (_, Some("gap")) => followed.gap(data),
            _ => return,
        };
        // Broadcasts of an earlier round may come late.
        if let Told::Publication { body, .. } = &told {
            followed.has_ended |= body.starts_with(&format!("end.{}-", self.field.round));
        }
        followed.trace.push((at, told));
    }

    fn is_done(&self) -> bool {
        self.channels.iter().all(|(name, followed)| self.has_come(name, followed))
    }

    fn has_come(&self, name: &str, followed: &Followed) -> bool {
        let reached = |goal: &Goal| match (goal.ends.get(name), &followed.position) {
            (Some((epoch, end)), Some((at, offset))) => epoch == at && offset >= end,
            (Some(_), None) => false,
            (None, _) => followed.has_ended,
        };
        self.field.goal().is_some_and(|goal| reached(&goal))
    }
}

impl Followed {
    fn began(&mut self, data: &Value) -> Told {
        self.is_followed = true;
        let since = self.position.clone();
        let after = data["epoch"].as_str().map(|epoch| (epoch.to_owned(), number(&data["after"])));
        self.position.clone_from(&after);
        let gap = data.get("gap").filter(|gap| !gap.is_null()).map(|gap| match gap["epoch"].as_str() {
            Some(epoch) => Gap::Epoch { epoch: epoch.to_owned(), after: 0 },
            None => Gap::Offsets { from: number(&gap["from"]), to: number(&gap["to"]) },
        });
        Told::Began { since, after, gap }
    }

    fn published(&mut self, data: &Value, body: &Value) -> Told {
        let body = body.as_str().expect("a body").to_owned();
        let offset = data["offset"].as_u64();
        if let (Some((_, at)), Some(offset)) = (&mut self.position, offset) {
            *at = offset;
        }
        Told::Publication { offset, body }
    }

    fn gap(&mut self, data: &Value) -> Told {
        if let Some(epoch) = data["epoch"].as_str() {
            let after = number(&data["after"]);
            self.position = Some((epoch.to_owned(), after));
            return Told::Gap(Gap::Epoch { epoch: epoch.to_owned(), after });
        }
        match (data["from"].as_u64(), data["to"].as_u64()) {
            (Some(from), Some(to)) => {
                if let Some((_, at)) = &mut self.position {
                    *at = to;
                }
                Told::Gap(Gap::Offsets { from, to })
            }
            _ => Told::Gap(Gap::Missed),
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number: {value}"))
}
