//! Frames from a client: requests, `ping`, `pong` (PROTOCOL section 3).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::action::{Action, ActionName};
use crate::error::{ErrorBody, ErrorCode};
use crate::limits::{DEPTH_MAX, ID_BYTES_MAX};
use crate::payload::malformed;
use crate::{nesting, payload, raw};

/// For those who have sent something else.
const EXAMPLE: &str = r#"{"id":"1","type":"request","action":"echo","payload":{"message":"Hello"}}"#;

/// One frame from a client, borrowed from its text.
#[derive(Debug)]
pub enum ClientMessage<'a> {
    /// A request. It gets exactly one response or error.
    Request(Request<'a>),
    /// Asks for a `pong`.
    Ping,
    /// Answers a `ping` from the server.
    Pong,
}

/// A request with a valid envelope; the payload has not been decoded yet.
#[derive(Debug)]
pub struct Request<'a> {
    /// Chosen by the client and echoed in the response.
    pub id: RequestId<'a>,
    /// Name of the action.
    pub action: Cow<'a, str>,
    pub(crate) payload: Option<&'a RawValue>,
}

/// The id of a request: a JSON string of 1 to 128 bytes, kept as it was written and echoed unchanged.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct RequestId<'a>(pub(crate) &'a RawValue);

/// Why a frame was rejected, with the request id for the error response, if it could be read.
#[derive(Debug)]
pub struct Rejection<'a> {
    /// Id of the rejected request.
    pub id: Option<RequestId<'a>>,
    /// The error: `malformed` or `invalid_request`.
    pub error: ErrorBody,
}

/// The envelope with its fields undecoded. Unknown fields are ignored.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    action: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

impl<'a> ClientMessage<'a> {
    /// Decodes one text frame.
    ///
    /// # Errors
    /// `malformed` when it is not JSON or nests deeper than [`DEPTH_MAX`]; `invalid_request` when it is
    /// JSON but not an envelope.
    pub fn decode(text: &'a str) -> Result<Self, Rejection<'a>> {
        let envelope = envelope(text).map_err(|error| Rejection { id: None, error })?;
        let id = envelope.id.and_then(|id| RequestId::new(id).ok());
        message(&envelope).map_err(|reason| Rejection { id, error: ErrorBody::new(ErrorCode::InvalidRequest, reason) })
    }
}

fn envelope(text: &str) -> Result<Envelope<'_>, ErrorBody> {
    if nesting::exceeds(text, DEPTH_MAX) {
        return Err(payload::too_deep());
    }
    // serde would also decode a struct from an array. Only an object is an envelope.
    let parsed = if raw::is_object(text) {
        serde_json::from_str::<Envelope<'_>>(text)
    } else {
        serde_json::from_str::<&RawValue>(text)
            .and_then(|_| Err(serde::de::Error::custom(format!("a frame must be one JSON object: {EXAMPLE}"))))
    };
    parsed.map_err(|error| refusal(text, &error))
}

/// A duplicate field ends parsing early. Whether this is JSON at all depends on the rest.
fn refusal(text: &str, error: &serde_json::Error) -> ErrorBody {
    let malformed = |error: &serde_json::Error| {
        let example = if raw::is_object(text) { String::new() } else { format!("; a frame is one object: {EXAMPLE}") };
        ErrorBody::new(ErrorCode::Malformed, format!("{}{example}", malformed(error).message))
    };
    if error.classify() != Category::Data {
        return malformed(error);
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => ErrorBody::new(ErrorCode::InvalidRequest, raw::without_position(error)),
        Err(later) => malformed(&later),
    }
}

fn message<'a>(envelope: &Envelope<'a>) -> Result<ClientMessage<'a>, Cow<'static, str>> {
    let kind = envelope.kind.ok_or("`type` is missing: it must be \"request\", \"ping\" or \"pong\"")?;
    match raw::string(kind).as_deref() {
        Some("request") => request(envelope).map(ClientMessage::Request),
        Some("ping") => Ok(ClientMessage::Ping),
        Some("pong") => Ok(ClientMessage::Pong),
        Some(action) if ActionName::from_name(action).is_some() => {
            Err(format!("`type` must be \"request\"; {action:?} is an action: {EXAMPLE}").into())
        }
        _ => Err("`type` must be \"request\", \"ping\" or \"pong\"".into()),
    }
}

