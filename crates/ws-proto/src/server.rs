//! What a server says: responses, errors, notifications, `ping`, `pong` (PROTOCOL section 3).
//!
//! The `encode_*` functions append JSON to a buffer of the caller's, so that a server can join many
//! answers in one write.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::RequestId;
use crate::error::ErrorBody;
use crate::event::{Event, Notify};
use crate::limits::DEPTH_MAX;
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
    /// A request failed, or a frame was refused.
    Error {
        /// Id of the request, where the server could read it.
        id: Option<Cow<'a, str>>,
        /// What is wrong.
        error: ErrorBody,
    },
    /// Something happened.
    Notification(Event<'a>),
    /// Asks for a `pong` (connections with `heartbeat=app`).
    Ping,
    /// Answers a `ping` of the client's.
    Pong,
    /// A `type` that this version of the crate does not know: to be ignored.
    Unknown,
}

/// A frame that no server of this protocol sends.
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
    #[serde(default)]
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct EventHead<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(default)]
    broadcast: bool,
}

impl<'a> ServerMessage<'a> {
    /// Decodes one text frame.
    ///
    /// # Errors
    /// When it is not JSON, or not a frame of PROTOCOL section 3.
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        if nesting::exceeds(text, DEPTH_MAX) {
            return Err(DecodeError(format!("nests deeper than {DEPTH_MAX} levels")));
        }
        let frame: Frame<'a> = raw::object(text).map_err(DecodeError)?;
        let id = frame.id.and_then(raw::string);
        match raw::string(frame.kind).as_deref() {
            Some("response") => Ok(ServerMessage::Response {
                id: id.ok_or_else(|| missing("id"))?,
                data: frame.data.ok_or_else(|| missing("data"))?,
            }),
            Some("error") => Ok(ServerMessage::Error { id, error: frame.error.ok_or_else(|| missing("error"))? }),
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

fn event(data: &RawValue) -> Result<Event<'_>, DecodeError> {
    fn read<'a, T: Deserialize<'a>>(data: &'a RawValue) -> Result<T, DecodeError> {
        raw::object(data.get()).map_err(DecodeError)
    }
    let head: EventHead<'_> = read(data)?;
    match &*head.event {
        "connected" => read(data).map(Event::Connected),
        "broadcast" => read(data).map(Event::Broadcast),
        "gap" if head.broadcast => read(data).map(Event::BroadcastGap),
        "draining" => read(data).map(Event::Draining),
        event => Ok(Event::Unknown { event: event.to_owned(), data }),
    }
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
pub fn encode_response<D: Serialize>(id: RequestId<'_>, data: &D, out: &mut Vec<u8>) {
    append(&ResponseFrame { id, r#type: "response", data }, out);
}

/// Appends an error; `id` is that of the request, where it could be read.
pub fn encode_error(id: Option<RequestId<'_>>, error: &ErrorBody, out: &mut Vec<u8>) {
    append(&ErrorFrame { id, r#type: "error", error }, out);
}

/// Appends a notification.
pub fn encode_notification<E: Notify>(event: &E, out: &mut Vec<u8>) {
    append(&NotificationFrame { r#type: "notification", data: EventData { event: E::EVENT, rest: event } }, out);
}

/// Our own types have string keys and no fallible parts, and a `Vec` takes every byte.
fn append<T: Serialize>(frame: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, frame).expect("frames of this crate serialize");
}
