//! Events to a connection, whatever it is subscribed to (PROTOCOL sections 1 and 4).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Notify;

/// `connected`: the first frame on every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Connected {
    /// Names this connection for as long as it lasts.
    pub connection_id: Uuid,
    /// Version of the protocol that the server speaks; this crate speaks 1.
    pub protocol: u32,
    /// Product and version, `ws-server/0.1.0`.
    pub server: String,
    /// Who this is, or null for an anonymous connection.
    pub user: Option<String>,
    /// What the server does to find dead connections.
    pub heartbeat: HeartbeatTerms,
    /// What the server accepts.
    pub limits: LimitTerms,
}

/// Heartbeat of a connection. A connection from which nothing arrives for `interval_ms + timeout_ms`
/// is closed with 4000. Both are 0 when the server has heartbeats off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeartbeatTerms {
    /// Silence after which the server sends a ping, in milliseconds.
    pub interval_ms: u64,
    /// Time for the answer, in milliseconds.
    pub timeout_ms: u64,
}

/// Limits that a client can run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LimitTerms {
    /// Largest message, in bytes; over it the connection is closed with 1009.
    pub message_bytes_max: u64,
    /// Most subscriptions of one connection.
    pub channels_max: u64,
    /// Where the connection has to authenticate first: the largest message until it has, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unauthenticated_message_bytes_max: Option<u64>,
}

/// Who sent something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sender {
    /// The connection it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<Uuid>,
    /// Its user, or null when anonymous.
    #[serde(default)]
    pub user: Option<String>,
}

/// `broadcast`: somebody sent a value to every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BroadcastEvent<M> {
    /// The value, byte for byte as it was sent.
    pub message: M,
    /// Who sent it; absent for the server's own API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
}

/// `gap` with `broadcast`: this connection read too slowly, and so many broadcasts are gone for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BroadcastGap {
    /// Always true.
    #[cfg_attr(feature = "schema", schemars(extend("const" = true)))]
    pub broadcast: bool,
    /// How many broadcasts this connection does not get.
    pub missed: u64,
}

/// `draining`: this server is going away; connect again after it has closed the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Draining {
    /// Earliest and latest moment to reconnect, in milliseconds from now; pick one at random in between.
    pub reconnect_after_ms: [u64; 2],
}

/// `token_expiring`: the token of this connection runs out; it is closed with 4002 some time after that, unless it
/// authenticates with a fresh one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenExpiring {
    /// When it runs out, in milliseconds since 1970.
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
            Sender { connection_id, user: None },
            r#"{"connection_id":"00000000-0000-0000-0000-000000000000","user":null}"#,
        );
        check(Sender { connection_id: None, user: Some("ann".to_owned()) }, r#"{"user":"ann"}"#);
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let draining: Draining =
            serde_json::from_str(r#"{"event":"draining","reconnect_after_ms":[1,2],"why":"update"}"#).expect("decodes");
        assert_eq!(draining.reconnect_after_ms, [1, 2]);
    }
}