fn request<'a>(envelope: &Envelope<'a>) -> Result<Request<'a>, Cow<'static, str>> {
    let id = RequestId::new(envelope.id.ok_or("`id` is missing: it must be a string of 1 to 128 bytes")?)?;
    let action = envelope.action.ok_or("`action` is missing: it must be a string")?;
    let action = raw::string(action).ok_or("`action` must be a string")?;
    Ok(Request { id, action, payload: envelope.payload })
}

impl<'a> RequestId<'a> {
    fn new(id: &'a RawValue) -> Result<Self, &'static str> {
        match raw::string(id) {
            Some(text) if (1..=ID_BYTES_MAX).contains(&text.len()) => Ok(RequestId(id)),
            None if id.get().parse::<f64>().is_ok() => Err("`id` must be a string: put the number in quotes"),
            _ => Err("`id` must be a string of 1 to 128 bytes"),
        }
    }

    /// The string itself, for logs: the client chose it.
    pub fn text(self) -> Cow<'a, str> {
        raw::string(self.0).unwrap_or_default()
    }
}

impl<'a> Request<'a> {
    /// Decodes the payload of an action. A missing or null payload counts as `{}`.
    ///
    /// # Errors
    /// `invalid_payload`, which says which field is wrong and why.
    pub fn payload<P: Deserialize<'a>>(&self) -> Result<P, ErrorBody> {
        payload::decode(self.payload.map_or("{}", RawValue::get))
    }
}

#[derive(Serialize)]
struct RequestFrame<'a, P> {
    id: &'a str,
    r#type: &'static str,
    action: &'static str,
    payload: P,
}

/// Encodes a request as the text of one frame.
///
/// # Errors
/// When `payload` does not serialize, or `id` is not 1 to 128 bytes long.
///
/// ```
/// let text = ws_proto::encode_request("1", &ws_proto::action::Echo { message: "Hello" })?;
/// assert_eq!(text, r#"{"id":"1","type":"request","action":"echo","payload":{"message":"Hello"}}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn encode_request<A: Action + Serialize>(id: &str, payload: &A) -> Result<String, serde_json::Error> {
    if !(1..=ID_BYTES_MAX).contains(&id.len()) {
        return Err(serde::ser::Error::custom("a request id must be 1 to 128 bytes long"));
    }
    serde_json::to_string(&RequestFrame { id, r#type: "request", action: A::NAME, payload })
}

/// The frame that asks for a `pong`; either side may send it.
pub const fn encode_ping() -> &'static str {
    r#"{"type":"ping"}"#
}

