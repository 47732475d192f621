//! Messages from the server, read at two speeds.
//!
//! A [`Shape`] recognises by comparison alone a message that looks like an earlier one except for eight
//! digits: that is the hot path. [`decode`] reads any message with ws-proto, for the first of a kind and for
//! the unusual. Not here: requests (`request.rs`), and the hot path of publications (`channel.rs`).

use ws_proto::{Event, ServerMessage, encode_pong, event};

/// Numbers are written as eight hexadecimal digits, so that all frames have the same length.
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

/// A message seen before: what is before and after the eight digits that differ.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
}

impl Shape {
    /// Remembers `text`, whose digits follow the first occurrence of `mark`.
    pub(crate) fn learn(&mut self, text: &[u8], mark: &[u8]) {
        let Some(at) = text.windows(mark.len()).position(|window| window == mark) else { return };
        let Some(suffix) = text.get(at + mark.len() + DIGITS..) else { return };
        self.prefix.clear();
        self.prefix.extend_from_slice(&text[..at + mark.len()]);
        self.suffix.clear();
        self.suffix.extend_from_slice(suffix);
    }

    /// The number in `text`, if everything else is the same.
    #[inline]
    pub(crate) fn number_in(&self, text: &[u8]) -> Option<u64> {
        let rest = text.strip_prefix(self.prefix.as_slice())?;
        let digits = rest.strip_suffix(self.suffix.as_slice())?;
        number(digits)
    }
}

/// The answer to [`ServerMessage::Ping`].
pub(crate) const PONG: &[u8] = encode_pong().as_bytes();

/// Decodes a message. `None` for what no server of the protocol sends, such as a `publication` that lacks a field.
pub(crate) fn decode(text: &[u8]) -> Option<ServerMessage<'_>> {
    match ServerMessage::decode(std::str::from_utf8(text).ok()?).ok()? {
        ServerMessage::Notification(Event::Unknown { event, .. }) if event::NAMES.contains(&&*event) => None,
        message => Some(message),
    }
}

/// Whether this is a `connected` event, even of a version that says less in it.
pub(crate) fn is_greeting(text: &str) -> bool {
    match ServerMessage::decode(text) {
        Ok(ServerMessage::Notification(Event::Connected(_))) => true,
        Ok(ServerMessage::Notification(Event::Unknown { event, .. })) => event == "connected",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        match decode(text.as_bytes()) {
            None => "unreadable".to_owned(),
            Some(ServerMessage::Error { error, .. }) => error.to_string(),
            Some(ServerMessage::Notification(Event::Broadcast(event))) => {
                format!("broadcast {}", event.message)
            }
            Some(message) => format!("{message:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn messages_are_told_apart() {
        let check = |text: &str, expect: &str| assert_eq!(kind(text), expect, "{text}");
        check(r#"{"type":"response","id":"1","data":{"echo":"a","more":[]}}"#, "Response");
        check(
            r#"{"type":"error","error":{"code":"overloaded","message":"later","retryable":true}}"#,
            "overloaded: later",
        );
        check(r#"{"type":"notification","data":{"event":"broadcast","message":"m"}}"#, r#"broadcast "m""#);
        check(r#"{"type":"notification","data":{"event":"of a later version"}}"#, "Notification");
        check(r#"{"type":"ping"}"#, "Ping");
        for text in [
            "",
            "[]",
            "\u{0}",
            r#"{"id":"1","type":"error","error":"no"}"#,
            r#"{"type":"notification","data":"x"}"#,
            r#"{"type":"notification","data":{"event":"publication","channel":"c"}}"#,
            r#"{"type":"response"}"#,
        ] {
            check(text, "unreadable");
        }
        assert!(decode(b"\xff").is_none());
    }

    #[test]
    fn a_greeting_of_another_version_is_a_greeting() {
        let greets = |data: &str| is_greeting(&format!(r#"{{"type":"notification","data":{data}}}"#));
        assert!(greets(r#"{"event":"connected","connection_id":"7f1c"}"#));
        assert!(!greets(r#"{"event":"draining","reconnect_after_ms":[0,1]}"#));
        assert!(!is_greeting(r#"{"type":"ping"}"#));
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
