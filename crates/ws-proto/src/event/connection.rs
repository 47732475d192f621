//! Events of a connection that do not depend on its subscriptions (PROTOCOL sections 1 and 4).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::notify::Notify;
use crate::sender::Sender;

/// `connected`: the first frame on every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Connected {
    /// Identifies this connection.
    pub connection_id: Uuid,
    /// Version of the protocol that the server speaks; this crate speaks 1.
    pub protocol: u32,
    /// Product and version, `ws-server/0.1.0`.
    pub server: String,
    /// The server's clock, in milliseconds since 1970.
    pub time: u64,
    /// The user, or null if the connection is anonymous.
    pub user: Option<String>,
    /// When the token of the handshake expires, in milliseconds since 1970; absent if there is none or it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// How the server finds dead connections.
    pub heartbeat: HeartbeatTerms,
    /// What the server accepts.
    pub limits: LimitTerms,
}

/// Heartbeat of a connection. A connection is closed with 4000 when nothing arrives on it for
/// `interval_ms + timeout_ms`. Both are 0 if heartbeats are turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeartbeatTerms {
    /// Silence after which the server sends a ping, in milliseconds.
    pub interval_ms: u64,
    /// Time for the answer, in milliseconds.
    pub timeout_ms: u64,
}

/// Limits that a client can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LimitTerms {
    /// Largest message, in bytes; a larger one closes the connection with 1009.
    pub message_bytes_max: u64,
    /// Maximum number of subscriptions per connection.
    pub channels_max: u64,
    /// Largest message before the connection has authenticated, in bytes, if it has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unauthenticated_message_bytes_max: Option<u64>,
}

/// `broadcast`: somebody sent a value to every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BroadcastEvent<M> {
    /// The value, byte for byte as it was sent.
    pub message: M,
    /// Who sent it; absent if it came from the server API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
}

/// `gap` with `broadcast`: this connection read too slowly and has missed broadcasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BroadcastGap {
    /// Always true.
    #[cfg_attr(feature = "schema", schemars(extend("const" = true)))]
    pub broadcast: bool,
    /// How many broadcasts it has missed; absent if the number is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

/// `draining`: the server is shutting down; reconnect after it has closed the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Draining {
    /// Earliest and latest moment to reconnect, in milliseconds from now; pick one at random in between.
    pub reconnect_after_ms: [u64; 2],
}

/// `token_expiring`: the token of this connection is about to expire. Some time after it has, the connection is closed
/// with 4002, unless it authenticates with a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenExpiring {
    /// When it expires, in milliseconds since 1970.
    pub expires_at: u64,
}

impl Notify for Connected {
    const EVENT: &'static str = "connected";
}
impl<M: Serialize> Notify for BroadcastEvent<M> {
    const EVENT: &'static str = "broadcast";
}
impl Notify for BroadcastGap {
    const EVENT: &'static str = "gap";
}
impl Notify for Draining {
    const EVENT: &'static str = "draining";
}
impl Notify for TokenExpiring {
    const EVENT: &'static str = "token_expiring";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_says_who_even_when_anonymous() {
        let check = |sender: Sender, expect: &str| {
            assert_eq!(serde_json::to_string(&sender).ok().as_deref(), Some(expect));
            assert_eq!(serde_json::from_str::<Sender>(expect).ok(), Some(sender));
        };
        let connection_id = Some(Uuid::nil());
        check(Sender::default(), r#"{"user":null}"#);
        check(
            Sender { connection_id, ..Sender::default() },
            r#"{"connection_id":"00000000-0000-0000-0000-000000000000","user":null}"#,
        );
        check(Sender { user: Some("ann".to_owned()), ..Sender::default() }, r#"{"user":"ann"}"#);
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let draining: Draining =
            serde_json::from_str(r#"{"event":"draining","reconnect_after_ms":[1,2],"why":"update"}"#).expect("decodes");
        assert_eq!(draining.reconnect_after_ms, [1, 2]);
    }
}
