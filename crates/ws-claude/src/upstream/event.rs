//! What an event of the provider's stream says. No I/O.
//!
//! An event goes by the `type` in its JSON. Events, blocks and deltas that nobody knows here are no mistake, and neither is
//! data that is no JSON: the provider adds kinds, and gateways add lines of their own.

use std::borrow::Cow;

use serde_json::Value;

use super::progress::Usage;

/// A step of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The message has begun.
    Begun {
        /// Its id.
        id: Option<String>,
        /// The model that answers.
        model: Option<String>,
    },
    /// What was counted so far; a field that is not told is `None`.
    Counted(Usage),
    /// The model thinks; empty where a block of thinking begins without text.
    Thinking(String),
    /// A piece of the answer; never empty.
    Text(String),
    /// Content that nobody reads here, such as the input of a tool.
    OtherContent,
    /// Why the answer ends.
    StopReason(String),
    /// The message is complete: nothing that counts follows.
    Stop,
    /// The provider gives up.
    Error(ProviderError),
}

/// An error in the provider's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderError {
    /// Its name, such as `overloaded_error`.
    pub kind: Option<String>,
    /// For people.
    pub message: Option<String>,
    /// A closer name, such as `enforced_spend_limit_reached`.
    pub detail: Option<String>,
    /// The request's id, for the provider's support.
    pub request_id: Option<String>,
}

impl ProviderError {
    /// The error in this JSON: `{"type":"error","error":{"type","message","details"?},"request_id"?}`, of which `error`
    /// must be there, as an object or as a text.
    pub(super) fn read(json: &Value) -> Option<Self> {
        let request_id = text(&json["request_id"]);
        match json.get("error")? {
            Value::String(message) => {
                Some(ProviderError { message: Some(message.clone()), request_id, ..ProviderError::default() })
            }
            error @ Value::Object(_) => Some(ProviderError {
                kind: text(&error["type"]),
                message: text(&error["message"]),
                detail: text(&error["details"]["error_code"]),
                request_id,
            }),
            _ => None,
        }
    }
}

/// Calls `take` with what the data of one event says: nothing, one step or several.
pub(super) fn read(data: &[u8], mut take: impl FnMut(Event)) {
    let Some(json) = json(&String::from_utf8_lossy(data)) else { return };
    match json["type"].as_str() {
        Some("message_start") => {
            let message = &json["message"];
            take(Event::Begun { id: text(&message["id"]), model: text(&message["model"]) });
            counted(&message["usage"], &mut take);
            stop_reason(message, &mut take);
        }
        Some("content_block_start") => begun(&json["content_block"], &mut take),
        Some("content_block_delta") => delta(&json["delta"], &mut take),
        Some("message_delta") => {
            counted(&json["usage"], &mut take);
            stop_reason(&json["delta"], &mut take);
        }
        Some("message_stop") => take(Event::Stop),
        Some("error") => take(Event::Error(ProviderError::read(&json).unwrap_or_default())),
        // Gateways leave the type out of their own errors.
        None => ProviderError::read(&json).into_iter().for_each(|error| take(Event::Error(error))),
        Some(_) => {}
    }
}

fn begun(block: &Value, take: &mut impl FnMut(Event)) {
    match block["type"].as_str() {
        Some("text") => content(&block["text"], Event::Text, take),
        Some("thinking") => take(Event::Thinking(text(&block["thinking"]).unwrap_or_default())),
        Some("redacted_thinking") => take(Event::Thinking(String::new())),
        _ => take(Event::OtherContent),
    }
}

fn delta(delta: &Value, take: &mut impl FnMut(Event)) {
    match delta["type"].as_str() {
        Some("text_delta") => content(&delta["text"], Event::Text, take),
        Some("thinking_delta") => content(&delta["thinking"], Event::Thinking, take),
        _ => take(Event::OtherContent),
    }
}

fn content(value: &Value, event: fn(String) -> Event, take: &mut impl FnMut(Event)) {
    if let Some(text) = text(value).filter(|text| !text.is_empty()) {
        take(event(text));
    }
}

fn counted(usage: &Value, take: &mut impl FnMut(Event)) {
    let count = |name: &str| usage[name].as_u64();
    let usage = Usage {
        input_tokens: count("input_tokens"),
        output_tokens: count("output_tokens"),
        cache_creation_input_tokens: count("cache_creation_input_tokens"),
        cache_read_input_tokens: count("cache_read_input_tokens"),
    };
    if usage != Usage::default() {
        take(Event::Counted(usage));
    }
}

fn stop_reason(of: &Value, take: &mut impl FnMut(Event)) {
    if let Some(reason) = text(&of["stop_reason"]).filter(|reason| !reason.is_empty()) {
        take(Event::StopReason(reason));
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The JSON in a text. Half a surrogate pair, which `serde_json` refuses together with all that stands around it, becomes
/// U+FFFD: the rest of a text must not get lost over it.
pub(super) fn json(text: &str) -> Option<Value> {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    read(text).or_else(|| match without_half_pairs(text) {
        Cow::Owned(whole) => read(&whole),
        Cow::Borrowed(_) => None,
    })
}

/// The same JSON with `\ufffd` in place of each half of a surrogate pair.
fn without_half_pairs(text: &str) -> Cow<'_, str> {
    let (mut out, mut kept, mut at) = (String::new(), 0, 0);
    while let Some(found) = text[at..].find('\\') {
        let start = at + found;
        let unit = unit(&text[start..]);
        let is_high = unit.is_some_and(|unit| (0xd800..0xdc00).contains(&unit));
        let is_low = |unit: Option<u16>| unit.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
        if is_high && is_low(text.get(start + 6..).and_then(self::unit)) {
            at = start + 12;
        } else if is_high || is_low(unit) {
            out.push_str(&text[kept..start]);
            out.push_str("\\ufffd");
            at = start + 6;
            kept = at;
        } else {
            // The escape and the character after it, which may be a backslash.
            at = start + 1 + text[start + 1..].chars().next().map_or(0, char::len_utf8);
        }
    }
    if out.is_empty() {
        return text.into();
    }
    out.push_str(&text[kept..]);
    out.into()
}

/// The code unit of the `\uXXXX` that a text begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}
