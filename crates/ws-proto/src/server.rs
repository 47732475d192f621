//! Frames from a server: responses, errors, notifications, `ping`, `pong` (PROTOCOL section 3).
//!
//! The `encode_*` functions append JSON to the caller's buffer, so that a server can send many frames in one
//! write.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::RequestId;
use crate::error::ErrorBody;
use crate::event::{Event, Notify};
use crate::limits::SERVER_DEPTH_MAX;
use crate::{nesting, raw};

/// One frame from a server, borrowed from its text.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerMessage<'a> {
    /// A request succeeded.
    Response {
        /// Id of the request.
        id: Cow<'a, str>,
        /// Its result: [`crate::action`] has the types.
        data: &'a RawValue,
    },
    /// A request failed, or a frame was rejected.
    Error {
        /// Id of the request, if the server could read it.
        id: Option<Cow<'a, str>>,
        /// What is wrong.
        error: ErrorBody,
    },
    /// An event.
    Notification(Event<'a>),
    /// Asks for a `pong` (connections with `heartbeat=app`).
    Ping,
    /// Answers a `ping` from the client.
    Pong,
    /// A `type` that this version of the crate does not know. Ignore it.
    Unknown,
}

/// A frame that is not valid in this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a server frame of protocol 1: {0}")]
pub struct DecodeError(String);

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct EventHead<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    broadcast: Option<&'a RawValue>,
}

impl<'a> ServerMessage<'a> {
    /// Decodes one text frame.
    ///
    /// # Errors
    /// When it is not JSON, or not a frame of PROTOCOL section 3.
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        if nesting::exceeds(text, SERVER_DEPTH_MAX) {
            return Err(DecodeError(format!("nests deeper than {SERVER_DEPTH_MAX} levels")));
        }
        let frame: Frame<'a> = raw::object(text).map_err(DecodeError)?;
        let id = frame.id.and_then(raw::string);
        match raw::string(frame.kind).as_deref() {
            Some("response") => Ok(ServerMessage::Response {
                id: id.ok_or_else(|| missing("id"))?,
                data: frame.data.ok_or_else(|| missing("data"))?,
            }),
            Some("error") => {
                Ok(ServerMessage::Error { id, error: read(frame.error.ok_or_else(|| missing("error"))?)? })
            }
            Some("notification") => event(frame.data.ok_or_else(|| missing("data"))?).map(ServerMessage::Notification),
            Some("ping") => Ok(ServerMessage::Ping),
            Some("pong") => Ok(ServerMessage::Pong),
            _ => Ok(ServerMessage::Unknown),
        }
    }
}

fn missing(field: &str) -> DecodeError {
    DecodeError(format!("`{field}` is missing"))
}

fn read<'a, T: Deserialize<'a>>(part: &'a RawValue) -> Result<T, DecodeError> {
    raw::object(part.get()).map_err(DecodeError)
}

fn event(data: &RawValue) -> Result<Event<'_>, DecodeError> {
    let head: EventHead<'_> = read(data)?;
    let known = match &*head.event {
        "connected" => read(data).ok().map(Event::Connected),
        "broadcast" => read(data).ok().map(Event::Broadcast),
        "gap" if head.broadcast.is_some_and(|flag| flag.get() == "true") => read(data).ok().map(Event::BroadcastGap),
        "gap" => read(data).ok().map(Event::ChannelGap),
        "draining" => read(data).ok().map(Event::Draining),
        "token_expiring" => read(data).ok().map(Event::TokenExpiring),
        "subscribed" => read(data).ok().map(Event::Subscribed),
        "unsubscribed" => read(data).ok().map(Event::Unsubscribed),
        "publication" => read(data).ok().map(Event::Publication),
        "join" => read(data).ok().map(Event::Join),
        "leave" => read(data).ok().map(Event::Leave),
        "presence" => read(data).ok().map(Event::Presence),
        _ => None,
    };
    Ok(known.unwrap_or_else(|| Event::Unknown { event: head.event.into_owned(), data }))
}

#[derive(Serialize)]
struct ResponseFrame<'a, D> {
    id: RequestId<'a>,
    r#type: &'static str,
    data: &'a D,
}

