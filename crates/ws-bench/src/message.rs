//! The few messages of the protocol that the load needs: requests ready to send, and what arrived.
//!
//! Two speeds. A [`Shape`] recognises by comparison alone what an earlier message looked like but
//! for eight digits; [`Incoming::read`] parses anything, and is for the first of a kind and for the
//! unusual. Requests are [`Template`]s: a finished frame in which eight digits are put in place.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::frame;

/// Numbers travel as eight hexadecimal digits: their frames are all of one length.
pub(crate) const DIGITS: usize = 8;
const PLACE: &str = "########";

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

/// A request's frame; its number fills the id, and the message too where the message has a place.
#[derive(Debug)]
pub(crate) struct Template {
    frame: Vec<u8>,
    places: Vec<usize>,
}

impl Template {
    fn new(request: &Value) -> Template {
        let mut bytes = Vec::new();
        frame::text(&mut bytes, request.to_string().as_bytes());
        let place = PLACE.as_bytes();
        let places = bytes.windows(DIGITS).enumerate().filter(|(_, window)| *window == place);
        let places = places.map(|(at, _)| at).collect();
        Template { frame: bytes, places }
    }

    pub(crate) fn echo(message: &str) -> Template {
        Template::request("echo", message)
    }

    /// Broadcasts `run`, the request's number and filling: `payload` bytes in all.
    pub(crate) fn broadcast(run: &str, payload: usize) -> Template {
        let filling = "x".repeat(payload.saturating_sub(run.len() + DIGITS));
        Template::request("broadcast", &format!("{run}{PLACE}{filling}"))
    }

    fn request(action: &str, message: &str) -> Template {
        Template::new(&json!({"id": PLACE, "type": "request", "action": action, "payload": {"message": message}}))
    }

    /// Appends the frame of request `number`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, number: u64) {
        let (start, digits) = (out.len(), digits(number));
        out.extend_from_slice(&self.frame);
        for place in &self.places {
            out[start + place..][..DIGITS].copy_from_slice(&digits);
        }
    }
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
        echo: Option<Value>,
    },
    Error {
        id: Option<Cow<'a, str>>,
        text: String,
    },
    Connected,
    Broadcast {
        message: Value,
    },
    Gap {
        missed: u64,
    },
    /// Application-level heartbeat (`?heartbeat=app`): answer with [`PONG`].
    Ping,
    /// Right, and of no interest here.
    Other,
    Unreadable,
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
    echo: Option<Value>,
    broadcast: Option<bool>,
    missed: Option<u64>,
}

impl<'a> Incoming<'a> {
    pub(crate) fn read(text: &'a [u8]) -> Incoming<'a> {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'a>>(text) else { return Incoming::Unreadable };
        let data = || envelope.data.and_then(|data| serde_json::from_str::<Data<'a>>(data.get()).ok());
        match (&*envelope.kind, envelope.id) {
            ("notification", _) => data().map_or(Incoming::Unreadable, Incoming::event),
            ("response", Some(id)) => Incoming::Response { id, echo: data().and_then(|data| data.echo) },
            ("error", id) => Incoming::Error { id, text: error_text(envelope.error) },
            ("ping", _) => Incoming::Ping,
            ("pong", _) => Incoming::Other,
            _ => Incoming::Unreadable,
        }
    }

    fn event(data: Data<'a>) -> Incoming<'a> {
        match (data.event.as_deref(), data.broadcast) {
            (Some("connected"), _) => Incoming::Connected,
            (Some("broadcast"), _) => Incoming::Broadcast { message: data.message.unwrap_or_default() },
            (Some("gap"), Some(true)) => Incoming::Gap { missed: data.missed.unwrap_or(0) },
            (Some(_), _) => Incoming::Other,
            (None, _) => Incoming::Unreadable,
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
            Incoming::Response { id: "1".into(), echo: Some("a".into()) },
        );
        check(r#"{"id":"1","type":"response","data":7}"#, Incoming::Response { id: "1".into(), echo: None });
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
        check(r#"{"type":"notification","data":{"event":"gap","channel":"c","from":1,"to":2}}"#, Incoming::Other);
        check(r#"{"type":"ping"}"#, Incoming::Ping);
        for unreadable in ["", "[]", "{\"type\":1}", r#"{"type":"notification","data":"x"}"#, r#"{"type":"response"}"#]
        {
            check(unreadable, Incoming::Unreadable);
        }
        assert!(is_greeting(r#"{"type":"notification","data":{"event":"connected","connection_id":"7f1c"}}"#));
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
    fn a_template_fills_in_its_number_everywhere() {
        let mut out = b"before".to_vec();
        Template::broadcast("cafe0000", 20).write(&mut out, 0x2a);
        let text = String::from_utf8_lossy(&out[6 + 2 + 4..]).into_owned();
        let request: Value = serde_json::from_str(text.trim_start_matches(|c| c != '{')).expect("JSON");
        assert_eq!(request["id"], "0000002a");
        assert_eq!(request["payload"]["message"], "cafe00000000002axxxx");
        let echo = Template::echo("#");
        assert_eq!(echo.places.len(), 1);
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
