//! The wire protocol of ws-server, version 1, as Rust types. Client and server exchange WebSocket text frames with one
//! JSON object each.
//!
//! * [`ClientMessage`]: requests and heartbeats, from the client. A server decodes them with
//!   [`ClientMessage::decode`], a client writes them with [`encode_request`].
//! * [`ServerMessage`]: responses, errors, notifications and heartbeats, from the server. A client
//!   decodes them with [`ServerMessage::decode`], a server writes them with the `encode_*` functions.
//! * [`ErrorCode`] and [`CloseCode`]: why a request failed, and why a connection was closed.
//! * [`ChannelName`], [`Position`] and [`publication`]: channels on the wire.
//! * [`claude`]: what Claude's runs publish.
//! * [`api`]: bodies of the HTTP API.
//! * [`limits`]: limits fixed by the protocol.
//!
//! Decoding is total: any input gives a value or a typed error, never a panic, in linear time and with nesting
//! bounded by [`limits::DEPTH_MAX`] ([`limits::SERVER_DEPTH_MAX`] for frames from a server). Payloads stay raw JSON:
//! their syntax is checked and their bytes are passed on, without building trees.
//!
//! A server decodes a request and answers it:
//!
//! ```
//! use serde_json::value::RawValue;
//! use ws_proto::action::{Action, Echo, EchoData};
//! use ws_proto::{ClientMessage, encode_error, encode_response};
//!
//! let mut out = Vec::new();
//! match ClientMessage::decode(r#"{"id":"7","type":"request","action":"echo","payload":{"message":[1, 2]}}"#) {
//!     Ok(ClientMessage::Request(request)) if request.action == Echo::<()>::NAME => {
//!         match request.payload::<Echo<&RawValue>>() {
//!             Ok(echo) => encode_response(request.id, &EchoData { echo: echo.message }, &mut out),
//!             Err(error) => encode_error(Some(request.id), &error, &mut out),
//!         }
//!     }
//!     Ok(_) => {}
//!     Err(rejection) => encode_error(rejection.id, &rejection.error, &mut out),
//! }
//! assert_eq!(out, br#"{"id":"7","type":"response","data":{"echo":[1, 2]}}"#);
//! ```
//!
//! A client decodes a frame:
//!
//! ```
//! use ws_proto::{ErrorCode, Event, ServerMessage};
//!
//! let text = r#"{"type":"notification","data":{"event":"broadcast","message":"hi","from":{"user":"ann"}}}"#;
//! let Ok(ServerMessage::Notification(Event::Broadcast(event))) = ServerMessage::decode(text) else { panic!() };
//! assert_eq!(event.message.get(), r#""hi""#);
//!
//! let text = r#"{"id":"7","type":"error","error":{"code":"rate_limited","message":"…","retryable":true}}"#;
//! let Ok(ServerMessage::Error { id, error }) = ServerMessage::decode(text) else { panic!() };
//! assert_eq!((id.as_deref(), error.code), (Some("7"), ErrorCode::RateLimited));
//! ```
//!
//! The feature `schema` adds the module `schema`: the protocol as JSON Schema, AsyncAPI and OpenAPI.
//!
//! Deliberately absent: I/O, clocks, tokio, WebSocket framing, other crates of the workspace.

#![warn(missing_docs)]

pub mod action;
pub mod api;
mod borrowed;
mod channel;
pub mod claude;
mod client;
mod close;
mod error;
pub mod event;
pub mod limits;
mod nesting;
mod owned;
mod payload;
mod payload_path;
mod payload_reason;
mod position;
pub mod publication;
mod raw;
mod run_status;
#[cfg(feature = "schema")]
pub mod schema;
mod sender;
mod server;
mod stream;
mod whole;

pub use action::Action;
pub use channel::{ChannelName, StreamName};
pub use client::{ClientMessage, Rejection, Request, RequestId, encode_ping, encode_pong, encode_request};
pub use close::CloseCode;
pub use error::{ErrorBody, ErrorCode};
pub use event::Event;
pub use owned::{OwnedRequest, OwnedRequestId};
pub use payload::decode_body;
pub use position::{Position, Positions};
pub use server::{DecodeError, ServerMessage, encode_error, encode_notification, encode_response};
pub use stream::{CLAUDE_NAMESPACE, run_id_mistake};

/// Version of the protocol that this crate implements (`protocol` in the `connected` event).
pub const PROTOCOL_VERSION: u32 = 1;

/// The WebSocket subprotocol: a client may offer it, and the server then selects it.
pub const SUBPROTOCOL: &str = "ws.json.v1";

/// The examples in the README are tests too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
