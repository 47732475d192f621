//! What a client says: requests, `ping`, `pong` (PROTOCOL section 3).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::action::Action;
use crate::error::{ErrorBody, ErrorCode};
use crate::limits::{DEPTH_MAX, ID_BYTES_MAX};
use crate::{nesting, raw};

/// One frame from a client, borrowed from its text.
#[derive(Debug)]
pub enum ClientMessage<'a> {
    /// Something to do; exactly one response or error answers it.
    Request(Request<'a>),
    /// Asks for a `pong`.
    Ping,
    /// Answers a `ping` of the server's.
    Pong,
}

/// A request whose envelope is in order; the payload has not been looked into yet.
#[derive(Debug)]
pub struct Request<'a> {
    /// Chosen by the client, echoed in the answer.
    pub id: RequestId<'a>,
    /// What to do.
    pub action: Cow<'a, str>,
    payload: Option<&'a RawValue>,
}

/// The id of a request: a JSON string of 1 to 128 bytes, kept as it was written and echoed unchanged.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct RequestId<'a>(&'a RawValue);

/// A frame that is no message, and the id to answer it with, where that could be read.
#[derive(Debug)]
pub struct Rejection<'a> {
    /// Id of the request that was refused.
    pub id: Option<RequestId<'a>>,
    /// Why: `malformed` or `invalid_request`.
    pub error: ErrorBody,
}

/// The envelope with every field as it came. Unknown fields are ignored.
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
        let message = format!("JSON nests deeper than {DEPTH_MAX} levels");
        return Err(ErrorBody::new(ErrorCode::Malformed, message));
    }
    // A struct of serde's would take an array as well: only an object is an envelope.
    let parsed = if raw::is_object(text) {
        serde_json::from_str::<Envelope<'_>>(text)
    } else {
        serde_json::from_str::<&RawValue>(text)
            .and_then(|_| Err(serde::de::Error::custom("a frame must be one JSON object")))
    };
    parsed.map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ErrorBody::new(ErrorCode::InvalidRequest, raw::without_position(&error)),
        _ => ErrorBody::new(ErrorCode::Malformed, format!("not valid JSON: {error}")),
    })
}

fn message<'a>(envelope: &Envelope<'a>) -> Result<ClientMessage<'a>, Cow<'static, str>> {
    let kind = envelope.kind.ok_or("`type` is missing: it must be \"request\", \"ping\" or \"pong\"")?;
    match raw::string(kind).as_deref() {
        Some("request") => request(envelope).map(ClientMessage::Request),
        Some("ping") => Ok(ClientMessage::Ping),
        Some("pong") => Ok(ClientMessage::Pong),
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
            _ => Err("`id` must be a string of 1 to 128 bytes"),
        }
    }
}

impl<'a> Request<'a> {
    /// Decodes the payload as that of one action; a missing or null payload counts as `{}`.
    ///
    /// # Errors
    /// `invalid_payload` that says which field and why.
    pub fn payload<P: Deserialize<'a>>(&self) -> Result<P, ErrorBody> {
        let text = self.payload.map_or("{}", RawValue::get);
        raw::object(text).map_err(|reason| ErrorBody::new(ErrorCode::InvalidPayload, format!("`payload`: {reason}")))
    }
}

#[derive(Serialize)]
struct RequestFrame<'a, P> {
    id: &'a str,
    r#type: &'static str,
    action: &'static str,
    payload: P,
}

/// Writes the request of a client, a whole text frame.
///
/// # Errors
/// When `payload` does not serialize, or `id` is not 1 to 128 bytes.
///
/// ```
/// let text = ws_proto::encode_request("1", &ws_proto::action::Echo { message: "Hello" })?;
/// assert_eq!(text, r#"{"id":"1","type":"request","action":"echo","payload":{"message":"Hello"}}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn encode_request<A: Action + Serialize>(id: &str, payload: &A) -> Result<String, serde_json::Error> {
    if !(1..=ID_BYTES_MAX).contains(&id.len()) {
        return Err(serde::ser::Error::custom("a request id has 1 to 128 bytes"));
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