#[derive(Serialize)]
struct ErrorFrame<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<RequestId<'a>>,
    r#type: &'static str,
    error: &'a ErrorBody,
}

#[derive(Serialize)]
struct NotificationFrame<D> {
    r#type: &'static str,
    data: D,
}

#[derive(Serialize)]
struct EventData<'a, E> {
    event: &'static str,
    #[serde(flatten)]
    rest: &'a E,
}

/// Appends the response to a request.
///
/// # Panics
/// When `data` does not serialize.
pub fn encode_response<D: Serialize>(id: RequestId<'_>, data: &D, out: &mut Vec<u8>) {
    append(&ResponseFrame { id, r#type: "response", data }, out);
}

/// Appends an error; `id` is the id of the request, if it could be read.
pub fn encode_error(id: Option<RequestId<'_>>, error: &ErrorBody, out: &mut Vec<u8>) {
    append(&ErrorFrame { id, r#type: "error", error }, out);
}

/// Appends a notification.
///
/// # Panics
/// When `event` does not serialize as an object.
pub fn encode_notification<E: Notify>(event: &E, out: &mut Vec<u8>) {
    append(&NotificationFrame { r#type: "notification", data: EventData { event: E::EVENT, rest: event } }, out);
}

/// The types of this crate have string keys and no fallible parts, and writing to a `Vec` cannot fail.
fn append<T: Serialize>(frame: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, frame).expect("frames of this crate serialize");
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::action::{BroadcastData, ConnectionsData, EchoData};
    use crate::client::{ClientMessage, encode_ping, encode_pong};
    use crate::error::ErrorCode;
    use crate::event::{BroadcastEvent, BroadcastGap, Connected, Draining, HeartbeatTerms, LimitTerms, Sender};

    fn check(text: &str, expect: &str) {
        let decoded = match ServerMessage::decode(text) {
            Ok(ServerMessage::Response { id, data }) => format!("response {id} {data}"),
            Ok(ServerMessage::Error { id, error }) => {
                let after = error.retry_after_ms.map(|ms| format!(" after {ms}")).unwrap_or_default();
                let details = error.details.as_ref().map(|details| format!(" {details}")).unwrap_or_default();
                format!("error {} {error} {}{after}{details}", id.as_deref().unwrap_or("-"), error.retryable)
            }
            Ok(ServerMessage::Notification(Event::Unknown { event, data })) => format!("event {event} {data}"),
            Ok(ServerMessage::Notification(event)) => format!("{event:?}"),
            Ok(ServerMessage::Ping) => "ping".to_owned(),
            Ok(ServerMessage::Pong) => "pong".to_owned(),
            Ok(ServerMessage::Unknown) => "unknown".to_owned(),
            Err(error) => error.0,
        };
        assert!(decoded == expect, "{}\n  gave   {decoded}\n  not    {expect}", text.get(..200).unwrap_or(text));
    }

    #[test]
    fn the_seeds_examples() {
        let response = r#"{
  "id": "msg-123",
  "type": "response",
  "data": {
    "echo": "Hello"
  }
}"#;
        check(response, "response msg-123 {\n    \"echo\": \"Hello\"\n  }");
        // Its `connected` says less than ours, and its id only stands for one.
        let notification = r#"{
  "type": "notification",
  "data": {
    "event": "connected",
    "connection_id": "uuid"
  }
}"#;
        let data = "{\n    \"event\": \"connected\",\n    \"connection_id\": \"uuid\"\n  }";
        check(notification, &format!("event connected {data}"));
    }

    #[test]
    fn frames_of_section_3() {
        check(r#"{"id":"1","type":"response","data":{}}"#, "response 1 {}");
        check(r#"{"id":"\u0031\n","type":"resp\u006fnse","data":[1, 2],"more":1}"#, "response 1\n [1, 2]");
        let error = r#"{"id":"1","type":"error","error":{"code":"unknown_action","message":"no","retryable":false}}"#;
        check(error, "error 1 unknown_action: no false");
        let error = r#"{"type":"error","error":{"code":"rate_limited","message":"slow","retryable":true,"retry_after_ms":7,"details":{"a":[ ]},"x":1}}"#;
        check(error, r#"error - rate_limited: slow true after 7 {"a":[ ]}"#);
        check(encode_ping(), "ping");
        check(encode_pong(), "pong");
    }

    #[test]
    fn frames_of_later_versions_are_let_through() {
        check(r#"{"type":"brand_new"}"#, "unknown");
        check(r#"{"type":"brand_new","error":"of another shape","data":5,"id":7}"#, "unknown");
        check(r#"{"type":7}"#, "unknown");
        check(r#"{"type":"notification","data":{"event":"brand_new"}}"#, r#"event brand_new {"event":"brand_new"}"#);
        let data = r#"{"event":"poll","broadcast":"yes"}"#;
        check(&format!(r#"{{"type":"notification","data":{data}}}"#), &format!("event poll {data}"));
        let data = r#"{"event":"gap","of":"news","from":3,"to":5}"#;
        check(&format!(r#"{{"type":"notification","data":{data}}}"#), &format!("event gap {data}"));
        let error = r#"{"type":"error","error":{"code":"brand_new","message":"m","retryable":true}}"#;
        check(error, "error - unknown: m true");
    }

    #[test]
    fn what_no_server_says() {
        check("", "must be an object");
        check("[]", "must be an object");
        check(r#"["response"]"#, "must be an object");
        check("{", "EOF while parsing an object");
        check("{}", "missing field `type`");
        check(r#"{"type":"pong"} x"#, "trailing characters");
        check(r#"{"type":"ping","type":"ping"}"#, "duplicate field `type`");
        check(r#"{"type":"response","data":{}}"#, "`id` is missing");
        check(r#"{"id":1,"type":"response","data":{}}"#, "`id` is missing");
        check(r#"{"id":"1","type":"response"}"#, "`data` is missing");
        check(r#"{"id":"1","type":"error"}"#, "`error` is missing");
        check(r#"{"id":"1","type":"error","error":"bad"}"#, "must be an object");
        check(r#"{"id":"1","type":"error","error":{"message":"m","retryable":true}}"#, "missing field `code`");
        check(r#"{"type":"notification"}"#, "`data` is missing");
        check(r#"{"type":"notification","data":["connected"]}"#, "must be an object");
        check(r#"{"type":"notification","data":{}}"#, "missing field `event`");
        check(r#"{"type":"notification","data":{"event":1}}"#, "invalid type: integer `1`, expected a string");
        let deep = "nests deeper than 130 levels";
        check(&"[".repeat(100_000), deep);
        check(&format!("{}{}", r#"{"data":"#.repeat(100_000), "}".repeat(100_000)), deep);
    }

    /// What `encode` appends to a buffer that is not empty.
    fn text(encode: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before".to_vec();
        encode(&mut out);
        String::from_utf8(out).expect("UTF-8").strip_prefix("before").expect("appended").to_owned()
    }

    fn with_id<T>(id: &str, then: impl FnOnce(RequestId<'_>) -> T) -> T {
        let text = format!(r#"{{"id":{id},"type":"request","action":"a"}}"#);
        let Ok(ClientMessage::Request(request)) = ClientMessage::decode(&text) else { panic!("{id}: refused") };
        then(request.id)
    }

    #[test]
    fn answers_carry_the_id_as_written() {
        let respond = |id: &str| with_id(id, |id| text(|out| encode_response(id, &ConnectionsData { count: 3 }, out)));
        assert_eq!(respond(r#""1""#), r#"{"id":"1","type":"response","data":{"count":3}}"#);
        assert_eq!(respond(r#""\u00e9\/""#), r#"{"id":"\u00e9\/","type":"response","data":{"count":3}}"#);

        let error = ErrorBody::new(ErrorCode::Internal, "a \"mistake\"");
        let refuse = with_id(r#""\t""#, |id| text(|out| encode_error(Some(id), &error, out)));
        let body = r#""error":{"code":"internal","message":"a \"mistake\"","retryable":true}"#;
        assert_eq!(refuse, format!(r#"{{"id":"\t","type":"error",{body}}}"#));
        check(&refuse, "error \t internal: a \"mistake\" true");
        assert_eq!(text(|out| encode_error(None, &error, out)), format!(r#"{{"type":"error",{body}}}"#));
    }

    #[test]
    fn responses_go_round() {
        fn round<D: Serialize + for<'a> Deserialize<'a> + PartialEq + std::fmt::Debug>(data: D, json: &str) {
            let text = with_id(r#""1""#, |id| text(|out| encode_response(id, &data, out)));
            check(&text, &format!("response 1 {json}"));
            let Ok(ServerMessage::Response { data: raw, .. }) = ServerMessage::decode(&text) else { panic!("{text}") };
            assert_eq!(serde_json::from_str::<D>(raw.get()).ok(), Some(data));
        }
        round(EchoData { echo: "x".to_owned() }, r#"{"echo":"x"}"#);
        round(BroadcastData { recipients: u64::MAX }, r#"{"recipients":18446744073709551615}"#);
        round(ConnectionsData { count: 0 }, r#"{"count":0}"#);
    }

    #[test]
    fn errors_go_round() {
        for code in ErrorCode::ALL {
            let details = serde_json::from_str(r#"{"at":[ 1 ]}"#).expect("raw");
            let mut error = ErrorBody::new(*code, "m");
            check(&text(|out| encode_error(None, &error, out)), &format!("error - {code}: m {}", code.is_retryable()));
            error.retry_after_ms = Some(1);
            error.details = Some(details);
            let expect = format!(r#"error - {code}: m {} after 1 {{"at":[ 1 ]}}"#, code.is_retryable());
            check(&text(|out| encode_error(None, &error, out)), &expect);
        }
    }

    #[test]
    fn events_go_round() {
        fn round<E: Notify>(event: &E, json: &str, read: impl FnOnce(&Event<'_>)) {
            let text = text(|out| encode_notification(event, out));
            assert_eq!(text, format!(r#"{{"type":"notification","data":{{"event":"{}",{json}}}}}"#, E::EVENT));
            match ServerMessage::decode(&text) {
                Ok(ServerMessage::Notification(event)) => read(&event),
                other => panic!("{text}: {other:?}"),
            }
        }
        let connected = Connected {
            connection_id: Uuid::from_u128(7),
            protocol: 1,
            server: "ws-server/0.1.0".to_owned(),
            time: 1_795_900_000_000,
            user: None,
            expires_at: None,
            heartbeat: HeartbeatTerms { interval_ms: 25_000, timeout_ms: 10_000 },
            limits: LimitTerms {
                message_bytes_max: 65_536,
                channels_max: 128,
                unauthenticated_message_bytes_max: Some(16_384),
            },
        };
        let json = concat!(
            r#""connection_id":"00000000-0000-0000-0000-000000000007","protocol":1,"server":"ws-server/0.1.0","#,
            r#""time":1795900000000,"user":null,"heartbeat":{"interval_ms":25000,"timeout_ms":10000},"#,
            r#""limits":{"message_bytes_max":65536,"channels_max":128,"unauthenticated_message_bytes_max":16384}"#
        );
        round(&connected, json, |event| assert!(matches!(event, Event::Connected(read) if *read == connected)));

        let raw: &RawValue = serde_json::from_str(r#"{ "a": 1.50 }"#).expect("raw");
        let from =
            Sender { connection_id: Some(Uuid::from_u128(9)), user: Some("ann".to_owned()), ..Sender::default() };
        let broadcast = BroadcastEvent { message: raw, from: Some(from.clone()) };
        let json =
            r#""message":{ "a": 1.50 },"from":{"connection_id":"00000000-0000-0000-0000-000000000009","user":"ann"}"#;
        round(&broadcast, json, |event| match event {
            Event::Broadcast(read) => assert_eq!((read.message.get(), &read.from), (raw.get(), &Some(from))),
            other => panic!("{other:?}"),
        });
        let api = BroadcastEvent { message: 1, from: None };
        round(&api, r#""message":1"#, |event| assert!(matches!(event, Event::Broadcast(read) if read.from.is_none())));

        let gap = BroadcastGap { broadcast: true, missed: Some(12) };
        let json = r#""broadcast":true,"missed":12"#;
        round(&gap, json, |event| assert!(matches!(event, Event::BroadcastGap(read) if *read == gap)));

        let draining = Draining { reconnect_after_ms: [500, 9_000] };
        let json = r#""reconnect_after_ms":[500,9000]"#;
        round(&draining, json, |event| assert!(matches!(event, Event::Draining(read) if *read == draining)));
    }
}
