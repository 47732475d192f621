//! The few messages of the protocol that the load has to understand: what arrived.
//!
//! Two speeds. A [`Shape`] recognises by comparison alone what an earlier message looked like but
//! for eight digits; [`Incoming::read`] parses anything, and is for the first of a kind and for the
//! unusual. Not here: what is sent (`request.rs`), the quick reading of publications (`channel.rs`).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Numbers travel as eight hexadecimal digits: their frames are all of one length.
pub(crate) const DIGITS: usize = 8;

pub(crate) fn digits(number: u64) -> [u8; DIGITS] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|i| HEX[(number >> (4 * (DIGITS - 1 - i))) as usize & 15])
}

pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let hex = |value: u64, digit: &u8| match digit {
        b'0'..=b'9' => Some(value << 4 | u64::from(digit - b'0')),
        b'a'..=b'f' => Some(value << 4 | u64::from(digit - b'a' + 10)),
        _ => None,
    };
    (digits.len() == DIGITS).then(|| digits.iter().try_fold(0, hex)).flatten()
}

/// A message seen before: what stands before and behind the eight digits that differ.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Shape {
    /// Remembers `text`, whose digits follow the first occurrence of `mark`.
    pub(crate) fn learn(&mut self, text: &[u8], mark: &[u8]) {
        let Some(at) = text.windows(mark.len()).position(|window| window == mark) else { return };
        let Some(tail) = text.get(at + mark.len() + DIGITS..) else { return };
        self.head.clear();
        self.head.extend_from_slice(&text[..at + mark.len()]);
        self.tail.clear();
        self.tail.extend_from_slice(tail);
    }

    /// The number in `text`, if all the rest is as it was.
    #[inline]
    pub(crate) fn number_in(&self, text: &[u8]) -> Option<u64> {
        let rest = text.strip_prefix(self.head.as_slice())?;
        let digits = rest.strip_suffix(self.tail.as_slice())?;
        number(digits)
    }
}

/// What arrived, as far as a load tool cares.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming<'a> {
    Response {
        id: Cow<'a, str>,
        answer: Answer,
    },
    Error {
        id: Option<Cow<'a, str>>,
        text: String,
    },
    Connected,
    Broadcast {
        message: Value,
    },
    /// Of broadcasts.
    Gap {
        missed: u64,
    },
    Publication {
        channel: String,
        offset: Option<u64>,
        data: Value,
    },
    ChannelGap {
        channel: String,
        hole: Hole,
    },
    /// Application-level heartbeat (`?heartbeat=app`): answer with [`PONG`].
    Ping,
    /// Right, and of no interest here.
    Other,
    Unreadable,
}

/// What a response says, as far as a load tool asked for it.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Answer {
    pub(crate) echo: Option<Value>,
    pub(crate) epoch: Option<String>,
    pub(crate) offset: Option<u64>,
    pub(crate) recovered: Option<bool>,
    pub(crate) gap: Option<Hole>,
    pub(crate) ack: Option<Ack>,
    pub(crate) duplicate: Option<bool>,
}

/// What the answer to a publish stands for (PROTOCOL, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ack {
    Memory,
    Durable,
    Replicated,
}

impl Ack {
    pub(crate) const ALL: [Ack; 3] = [Ack::Memory, Ack::Durable, Ack::Replicated];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Ack::Memory => "memory",
            Ack::Durable => "durable",
            Ack::Replicated => "replicated",
        }
    }
}

/// What is gone from a channel: offsets, or all that was in another epoch.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
pub(crate) struct Hole {
    pub(crate) from: Option<u64>,
    pub(crate) to: Option<u64>,
    pub(crate) epoch: Option<String>,
}

impl Hole {
    /// The offsets that are gone, where the hole says so.
    pub(crate) fn offsets(&self) -> Option<RangeInclusive<u64>> {
        Some(self.from?..=self.to?)
    }
}

/// The answer to [`Incoming::Ping`].
pub(crate) const PONG: &[u8] = br#"{"type":"pong"}"#;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    message: Option<Value>,
    broadcast: Option<bool>,
    missed: Option<u64>,
    channel: Option<String>,
    offset: Option<u64>,
    data: Option<Value>,
    /// An offset in a gap; whoever published, in a publication.
    from: Option<Value>,
    to: Option<u64>,
    epoch: Option<String>,
}

