//! A model of the server, as small as the protocol allows: channels with a short history, `msg_id`s, one connection. It
//! answers at once; its frames then take their time on the way.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::script::connected;

/// Publications that a channel keeps.
const HISTORY: u64 = 12;

/// One publication, for ever.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    pub(crate) msg_id: Option<String>,
    pub(crate) data: Value,
    time: u64,
}

/// A channel.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Everything that was ever published.
    pub(crate) log: Vec<Published>,
    pub(crate) epoch: u64,
    pub(crate) top: u64,
    /// The oldest that is kept.
    pub(crate) first: u64,
    born: u64,
}

impl Stream {
    pub(crate) fn epoch(&self) -> String {
        format!("e{}", self.epoch)
    }

    fn kept(&self) -> impl Iterator<Item = &Published> {
        let epoch = self.epoch();
        self.log.iter().filter(move |one| one.epoch == epoch && one.offset >= self.first)
    }
}

/// A fault that a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    RateLimited,
    Overloaded,
    /// Refused with an unknown outcome: published all the same, or not.
    Unavailable {
        published: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) attempt: u64,
    cursors: BTreeMap<String, u64>,
    /// Frames that are on their way, in order.
    pub(crate) frames: VecDeque<Value>,
    /// What the client sends and gets vanishes.
    pub(crate) is_dead: bool,
    /// Requests whose answers the client has not seen: id, and the channel of a publication.
    pub(crate) unanswered: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) streams: BTreeMap<String, Stream>,
    pub(crate) connection: Option<Connection>,
}

impl Server {
    pub(crate) fn accept(&mut self, attempt: u64, now: u64) {
        let frames = VecDeque::from([connected(now)]);
        let (cursors, unanswered) = (BTreeMap::new(), BTreeMap::new());
        self.connection = Some(Connection { attempt, cursors, frames, is_dead: false, unanswered });
    }

    pub(crate) fn stream(&mut self, name: &str, now: u64) -> &mut Stream {
        let new = || Stream { first: 1, born: now, ..Stream::default() };
        self.streams.entry(name.to_owned()).or_insert_with(new)
    }

    fn queue(&mut self, frame: Value) {
        if let Some(connection) = &mut self.connection {
            connection.frames.push_back(frame);
        }
    }

    /// A frame of the client.
    pub(crate) fn receive(&mut self, text: &str, now: u64, fault: Fault) {
        let frame: Value = serde_json::from_str(text).expect("clients send JSON");
        let Some(connection) = self.connection.as_mut().filter(|connection| !connection.is_dead) else { return };
        match frame["type"].as_str() {
            Some("ping") => return self.queue(json!({"type": "pong"})),
            Some("request") => {}
            _ => return,
        }
        let id = frame["id"].as_str().expect("an id").to_owned();
        let (action, payload) = (frame["action"].as_str().expect("an action").to_owned(), &frame["payload"]);
        let channel = payload["channel"].as_str().map(str::to_owned);
        let publishes = channel.clone().filter(|_| action == "publish");
        let same = |other: &Option<String>| other.is_some() && *other == publishes;
        assert!(!connection.unanswered.values().any(same), "two publications of {channel:?} are unanswered");
        connection.unanswered.insert(id.clone(), publishes);
        assert!(connection.unanswered.len() <= 16, "more than 16 requests are unanswered");
        // The rest is answered from memory.
        let fault = if matches!(&*action, "subscribe" | "publish") || fault == Fault::RateLimited {
            fault
        } else {
            Fault::None
        };
        let answer = match fault {
            Fault::RateLimited => {
                Err(json!({"code": "rate_limited", "message": "", "retryable": true, "retry_after_ms": 40}))
            }
            Fault::Overloaded => Err(json!({"code": "overloaded", "message": "", "retryable": true})),
            Fault::Unavailable { published } => {
                if published && action == "publish" {
                    drop(self.answer(&action, payload, now));
                }
                Err(json!({"code": "engine_unavailable", "message": "", "retryable": true}))
            }
            Fault::None => self.answer(&action, payload, now),
        };
        let subscribed = answer.is_ok() && action == "subscribe";
        self.queue(match answer {
            Ok(data) => json!({"id": id, "type": "response", "data": data}),
            Err(error) => json!({"id": id, "type": "error", "error": error}),
        });
        if subscribed {
            self.catch_up(&channel.expect("a channel"));
        }
    }

