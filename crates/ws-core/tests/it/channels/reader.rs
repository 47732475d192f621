//! A client that knows the contract and checks everything that arrives.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;
use ws_core::engine::Epoch;
use ws_core::{Flow, Hub};

use super::record::Record;
use crate::client::Client;

/// The `on_lag` of a channel, by the name of its namespace.
pub(super) fn is_ephemeral(channel: &str) -> bool {
    channel.starts_with("pass")
}

fn skips(channel: &str) -> bool {
    channel.starts_with("latest")
}

pub(super) struct Reader {
    pub(super) client: Client,
    /// Its socket is never full, so it never misses anything.
    keeps_up: bool,
    exact: bool,
    pub(super) cursors: HashMap<String, ChannelCursor>,
    /// Unanswered requests, in their order.
    asked: VecDeque<Asked>,
    /// Requests that the server has not taken yet.
    held: VecDeque<String>,
    /// Positions that it has seen, per channel.
    pub(super) known: HashMap<String, (String, u64)>,
    next_id: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Asked {
    Now(String),
    Since(String, String, u64),
    Rewind(String, u64),
    Unsubscribe(String),
    Publish(String),
}

#[derive(Debug, Clone)]
pub(super) struct ChannelCursor {
    /// How many streams the channel had had before this one.
    pub(super) epoch: usize,
    /// The offset that comes next; in a channel without history, the count, and 0 before the first.
    pub(super) next: u64,
    /// It has caught up once: from then on, a reader whose socket is never full misses nothing.
    live: bool,
}

impl Reader {
    /// `exact`: nothing happens between the engine's answer and the hub's.
    pub(super) fn connect(hub: &Hub, room: usize, exact: bool) -> Self {
        Reader {
            exact,
            client: Client::connect(hub, room),
            keeps_up: room >= 1 << 30,
            cursors: HashMap::new(),
            asked: VecDeque::new(),
            held: VecDeque::new(),
            known: HashMap::new(),
            next_id: 0,
        }
    }