impl<'a> Incoming<'a> {
    pub(crate) fn read(text: &'a [u8]) -> Incoming<'a> {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'a>>(text) else { return Incoming::Unreadable };
        let data = || envelope.data.and_then(|data| serde_json::from_str::<Data<'a>>(data.get()).ok());
        let answer = || envelope.data.and_then(|data| serde_json::from_str(data.get()).ok());
        match (&*envelope.kind, envelope.id) {
            ("notification", _) => data().map_or(Incoming::Unreadable, Incoming::event),
            ("response", Some(id)) => Incoming::Response { id, answer: answer().unwrap_or_default() },
            ("error", id) => Incoming::Error { id, text: error_text(envelope.error) },
            ("ping", _) => Incoming::Ping,
            ("pong", _) => Incoming::Other,
            _ => Incoming::Unreadable,
        }
    }

    fn event(data: Data<'a>) -> Incoming<'a> {
        match (data.event.as_deref(), data.broadcast, data.channel) {
            (Some("connected"), ..) => Incoming::Connected,
            (Some("broadcast"), ..) => Incoming::Broadcast { message: data.message.unwrap_or_default() },
            (Some("publication"), _, Some(channel)) => {
                Incoming::Publication { channel, offset: data.offset, data: data.data.unwrap_or_default() }
            }
            (Some("gap"), Some(true), _) => Incoming::Gap { missed: data.missed.unwrap_or(0) },
            (Some("gap"), _, Some(channel)) => {
                let from = data.from.as_ref().and_then(Value::as_u64);
                Incoming::ChannelGap { channel, hole: Hole { from, to: data.to, epoch: data.epoch } }
            }
            (Some(_), ..) => Incoming::Other,
            (None, ..) => Incoming::Unreadable,
        }
    }
}

/// `code: message`, or whatever else the server wrote there.
fn error_text(error: Option<Value>) -> String {
    match error {
        Some(Value::String(text)) => text,
        Some(Value::Object(fields)) => {
            let field = |name| fields.get(name).and_then(Value::as_str).unwrap_or("?");
            format!("{}: {}", field("code"), field("message"))
        }
        other => other.unwrap_or_default().to_string(),
    }
}

pub(crate) fn is_greeting(text: &str) -> bool {
    Incoming::read(text.as_bytes()) == Incoming::Connected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Incoming<'_>) {
        assert_eq!(Incoming::read(text.as_bytes()), expect);
    }

    #[test]
    fn messages_of_the_protocol_are_told_apart() {
        check(
            r#"{"type":"response","id":"1","data":{"echo":"a","more":[]}}"#,
            Incoming::Response { id: "1".into(), answer: Answer { echo: Some("a".into()), ..Answer::default() } },
        );
        check(
            r#"{"id":"1","type":"response","data":7}"#,
            Incoming::Response { id: "1".into(), answer: Answer::default() },
        );
        check(
            r#"{"type":"error","error":{"code":"overloaded","message":"later","retryable":true}}"#,
            Incoming::Error { id: None, text: "overloaded: later".to_owned() },
        );
        check(
            r#"{"id":"1","type":"error","error":"no"}"#,
            Incoming::Error { id: Some("1".into()), text: "no".to_owned() },
        );
        check(
            r#"{"type":"notification","data":{"event":"broadcast","message":"m","from":{"connection_id":"c"}}}"#,
            Incoming::Broadcast { message: "m".into() },
        );
        check(
            r#"{"type":"notification","data":{"event":"gap","broadcast":true,"missed":3}}"#,
            Incoming::Gap { missed: 3 },
        );
        check(r#"{"type":"ping"}"#, Incoming::Ping);
        for unreadable in ["", "[]", "{\"type\":1}", r#"{"type":"notification","data":"x"}"#, r#"{"type":"response"}"#]
        {
            check(unreadable, Incoming::Unreadable);
        }
        assert!(is_greeting(r#"{"type":"notification","data":{"event":"connected","connection_id":"7f1c"}}"#));
    }

    #[test]
    fn what_channels_say_is_read() {
        let subscribed = r#"{"id":"1","type":"response","data":{"channel":"c","epoch":"e","offset":7,
            "recovered":false,"gap":{"from":3,"to":5}}}"#;
        let gap = Some(Hole { from: Some(3), to: Some(5), epoch: None });
        let answer =
            Answer { epoch: Some("e".to_owned()), offset: Some(7), recovered: Some(false), gap, ..Answer::default() };
        check(subscribed, Incoming::Response { id: "1".into(), answer });
        check(
            r#"{"type":"notification","data":{"event":"publication","channel":"c","offset":8,"data":"d","time":1,
            "from":{"connection_id":"x"}}}"#,
            Incoming::Publication { channel: "c".to_owned(), offset: Some(8), data: "d".into() },
        );
        for ack in Ack::ALL {
            let text = format!(
                r#"{{"id":"1","type":"response","data":{{"offset":7,"ack":"{}","duplicate":false}}}}"#,
                ack.name()
            );
            let answer = Answer { offset: Some(7), ack: Some(ack), duplicate: Some(false), ..Answer::default() };
            check(&text, Incoming::Response { id: "1".into(), answer });
        }
        let hole = Hole { from: Some(1), to: Some(2), epoch: None };
        assert_eq!(hole.offsets(), Some(1..=2));
        check(
            r#"{"type":"notification","data":{"event":"gap","channel":"c","from":1,"to":2}}"#,
            Incoming::ChannelGap { channel: "c".to_owned(), hole },
        );
        let hole = Hole { epoch: Some("e".to_owned()), ..Hole::default() };
        assert_eq!(hole.offsets(), None);
        check(
            r#"{"type":"notification","data":{"event":"gap","channel":"c","epoch":"e"}}"#,
            Incoming::ChannelGap { channel: "c".to_owned(), hole },
        );
        check(r#"{"type":"notification","data":{"event":"join","channel":"c","client":{}}}"#, Incoming::Other);
    }

    #[test]
    fn digits_are_numbers() {
        for n in [0, 9, 0xdead_beef, 0xffff_ffff] {
            assert_eq!(number(&digits(n)), Some(n));
        }
        for bad in [&b"0000000"[..], b"000000000", b"0000000g", b"0000000F"] {
            assert_eq!(number(bad), None);
        }
    }

    #[test]
    fn a_shape_accepts_nothing_but_other_digits() {
        let mut shape = Shape::default();
        assert_eq!(shape.number_in(b"{\"id\":\"00000001\"}"), None);
        shape.learn(b"{\"id\":\"00000001\"}", b"\"id\":\"");
        assert_eq!(shape.number_in(b"{\"id\":\"0000000a\"}"), Some(10));
        for other in [&b"{\"id\":\"0000000a\"} "[..], b"{\"id\":\"000000a\"}", b"{\"id\":\"", b"{\"ix\":\"0000000a\"}"]
        {
            assert_eq!(shape.number_in(other), None);
        }
        shape.learn(b"{\"id\":\"0", b"\"id\":\"");
        assert_eq!(shape.number_in(b"{\"id\":\"0000000a\"}"), Some(10));
    }
}