    fn answer(&mut self, action: &str, payload: &Value, now: u64) -> Result<Value, Value> {
        let channel = payload["channel"].as_str().unwrap_or_default().to_owned();
        match action {
            "authenticate" => Ok(json!({"user": "ann"})),
            "subscribe" => self.subscribe(&channel, payload, now),
            "unsubscribe" => {
                let cursors = self.connection.as_mut().map(|connection| &mut connection.cursors);
                match cursors.and_then(|cursors| cursors.remove(&channel)) {
                    Some(_) => Ok(json!({"channel": channel})),
                    None => Err(json!({"code": "not_subscribed", "message": "", "retryable": false})),
                }
            }
            "publish" => self.publish(&channel, payload, now),
            other => panic!("an action that no machine sends: {other}"),
        }
    }

    fn subscribe(&mut self, channel: &str, payload: &Value, now: u64) -> Result<Value, Value> {
        let stream = self.stream(channel, now);
        let (epoch, top, first) = (stream.epoch(), stream.top, stream.first);
        let mut data = json!({"channel": channel, "epoch": epoch, "offset": top});
        let after = if let Some(offset) = payload["since"]["offset"].as_u64() {
            let asked = payload["since"]["epoch"].as_str().expect("an epoch");
            if asked != epoch || offset > top {
                data["gap"] = json!({"epoch": asked});
                data["recovered"] = false.into();
                first - 1
            } else if offset + 1 < first {
                data["gap"] = json!({"from": offset + 1, "to": first - 1});
                data["recovered"] = false.into();
                first - 1
            } else {
                data["recovered"] = true.into();
                offset
            }
        } else {
            let rewind = payload["rewind"].as_u64().unwrap_or(0);
            top.saturating_sub(rewind).max(first - 1)
        };
        data["after"] = after.into();
        let connection = self.connection.as_mut().expect("it asked");
        if connection.cursors.insert(channel.to_owned(), after).is_some() {
            panic!("{channel} is subscribed twice");
        }
        Ok(data)
    }

    /// What a subscription has still to get.
    fn catch_up(&mut self, channel: &str) {
        let Some(stream) = self.streams.get(channel) else { return };
        let Some(connection) = &mut self.connection else { return };
        let Some(cursor) = connection.cursors.get_mut(channel) else { return };
        for one in stream.kept().filter(|one| one.offset > *cursor) {
            let mut data = json!({"event": "publication", "channel": channel, "offset": one.offset, "data": one.data,
                                  "time": one.time, "from": {"user": null}});
            if let Some(msg_id) = &one.msg_id {
                data["msg_id"] = msg_id.clone().into();
            }
            connection.frames.push_back(json!({"type": "notification", "data": data}));
        }
        *cursor = stream.top;
    }

    fn publish(&mut self, channel: &str, payload: &Value, now: u64) -> Result<Value, Value> {
        let msg_id = payload["msg_id"].as_str().map(str::to_owned);
        let stream = self.stream(channel, now);
        let epoch = stream.epoch();
        let found = stream.kept().find(|one| one.msg_id.is_some() && one.msg_id == msg_id).map(|one| one.offset);
        if let Some(offset) = found {
            return Ok(
                json!({"channel": channel, "epoch": epoch, "offset": offset, "ack": "memory", "duplicate": true}),
            );
        }
        let age = payload["age_ms"].as_u64().unwrap_or(0);
        if age > 0 {
            let oldest = stream.kept().next().map(|one| one.time);
            let lost = stream.first > 1 && oldest.is_none_or(|oldest| oldest + age >= now);
            if lost || stream.born + age > now {
                return Err(json!({"code": "unknown_outcome", "message": "", "retryable": false}));
            }
        }
        let offset = self.append(channel, msg_id, payload["data"].clone(), now);
        Ok(json!({"channel": channel, "epoch": epoch, "offset": offset, "ack": "memory", "duplicate": false}))
    }

    pub(crate) fn append(&mut self, channel: &str, msg_id: Option<String>, data: Value, now: u64) -> u64 {
        let stream = self.stream(channel, now);
        stream.top += 1;
        let (epoch, offset) = (stream.epoch(), stream.top);
        stream.log.push(Published { epoch, offset, msg_id, data, time: now });
        stream.first = stream.first.max((offset + 1).saturating_sub(HISTORY));
        self.catch_up(channel);
        offset
    }

    /// The history is removed: a new epoch begins.
    pub(crate) fn remove(&mut self, channel: &str, now: u64) {
        let stream = self.stream(channel, now);
        (stream.epoch, stream.top, stream.first, stream.born) = (stream.epoch + 1, 0, 1, now);
        let epoch = stream.epoch();
        let Some(cursor) = self.connection.as_mut().and_then(|connection| connection.cursors.get_mut(channel)) else {
            return;
        };
        *cursor = 0;
        self.queue(json!({"type": "notification",
                          "data": {"event": "gap", "channel": channel, "epoch": epoch, "after": 0}}));
    }
}
