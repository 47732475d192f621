//! What the publishers of one lane count together, and how responses are checked.

use ws_proto::ServerMessage;
use ws_proto::action::{Ack, PublishData};

use crate::frame;
use crate::measure::{Complaints, Latencies};
use crate::message::{self, PONG};

use super::answer::{Accepted, AnswerShape};
use super::offsets::Offsets;

#[derive(Debug)]
pub(super) struct Tally {
    /// Of acknowledged publishes.
    pub(super) latencies: Latencies,
    /// Number of acknowledged publishes by [`Ack`].
    pub(super) acks: [u64; Ack::ALL.len()],
    /// One for each publisher of this lane, over the whole run.
    pub(super) tracks: Vec<Track>,
    pub(super) unanswered: u64,
    pub(super) open: u64,
    pub(super) stopping: bool,
    pub(super) ended: Complaints,
    pub(super) errors: Complaints,
    pub(super) wrong: Complaints,
}

/// The responses to one publisher.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    pub(super) channel: u64,
    pub(super) offsets: Offsets,
    pub(super) without_offset: u64,
}

/// What a message means to a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Accepted(Accepted),
    /// A response, but not the expected one.
    Failed,
    /// Not a response.
    Unrelated,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally {
            latencies: Latencies::new(),
            acks: Default::default(),
            tracks: Vec::new(),
            unanswered: 0,
            open: 0,
            stopping: false,
            ended: Complaints::default(),
            errors: Complaints::default(),
            wrong: Complaints::default(),
        }
    }

    /// Begins the measurement. Correctness is checked over the whole run.
    pub(super) fn begin(&mut self) {
        self.latencies.reset();
        self.acks = Default::default();
    }

    /// Adds a publisher, and returns the index of its track.
    pub(super) fn enter(&mut self, channel: u64) -> usize {
        self.open += 1;
        self.tracks.push(Track { channel, offsets: Offsets::default(), without_offset: 0 });
        self.tracks.len() - 1
    }

    /// Counts an acknowledgement for the publisher whose track has the index `slot`.
    #[inline]
    pub(super) fn accepted(&mut self, slot: usize, Accepted { ack, offset }: Accepted, latency_ns: u64) {
        self.latencies.record(latency_ns);
        self.acks[ack as usize] += 1;
        let track = &mut self.tracks[slot];
        match offset {
            Some(offset) if track.offsets.add(offset) => {}
            Some(offset) => self.wrong.note(format!("offset {offset} is not above the publisher's last one")),
            None => track.without_offset += 1,
        }
    }

    /// Decodes a message that is not the expected response in the known shape.
    pub(super) fn unusual(&mut self, text: &[u8], expected: u64, shape: &mut AnswerShape, out: &mut Vec<u8>) -> Read {
        match message::decode(text) {
            Some(ServerMessage::Response { id, data }) => {
                let in_turn = message::number(id.as_bytes()) == Some(expected);
                match serde_json::from_str(data.get()) {
                    Ok(PublishData { ack, duplicate: false, offset, .. }) if in_turn => {
                        let accepted = Accepted { ack, offset };
                        shape.learn(text, accepted);
                        Read::Accepted(accepted)
                    }
                    _ => {
                        let what = if in_turn { "" } else { "out of turn: " };
                        self.wrong.note(format!("{what}{}", String::from_utf8_lossy(text)));
                        Read::Failed
                    }
                }
            }
            Some(ServerMessage::Error { error, .. }) => {
                self.errors.note(error);
                Read::Failed
            }
            None => {
                self.wrong.note(String::from_utf8_lossy(text));
                Read::Unrelated
            }
            Some(ServerMessage::Ping) => {
                frame::text(out, PONG);
                Read::Unrelated
            }
            _ => Read::Unrelated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Read, complaints: (u64, u64)) {
        let (mut tally, mut shape) = (Tally::new(), AnswerShape::default());
        assert_eq!(tally.unusual(text.as_bytes(), 10, &mut shape, &mut Vec::new()), expect, "{text}");
        assert_eq!((tally.errors.count, tally.wrong.count), complaints, "{text}");
        let learned = matches!(expect, Read::Accepted(_));
        assert_eq!(shape.read(text.as_bytes()).is_some(), learned, "{text}");
    }

    fn answer(data: &str) -> String {
        format!(r#"{{"id":"0000000a","type":"response","data":{{"channel":"c","epoch":"e",{data}}}}}"#)
    }

    #[test]
    fn every_answer_is_judged() {
        let accepted = |ack, offset| Read::Accepted(Accepted { ack, offset });
        check(&answer(r#""offset":7,"ack":"durable","duplicate":false"#), accepted(Ack::Durable, Some(7)), (0, 0));
        check(&answer(r#""ack":"memory","duplicate":false"#), accepted(Ack::Memory, None), (0, 0));
        for wrong in [
            answer(r#""offset":7,"ack":"durable","duplicate":true"#),
            answer(r#""offset":7,"ack":"durable""#),
            answer(r#""offset":7,"ack":"perhaps","duplicate":false"#),
            answer(r#""offset":7,"duplicate":false"#),
            answer(r#""offset":7,"ack":"memory","duplicate":false"#).replace("0000000a", "0000000b"),
        ] {
            check(&wrong, Read::Failed, (0, 1));
        }
        check(
            r#"{"id":"0000000a","type":"error","error":{"code":"overloaded","message":"","retryable":true}}"#,
            Read::Failed,
            (1, 0),
        );
        check(
            r#"{"type":"notification","data":{"event":"draining","reconnect_after_ms":[0,1]}}"#,
            Read::Unrelated,
            (0, 0),
        );
        check("?", Read::Unrelated, (0, 1));
    }

    #[test]
    fn offsets_that_do_not_grow_are_wrong() {
        let mut tally = Tally::new();
        let (first, second) = (tally.enter(0), tally.enter(0));
        for (slot, offset) in [(first, 2), (second, 1), (first, 3), (second, 4), (first, 3), (second, 3)] {
            tally.accepted(slot, Accepted { ack: Ack::Durable, offset: Some(offset) }, 1000);
        }
        assert_eq!((tally.wrong.count, tally.latencies.count(), tally.acks), (2, 6, [0, 6, 0]));
        tally.begin();
        assert_eq!((tally.wrong.count, tally.latencies.count(), tally.acks), (2, 0, [0, 0, 0]));
        assert!(!tally.tracks[first].offsets.is_empty());
    }
}