/// The frame that answers a `ping`.
pub const fn encode_pong() -> &'static str {
    r#"{"type":"pong"}"#
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `text` decodes to, in a line: `request ID ACTION PAYLOAD`, `ping`, `pong`, or `CODE ID: MESSAGE`.
    fn said(text: &str) -> String {
        match ClientMessage::decode(text) {
            Ok(ClientMessage::Request(Request { id, action, payload })) => {
                format!("request {} {action} {}", id.0, payload.map_or("-", RawValue::get))
            }
            Ok(ClientMessage::Ping) => "ping".to_owned(),
            Ok(ClientMessage::Pong) => "pong".to_owned(),
            Err(Rejection { id, error }) => {
                let id = id.map_or("-", |id| id.0.get());
                format!("{} {id}: {}", error.code, error.message)
            }
        }
    }

    fn check(text: &str, expect: &str) {
        let said = said(text);
        assert!(said == expect, "{}\n  gave   {said}\n  not    {expect}", text.get(..200).unwrap_or(text));
    }

    const ID: &str = "`id` must be a string of 1 to 128 bytes";
    const TYPE: &str = r#"`type` must be "request", "ping" or "pong""#;

    #[test]
    fn the_seeds_examples() {
        let echo = r#"{
  "id": "msg-123",
  "type": "request",
  "action": "echo",
  "payload": {
    "message": "Hello"
  }
}"#;
        check(echo, "request \"msg-123\" echo {\n    \"message\": \"Hello\"\n  }");
        let echo = r#"{
  "id": "1",
  "type": "request",
  "action": "echo",
  "payload": {
    "message": "test"
  }
}"#;
        check(echo, "request \"1\" echo {\n    \"message\": \"test\"\n  }");
        let broadcast = r#"{
  "id": "2",
  "type": "request",
  "action": "broadcast",
  "payload": {
    "message": "Hello everyone!"
  }
}"#;
        check(broadcast, "request \"2\" broadcast {\n    \"message\": \"Hello everyone!\"\n  }");
        let connections = r#"{
  "id": "3",
  "type": "request",
  "action": "get_connections",
  "payload": {}
}"#;
        check(connections, "request \"3\" get_connections {}");
    }

    #[test]
    fn envelopes_that_are_in_order() {
        check(r#"{"id":"1","type":"request","action":"a"}"#, r#"request "1" a -"#);
        check(r#"{"id":"1","type":"request","action":"a","payload":null}"#, r#"request "1" a -"#);
        // What the payload must be is the action's to say, not the envelope's.
        check(r#"{"id":"1","type":"request","action":"a","payload":[1]}"#, r#"request "1" a [1]"#);
        check(r#"{"action":"","payload":{ },"type":"request","id":"1"}"#, r#"request "1"  { }"#);
        check(r#"{"id":"1","type":"request","action":"a","v":2,"more":{"id":5}}"#, r#"request "1" a -"#);
        check(r#"{"id":"1","type":"re\u0071uest","action":"\u0065cho"}"#, r#"request "1" echo -"#);
        check(r#"{"\u0069d":"1","type":"request","action":"a"}"#, r#"request "1" a -"#);
        check("\r\n\t {\"id\":\"1\" , \"type\":\"request\",\"action\":\"a\"} \n", r#"request "1" a -"#);
    }

    #[test]
    fn ids_are_kept_as_written() {
        let accepted = |id: &str| {
            check(&format!(r#"{{"id":{id},"type":"request","action":"a"}}"#), &format!("request {id} a -"));
            check(&format!(r#"{{"id":{id},"type":"x"}}"#), &format!("invalid_request {id}: {TYPE}"));
        };
        let refused = |id: &str| {
            check(&format!(r#"{{"id":{id},"type":"request","action":"a"}}"#), &format!("invalid_request -: {ID}"));
            check(&format!(r#"{{"id":{id},"type":"x"}}"#), &format!("invalid_request -: {TYPE}"));
        };
        accepted(r#"" ""#);
        accepted(r#""\u0000\/\"\\é\u00e9\ud83d\ude00""#);
        accepted(&format!("{:?}", "a".repeat(128)));
        accepted(&format!("{:?}", "é".repeat(64)));
        accepted(&format!("\"{}\"", r"\u0061".repeat(128)));
        refused(r#""""#);
        refused(&format!("{:?}", "a".repeat(129)));
        refused(&format!("{:?}", "é".repeat(65)));
        refused(&format!("\"{}\"", r"\u00e9".repeat(65)));
        refused(r#""\ud800""#);
        refused(r#""\ude00\ud83d""#);
        let number = "invalid_request -: `id` must be a string: put the number in quotes";
        for id in ["1", "-1", "1.5e3"] {
            check(&format!(r#"{{"id":{id},"type":"request","action":"a"}}"#), number);
        }
        refused("true");
        refused(r#"["1"]"#);
        refused(r#"{"id":"1"}"#);
    }

    #[test]
    fn envelopes_with_a_mistake() {
        let missing = |field: &str, rest: &str| format!("`{field}` is missing: it must be {rest}");
        let id = missing("id", "a string of 1 to 128 bytes");
        let kind = missing("type", r#""request", "ping" or "pong""#);
        let action = missing("action", "a string");

        check(r#"{"type":"request","action":"a"}"#, &format!("invalid_request -: {id}"));
        check(r#"{"id":null,"type":"request","action":"a"}"#, &format!("invalid_request -: {id}"));
        check("{}", &format!("invalid_request -: {kind}"));
        check(r#"{"id":"1","action":"a"}"#, &format!("invalid_request \"1\": {kind}"));
        check(r#"{"id":"1","type":null,"action":"a"}"#, &format!("invalid_request \"1\": {kind}"));
        for wrong in [r#""Request""#, r#""response""#, r#""""#, r#""\ud800""#, "1", "{}", r#"["request"]"#] {
            let text = format!(r#"{{"id":"1","type":{wrong},"action":"a"}}"#);
            check(&text, &format!("invalid_request \"1\": {TYPE}"));
        }
        check(
            r#"{"id":"1","type":"subscribe","channel":"a"}"#,
            &format!("invalid_request \"1\": `type` must be \"request\"; \"subscribe\" is an action: {EXAMPLE}"),
        );
        check(r#"{"id":"1","type":"request"}"#, &format!("invalid_request \"1\": {action}"));
        check(r#"{"id":"1","type":"request","action":null}"#, &format!("invalid_request \"1\": {action}"));
        for wrong in ["1", "true", r#"["echo"]"#, r#"{"echo":1}"#, r#""\udc00""#] {
            let text = format!(r#"{{"id":"1","type":"request","action":{wrong}}}"#);
            check(&text, "invalid_request \"1\": `action` must be a string");
        }
        check(r#"{"id":"1","id":"2","type":"ping"}"#, "invalid_request -: duplicate field `id`");
        check(r#"{"id":"1","type":"ping","t\u0079pe":"ping"}"#, "invalid_request -: duplicate field `type`");
        check(r#"{"payload":{},"payload":{},"id":"1"}"#, "invalid_request -: duplicate field `payload`");
    }

    #[test]
    fn only_objects_are_envelopes() {
        for text in ["[]", r#"["1","request","echo",{}]"#, "1", "-0.5e3", r#""request""#, "null", " true "] {
            check(text, &format!("invalid_request -: a frame must be one JSON object: {EXAMPLE}"));
        }
    }

    #[test]
    fn what_is_not_json() {
        let check = |text: &str| {
            let said = said(text);
            let shown = text.get(..200).unwrap_or(text);
            assert!(said.starts_with("malformed -: not valid JSON: ") && said.len() < 200, "{shown}: {said}");
        };
        for text in ["", " ", "hello", "{", "}", "[1,", "{]", "nul", "01", "+1", "NaN", "'a'", "\"", "\0", "// {}"] {
            check(text);
        }
        check("\u{feff}{\"type\":\"ping\"}");
        check("\u{a0}{\"type\":\"ping\"}");
        check(r#"{"type":"ping"}{"type":"ping"}"#);
        check(r#"{"type":"ping"} x"#);
        check(r#"{"type":"ping",}"#);
        check(r#"{"type":"ping" "id":"1"}"#);
        check("{\"type\":\"ping\",\"x\":\"a\nb\"}");
        check(r#"{"type":"ping","x":"\x41"}"#);
        check(r#"{"id":"1","type":"request","action":"echo","payload":{"message":}}"#);
        // What comes after a mistake in the envelope counts too.
        check(r#"{"id":"1","id":"1" oops"#);
        check(r#"["1""#);
        check(r#"{"id":1,"type":"request""#);
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let framed = |levels: usize| {
            format!(r#"{{"id":"1","type":"request","action":"echo","payload":{{"message":{}}}}}"#, nested(levels))
        };
        let text = framed(DEPTH_MAX - 2);
        let Ok(ClientMessage::Request(request)) = ClientMessage::decode(&text) else { panic!("refused") };
        let echo: crate::action::Echo<serde_json::Value> = request.payload().expect("a tree as deep as the limit");
        assert_eq!(echo.message.to_string(), nested(DEPTH_MAX - 2));

        let deep = "malformed -: JSON nests deeper than 128 levels";
        check(&framed(DEPTH_MAX - 1), deep);
        check(&nested(100_000), deep);
        check(&"[".repeat(100_000), deep);
        check(&r#"{"a":"#.repeat(100_000), deep);
        check(&format!("{}{}", "{\"a\":[".repeat(50_000), "]}".repeat(50_000)), deep);
        check(&framed(100_000), deep);
        check(&nested(DEPTH_MAX), &format!("invalid_request -: a frame must be one JSON object: {EXAMPLE}"));
    }

    #[test]
    fn heartbeats() {
        check(encode_ping(), "ping");
        check(encode_pong(), "pong");
        check(r#" {"type" : "p\u0069ng", "id":5, "at":[1]} "#, "ping");
        check(r#"{"type":"Ping"}"#, &format!("invalid_request -: {TYPE}"));
    }

    #[test]
    fn payloads_are_objects_that_fit() {
        use crate::action::{Echo, GetConnections, GetHistory};
        fn check<'a, P: Deserialize<'a> + Serialize>(text: &'a str, expect: Result<&str, &str>) {
            let Ok(ClientMessage::Request(request)) = ClientMessage::decode(text) else { panic!("{text}: refused") };
            match (request.payload::<P>(), expect) {
                (Ok(payload), Ok(expect)) => {
                    assert_eq!(serde_json::to_string(&payload).ok().as_deref(), Some(expect), "{text}");
                }
                (Err(error), Err(expect)) => {
                    assert_eq!((error.code, &*error.message), (ErrorCode::InvalidPayload, expect), "{text}");
                }
                (payload, _) => panic!("{text}: {:?}", payload.err()),
            }
        }
        let with = |payload: &str| format!(r#"{{"id":"1","type":"request","action":"a","payload":{payload}}}"#);
        let no_object = Err("`payload`: must be an object");
        for empty in [r#"{"id":"1","type":"request","action":"a"}"#, &with("null"), &with("{}")] {
            check::<GetConnections>(empty, Ok("{}"));
            check::<Echo<&RawValue>>(empty, Err("`payload.message`: missing field `message`"));
        }
        for wrong in ["[]", r#"["Hello"]"#, r#""{}""#, "0", "false"] {
            check::<GetConnections>(&with(wrong), no_object);
            check::<Echo<&RawValue>>(&with(wrong), no_object);
        }
        check::<GetConnections>(&with(r#"{"more":1}"#), Ok("{}"));
        check::<Echo<&RawValue>>(&with(r#"{"message":null}"#), Ok(r#"{"message":null}"#));
        check::<Echo<&RawValue>>(&with(r#"{"x":1,"message": [1, 1e400]}"#), Ok(r#"{"message":[1, 1e400]}"#));
        let twice = with(r#"{"message":1,"message":2}"#);
        check::<Echo<&RawValue>>(&twice, Err("`payload.message`: duplicate field `message`"));
        let negative = with(r#"{"channel":"a","limit":-1}"#);
        let limit = "`payload.limit`: must be a whole number from 0 to 4294967295";
        check::<GetHistory<'_>>(&negative, Err(limit));
        let since = with(r#"{"channel":"a","since":{"epoch":"e"}}"#);
        check::<GetHistory<'_>>(&since, Err("`payload.since.offset`: missing field `offset`"));
        let long = with(&format!(r#"{{"message":"{}"}}"#, "x".repeat(60_000)));
        let Ok(ClientMessage::Request(request)) = ClientMessage::decode(&long) else { panic!("refused") };
        let error = request.payload::<Echo<i8>>().expect_err("no number");
        assert!(error.message.len() < 300, "{}", error.message);
    }

    #[test]
    fn requests_are_written_as_they_are_read() {
        use crate::action::{Broadcast, Echo, GetConnections};
        let check = |text: Result<String, serde_json::Error>, expect: &str| check(&text.expect("encodes"), expect);
        check(encode_request("1", &Echo { message: [1, 2] }), r#"request "1" echo {"message":[1,2]}"#);
        check(encode_request("é\"\n", &Broadcast { message: "x" }), r#"request "é\"\n" broadcast {"message":"x"}"#);
        check(
            encode_request(&"i".repeat(128), &GetConnections {}),
            &format!("request {:?} get_connections {{}}", "i".repeat(128)),
        );
        assert!(encode_request("", &GetConnections {}).is_err());
        assert!(encode_request(&"i".repeat(129), &GetConnections {}).is_err());
    }
}
