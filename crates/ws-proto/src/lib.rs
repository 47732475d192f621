//! The wire protocol of ws-server, version 1, as Rust types: what a client and a server say to
//! each other in WebSocket text frames, one JSON object a frame.
//!
//! * [`ClientMessage`]: requests and heartbeats, from the client. A server decodes them with
//!   [`ClientMessage::decode`], a client writes them with [`encode_request`].
//! * [`ServerMessage`]: responses, errors, notifications and heartbeats, from the server. A client
//!   decodes them with [`ServerMessage::decode`], a server writes them with the `encode_*` functions.
//! * [`ErrorCode`] and [`CloseCode`]: the two number spaces of what can go wrong.
//! * [`ChannelName`], [`Position`] and [`publication`]: what a channel is made of on the wire.
//! * [`limits`]: the sizes that the contract fixes.
//!
//! Decoding is total: any input gives a value or a typed refusal, never a panic, in time linear in
//! the input, with nesting bounded by [`limits::DEPTH_MAX`]
//! ([`limits::SERVER_DEPTH_MAX`] for what a server says). Payloads stay raw JSON: they are checked
//! for syntax and passed on as the bytes that came, not built into trees.
//!
//! A server reads a request and answers it:
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
//!     Err(refusal) => encode_error(refusal.id, &refusal.error, &mut out),
//! }
//! assert_eq!(out, br#"{"id":"7","type":"response","data":{"echo":[1, 2]}}"#);
//! ```
//!
//! A client reads what came:
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
//! The feature `schema` adds the module `schema`: the same contract as JSON Schema, AsyncAPI and OpenAPI.
//!
//! Deliberately absent: I/O, clocks, tokio, WebSocket framing, other crates of the workspace.

#![warn(missing_docs)]

pub mod action;
mod borrowed;
mod channel;
mod client;
mod close;
mod culprit;
mod error;
pub mod event;
pub mod limits;
mod nesting;
mod owned;
mod position;
pub mod publication;
mod raw;
#[cfg(feature = "schema")]
pub mod schema;
mod server;

pub use action::Action;
pub use channel::ChannelName;
pub use client::{ClientMessage, Rejection, Request, RequestId, encode_ping, encode_pong, encode_request};
pub use close::CloseCode;
pub use error::{ErrorBody, ErrorCode};
pub use event::Event;
pub use owned::{OwnedRequest, OwnedRequestId};
pub use position::Position;
pub use server::{DecodeError, ServerMessage, encode_error, encode_notification, encode_response};

/// Version of the protocol that this crate speaks (`protocol` in the `connected` event).
pub const PROTOCOL_VERSION: u32 = 1;

/// The WebSocket subprotocol that a client may offer and the server then selects.
pub const SUBPROTOCOL: &str = "ws.json.v1";

/// The examples in the README are tests as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
