//! Clients that publish: one thing at a time, repeated until its outcome is known.

use tokio::time::sleep;
use ws_tests::fault_proxy::Rng;
use ws_tests::prelude::*;

use super::field::Field;
use super::trace::{Answer, Attempt, BROADCASTS, Kind};
use super::wire::Wire;

pub(super) struct Publisher {
    field: Field,
    name: String,
    channel: String,
    rng: Rng,
    wire: Option<Wire>,
    home: usize,
    published: u64,
    attempts: Vec<Attempt>,
}

impl Publisher {
    pub(super) fn new(field: &Field, name: &str, channel: &str, home: usize, rng: Rng) -> Self {
        let (name, channel) = (name.to_owned(), channel.to_owned());
        Publisher { field: field.clone(), name, channel, rng, wire: None, home, published: 0, attempts: Vec::new() }
    }

    /// Publishes until the load is over.
    pub(super) async fn run(mut self) -> Vec<Attempt> {
        while self.field.is_load() {
            self.publish().await;
            sleep(self.rng.time(Duration::from_millis(25))).await;
        }
        self.attempts
    }

    /// Publishes the next one.
    pub(super) async fn publish(&mut self) {
        self.published += 1;
        let body = format!("{}.{}-{}", self.name, self.field.round, self.published);
        let mut first = None;
        loop {
            let sent = self.field.clock.now();
            // As old as the client knows, in whole milliseconds.
            let age = first.map_or(0, |first| sent - first + 1);
            let (server, answer) = self.attempt(&body, age).await;
            let (channel, answered) = (self.channel.clone(), self.field.clock.now());
            let is_settled = match answer {
                Answer::Stored { .. } | Answer::Passed | Answer::Forgotten | Answer::Wrong(_) => true,
                // Without a history nobody knows an id: it would be published again.
                Answer::Unknown => Kind::of(&self.channel) == Kind::Passing,
                Answer::Refused => false,
            };
            first = if answer == Answer::Unknown { first.or(Some(sent)) } else { None };
            self.attempts.push(Attempt { channel, body: body.clone(), server, sent, answered, age, answer });
            if is_settled {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }

    async fn attempt(&mut self, body: &str, age: u64) -> (usize, Answer) {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.field.connect(self.home, &mut self.rng).await,
        };
        let frame = match self.channel.as_str() {
            BROADCASTS => wire.request("broadcast", json!({"message": body})).await,
            channel if Kind::of(channel) == Kind::Passing => {
                wire.request("publish", json!({"channel": channel, "data": body})).await
            }
            channel => {
                let payload = json!({"channel": channel, "data": body, "msg_id": body, "age_ms": age});
                wire.request("publish", payload).await
            }
        };
        let server = wire.server;
        match frame {
            None => self.home = self.field.any(&mut self.rng),
            Some(_) => self.wire = Some(wire),
        }
        (server, frame.map_or(Answer::Unknown, |frame| answer(&frame)))
    }
}

fn answer(frame: &Value) -> Answer {
    let data = &frame["data"];
    if frame["type"] == "response" {
        return match (data["epoch"].as_str(), data["offset"].as_u64()) {
            (Some(epoch), Some(offset)) => {
                Answer::Stored { epoch: epoch.to_owned(), offset, duplicate: data["duplicate"] == true }
            }
            _ => Answer::Passed,
        };
    }
    match frame["error"]["code"].as_str() {
        Some("engine_unavailable" | "internal") => Answer::Unknown,
        Some("overloaded" | "rate_limited") => Answer::Refused,
        Some("unknown_outcome") => Answer::Forgotten,
        _ => Answer::Wrong(frame.to_string()),
    }
}