    pub(super) fn say(&mut self, asked: Asked, extra: &str) {
        let (action, channel, more) = match &asked {
            Asked::Now(channel) => ("subscribe", channel, String::new()),
            Asked::Since(channel, epoch, offset) => {
                ("subscribe", channel, format!(r#","since":{{"epoch":"{epoch}","offset":{offset}}}"#))
            }
            Asked::Rewind(channel, n) => ("subscribe", channel, format!(r#","rewind":{n}"#)),
            Asked::Unsubscribe(channel) => ("unsubscribe", channel, String::new()),
            Asked::Publish(channel) => ("publish", channel, extra.to_owned()),
        };
        self.next_id += 1;
        let id = self.next_id;
        self.held.push_back(format!(
            r#"{{"id":"{id}","type":"request","action":"{action}","payload":{{"channel":"{channel}"{more}}}}}"#
        ));
        self.asked.push_back(asked);
        self.go_on();
    }

    /// Takes the answers that have come, and sends requests that the server has not taken.
    pub(super) fn go_on(&mut self) {
        self.client.go_on();
        while let Some(text) = self.held.front() {
            match self.client.say(text) {
                Flow::Continue => drop(self.held.pop_front()),
                Flow::Hold => return,
                Flow::Close(code) => panic!("closed with {code:?} after {text}"),
            }
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty() && self.asked.is_empty()
    }

    /// Whether it will be subscribed once all its requests are answered.
    pub(super) fn wants(&self, channel: &str) -> bool {
        let asked = self.asked.iter().rev().find_map(|asked| match asked {
            Asked::Now(name) | Asked::Since(name, ..) | Asked::Rewind(name, _) => (name == channel).then_some(true),
            Asked::Unsubscribe(name) => (name == channel).then_some(false),
            Asked::Publish(_) => None,
        });
        asked.unwrap_or_else(|| self.cursors.contains_key(channel))
    }

    /// Checks everything that has arrived.
    pub(super) fn check(&mut self, record: &Record) {
        for frame in self.client.read() {
            match frame["type"].as_str() {
                Some("response") => {
                    let next = self.next_id - self.asked.len() as u64 + 1;
                    assert_eq!(frame["id"], next.to_string(), "answers come in the order of the requests");
                    self.answered(&frame["data"], record);
                }
                Some("notification") => self.told(&frame["data"], record),
                _ => panic!("unexpected: {frame}"),
            }
        }
    }

    fn answered(&mut self, data: &Value, record: &Record) {
        let asked = self.asked.pop_front().expect("an answer without a question");
        match &asked {
            Asked::Publish(_) => {}
            Asked::Unsubscribe(channel) => {
                let cursor = self.cursors.remove(channel).expect("it was subscribed");
                // Before its first publication this is `after` of the answer that it began with.
                if !is_ephemeral(channel) {
                    self.known.insert(channel.clone(), (epoch(record, channel, cursor.epoch), cursor.next - 1));
                }
            }
            Asked::Now(channel) | Asked::Since(channel, ..) | Asked::Rewind(channel, _) => {
                let cursor = self.begin(&asked, channel, data, record);
                assert!(self.cursors.insert(channel.clone(), cursor).is_none(), "subscribed twice");
            }
        }
    }

    fn begin(&self, asked: &Asked, channel: &str, data: &Value, record: &Record) -> ChannelCursor {
        if is_ephemeral(channel) {
            assert!(["offset", "epoch", "after"].iter().all(|field| data.get(field).is_none()), "{data}");
            // Which one comes first is known when it comes.
            return ChannelCursor { epoch: 0, next: 0, live: true };
        }
        let (name, top) = (data["epoch"].as_str().expect("an epoch"), data["offset"].as_u64().expect("an offset"));
        let epoch = number(record, channel, name);
        let oldest = top.saturating_sub(super::HISTORY as u64) + 1;
        let next = match asked {
            Asked::Since(_, known, offset) => match data["recovered"].as_bool().expect("an answer to since") {
                true => {
                    assert_eq!((known.as_str(), data.get("gap")), (name, None), "{data}");
                    assert!(*offset <= top);
                    offset + 1
                }
                false if data["gap"]["epoch"].is_string() => {
                    assert!(known != name || *offset > top, "{data} after {asked:?}");
                    oldest
                }
                false => {
                    assert_eq!((known.as_str(), data["gap"]["from"].as_u64()), (name, Some(offset + 1)));
                    let to = data["gap"]["to"].as_u64().expect("the last that is gone");
                    assert!(*offset < to && to <= top && !is_kept(record, channel, epoch, to), "{data}");
                    to + 1
                }
            },
            Asked::Rewind(_, n) => oldest.max(top.saturating_sub(*n) + 1),
            _ => top + 1,
        };
        let after = data["after"].as_u64().expect("where the cursor stands");
        // When the engine answered before the hub did, more may have been retained then.
        let is_bound = !self.exact && matches!(asked, Asked::Since(..) | Asked::Rewind(..)) && next == oldest;
        assert!(after + 1 == next || is_bound && after < next, "{data} after {asked:?}: {next} is next");
        ChannelCursor { epoch, next: after + 1, live: after == top }
    }

    fn told(&mut self, data: &Value, record: &Record) {
        if data["event"] == "draining" {
            return;
        }
        let channel = data["channel"].as_str().expect("a channel");
        let keeps_up = self.keeps_up;
        let cursor = self.cursors.get_mut(channel).expect("an event of a channel that it is not subscribed to");
        if data["event"] == "gap" {
            return gap(cursor, channel, data, record, keeps_up);
        }
        assert_eq!(data["event"], "publication");
        let found = record.with(channel, |stream| offset_of(&stream.epochs.get(cursor.epoch)?.1, data));
        let offset = found.unwrap_or_else(|| panic!("never published in stream {}: {data}", cursor.epoch));
        if skips(channel) && (!keeps_up || !cursor.live) {
            assert!(offset >= cursor.next, "goes back: {data}");
        } else {
            let begins = is_ephemeral(channel) && cursor.next == 0;
            assert!(begins || offset == cursor.next, "{channel}: doubled, out of order, or lost: {data} at {cursor:?}");
        }
        cursor.next = offset + 1;
    }

    /// Checks the state after everything had time to arrive.
    pub(super) fn settled(&mut self, record: &Record) {
        for (channel, cursor) in &mut self.cursors {
            cursor.live |= record.with(channel, |stream| stream.count() + 1 == cursor.next);
        }
    }

    /// Whether everything has arrived.
    pub(super) fn has_all(&self, record: &Record) -> bool {
        self.cursors.iter().all(|(channel, cursor)| {
            let nothing = is_ephemeral(channel) && cursor.next == 0;
            nothing
                || record.with(channel, |stream| {
                    stream.epochs.len() == cursor.epoch + 1 && stream.count() + 1 == cursor.next
                })
        })
    }
}

fn gap(cursor: &mut ChannelCursor, channel: &str, data: &Value, record: &Record, keeps_up: bool) {
    assert!(!skips(channel) || !cursor.live || data["epoch"].is_string(), "nobody is told here: {data}");
    if let Some(name) = data["epoch"].as_str() {
        let epoch = number(record, channel, name);
        assert!(epoch > cursor.epoch, "an epoch that is over: {data}");
        *cursor = ChannelCursor { epoch, next: 1, live: false };
        return;
    }
    assert!(!keeps_up || !cursor.live, "a gap for a reader that keeps up: {data} at {cursor:?}");
    if is_ephemeral(channel) {
        // Before its first publication it does not know what it misses.
        cursor.next += if cursor.next == 0 { 0 } else { data["missed"].as_u64().expect("how many") };
        return;
    }
    let (from, to) = (data["from"].as_u64().expect("from"), data["to"].as_u64().expect("to"));
    assert!(from <= to && from == cursor.next, "{data} at {cursor:?}");
    assert!(!is_kept(record, channel, cursor.epoch, to), "gone, but still there: {data}");
    cursor.next = to + 1;
}

fn offset_of(all: &[String], data: &Value) -> Option<u64> {
    let text = data["data"].to_string();
    let at = match data["offset"].as_u64() {
        Some(offset) => (offset as usize).checked_sub(1).filter(|at| all.get(*at) == Some(&text)),
        None => all.iter().position(|published| *published == text),
    };
    at.map(|at| at as u64 + 1)
}

/// Whether the history must still have an offset.
fn is_kept(record: &Record, channel: &str, epoch: usize, offset: u64) -> bool {
    record.with(channel, |stream| epoch + 1 == stream.epochs.len() && offset + super::HISTORY as u64 > stream.count())
}

fn number(record: &Record, channel: &str, name: &str) -> usize {
    let epoch = Epoch::parse(name).expect("the name of an epoch");
    let found = record.with(channel, |stream| stream.epochs.iter().position(|(known, _)| *known == epoch));
    found.unwrap_or_else(|| panic!("{channel} never had the epoch {name}"))
}

fn epoch(record: &Record, channel: &str, number: usize) -> String {
    record.with(channel, |stream| stream.epochs.get(number).map_or(String::new(), |(epoch, _)| epoch.to_string()))
}
