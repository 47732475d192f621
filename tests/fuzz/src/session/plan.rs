//! A run as encoded in the fuzzer's bytes: the settings of the hub, and a sequence of operations.

use std::time::Duration;

use arbitrary::Arbitrary;
use serde_json::{Map, Value, json};
use ws_core::{Access, Limits};

use super::hub::{LIMITS, Terms};

/// Channel names: one in each namespace, and some invalid ones.
const CHANNELS: [&str; 20] = [
    "a",
    "b",
    "users:a",
    "granted:a",
    "granted:b",
    "members:a",
    "server:a",
    "latest:a",
    "strict:a",
    "pass:a",
    "bare:a",
    "a#ann",
    "users:a#ann,bob",
    "granted:a#bob",
    "pass:a#ann",
    "",
    ":x",
    "nowhere:a",
    "a b",
    "x#",
];
const USERS: [&str; 4] = ["ann", "bob", "eve", ""];
const FIELDS: [&str; 13] = [
    "message", "channel", "data", "since", "rewind", "token", "msg_id", "tags", "limit", "before", "after", "reverse",
    "more",
];
const ACTIONS: [&str; 11] = [
    "echo",
    "broadcast",
    "get_connections",
    "subscribe",
    "unsubscribe",
    "publish",
    "get_history",
    "get_presence",
    "authenticate",
    "Echo",
    "",
];

/// A whole run.
#[derive(Debug, Arbitrary)]
pub(super) struct Plan<'a> {
    setup: Setup,
    pub(super) ops: Vec<Op<'a>>,
}

/// The settings; limits are low or absent.
#[derive(Debug, Arbitrary)]
struct Setup {
    anonymous: bool,
    has_keys: bool,
    heartbeat: bool,
    broadcast_by_users: bool,
    connections_max: u8,
    connections_per_user_max: u8,
    unauthenticated_max: u8,
    requests_per_second: u8,
    token_checks_per_second: u8,
    channels_per_connection_max: u8,
    errors_max: u8,
    tight: bool,
    write_timeout_s: u8,
}

/// An operation.
#[derive(Debug, Arbitrary)]
pub(super) enum Op<'a> {
    Connect {
        room: u16,
        token: Option<Token<'a>>,
        app: bool,
    },
    Say {
        who: u8,
        text: Text<'a>,
    },
    /// The socket gets room for this many more bytes.
    Room {
        who: u8,
        bytes: u16,
    },
    RunUntilIdle,
    Pass {
        ms: u16,
    },
    /// A longer time, in which every client sends something.
    PassSeconds {
        s: u8,
    },
    Drop {
        who: u8,
    },
    /// From now on the engine answers late, or at once.
    Late {
        late: bool,
    },
    /// The engine answers the oldest call.
    LetGo {
        calls: u8,
    },
    /// An operator removes a channel's history.
    Remove {
        channel: u8,
    },
    Drain,
}

/// A text frame.
#[derive(Debug, Arbitrary)]
pub(super) enum Text<'a> {
    Raw(&'a str),
    Ping,
    Pong,
    Echo(u8),
    Broadcast {
        bytes: u16,
    },
    GetConnections,
    Subscribe {
        channel: u8,
        since: Option<(u8, u8)>,
        rewind: Option<u8>,
        token: Option<Token<'a>>,
    },
    Unsubscribe {
        channel: u8,
    },
    Publish {
        channel: u8,
        bytes: u8,
        msg_id: Option<u8>,
    },
    GetHistory {
        channel: u8,
        limit: Option<u16>,
        since: Option<(u8, u8)>,
        before: Option<u8>,
        reverse: bool,
    },
    GetPresence {
        channel: u8,
        limit: Option<u8>,
        after: Option<&'a str>,
    },
    Authenticate {
        token: Token<'a>,
        /// Channels, and positions in them.
        since: Option<Vec<(u8, u8, u8)>>,
    },
    /// A request with arbitrary contents.
    Any {
        id: &'a str,
        action: u8,
        fields: Vec<(u8, Thing<'a>)>,
    },
}

/// A token: claims, or none.
#[derive(Debug, Clone, Arbitrary)]
pub(super) enum Token<'a> {
    Claims { user: u8, within_s: Option<i8>, channels: Vec<u8>, granted: Vec<u8>, channel: Option<u8>, new_key: bool },
    Raw(&'a str),
}

/// A value in a payload.
#[derive(Debug, Arbitrary)]
pub(super) enum Thing<'a> {
    Null,
    Bool(bool),
    Number(i64),
    Text(&'a str),
    Channel(u8),
    List(Vec<u8>),
    Position(u8, u8),
}

impl Plan<'_> {
    pub(super) fn terms(&self) -> Terms {
        let setup = &self.setup;
        let few = |n: u8| usize::from(n % 8);
        let tight = |bytes: usize| if setup.tight { bytes / 2 } else { bytes };
        let limits = Limits {
            connections_max: few(setup.connections_max),
            connections_per_user_max: few(setup.connections_per_user_max),
            unauthenticated_max: few(setup.unauthenticated_max),
            requests_per_second: u32::from(setup.requests_per_second % 8),
            token_checks_per_second: u32::from(setup.token_checks_per_second % 8),
            channels_per_connection_max: 1 + few(setup.channels_per_connection_max),
            errors_max: u32::from(setup.errors_max % 8),
            outbox_bytes_max: tight(LIMITS.outbox_bytes_max),
            broadcast_log_bytes_max: tight(LIMITS.broadcast_log_bytes_max),
            channel_log_bytes_max: tight(LIMITS.channel_log_bytes_max),
            channel_logs_bytes_max: tight(LIMITS.channel_logs_bytes_max),
            write_timeout: Duration::from_secs(u64::from(setup.write_timeout_s % 32)),
            ..LIMITS
        };
        let broadcast = if setup.broadcast_by_users { Access::AUTHENTICATED } else { Access::ANYONE };
        let Setup { anonymous, has_keys, heartbeat, .. } = *setup;
        Terms { limits, anonymous, has_keys, heartbeat, broadcast }
    }
}

pub(super) fn channel(nth: u8) -> &'static str {
    CHANNELS[usize::from(nth) % CHANNELS.len()]
}

impl Token<'_> {
    /// The text as sent.
    pub(super) fn written(&self) -> String {
        let (user, within_s, channels, granted, of, new_key) = match self {
            Token::Raw(text) => return (*text).to_owned(),
            Token::Claims { user, within_s, channels, granted, channel, new_key } => {
                (USERS[usize::from(*user) % USERS.len()], within_s, channels, granted, channel, new_key)
            }
        };
        let name = |nth: &u8| channel(*nth);
        let pattern = |nth: &u8| if *nth > 127 { "granted:*" } else { channel(*nth) };
        let mut claims = json!({
            "user": user,
            "channels": channels.iter().map(name).collect::<Vec<_>>(),
            "granted": granted.iter().map(pattern).collect::<Vec<_>>(),
            "new_key": new_key,
        });
        within_s.iter().for_each(|within| claims["within"] = (*within).into());
        of.iter().for_each(|nth| claims["channel"] = channel(*nth).into());
        claims.to_string()
    }
}

impl Text<'_> {
    /// The frame; its id is made from `nth`, and `epochs` are those seen so far.
    pub(super) fn written(&self, nth: usize, epochs: &[String]) -> String {
        let request = |action: &str, payload: Value| {
            json!({"id": nth.to_string(), "type": "request", "action": action, "payload": payload}).to_string()
        };
        let since = |since: &Option<(u8, u8)>| since.map(|(epoch, offset)| position(epoch, offset, epochs));
        let with = |fields: &[(&str, Option<Value>)]| {
            let given = fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
            Value::Object(given.collect::<Map<_, _>>())
        };
        match self {
            Text::Raw(text) => (*text).to_owned(),
            Text::Ping => r#"{"type":"ping"}"#.to_owned(),
            Text::Pong => r#"{"type":"pong"}"#.to_owned(),
            Text::Echo(value) => request("echo", json!({"message": [value, null]})),
            Text::Broadcast { bytes } => {
                request("broadcast", json!({"message": "x".repeat(usize::from(bytes % 2048))}))
            }
            Text::GetConnections => request("get_connections", Value::Null),
            Text::Subscribe { channel: nth, since: after, rewind, token } => {
                let token = token.as_ref().map(|token| token.written().into());
                let rewind = rewind.map(Value::from);
                let channel = Some(channel(*nth).into());
                let fields = [("channel", channel), ("since", since(after)), ("rewind", rewind), ("token", token)];
                request("subscribe", with(&fields))
            }
            Text::Unsubscribe { channel: nth } => request("unsubscribe", json!({"channel": channel(*nth)})),
            Text::Publish { channel: nth, bytes, msg_id } => {
                let msg_id = msg_id.map(|id| json!(format!("m{}", id % 4)));
                let data = json!("y".repeat(usize::from(*bytes)));
                request(
                    "publish",
                    with(&[("channel", Some(channel(*nth).into())), ("data", Some(data)), ("msg_id", msg_id)]),
                )
            }
            Text::GetHistory { channel: nth, limit, since: after, before, reverse } => request(
                "get_history",
                with(&[
                    ("channel", Some(channel(*nth).into())),
                    ("limit", limit.map(Value::from)),
                    ("since", since(after)),
                    ("before", before.map(Value::from)),
                    ("reverse", Some((*reverse).into())),
                ]),
            ),
            Text::GetPresence { channel: nth, limit, after } => {
                let fields = [("limit", limit.map(Value::from)), ("after", after.map(Value::from))];
                let mut payload = with(&fields);
                payload["channel"] = channel(*nth).into();
                request("get_presence", payload)
            }
            Text::Authenticate { token, since } => {
                let position =
                    |(nth, epoch, offset): &(u8, u8, u8)| (channel(*nth).to_owned(), position(*epoch, *offset, epochs));
                let since = since.as_ref().map(|since| Value::Object(since.iter().map(position).collect()));
                let mut payload = with(&[("since", since)]);
                payload["token"] = token.written().into();
                request("authenticate", payload)
            }
            Text::Any { id, action, fields } => {
                let field = |(name, thing): &(u8, Thing<'_>)| {
                    (FIELDS[usize::from(*name) % FIELDS.len()].to_owned(), thing.value(epochs))
                };
                let payload = Value::Object(fields.iter().map(field).collect());
                let action = ACTIONS[usize::from(*action) % ACTIONS.len()];
                json!({"id": id, "type": "request", "action": action, "payload": payload}).to_string()
            }
        }
    }
}

impl Thing<'_> {
    fn value(&self, epochs: &[String]) -> Value {
        match self {
            Thing::Null => Value::Null,
            Thing::Bool(value) => (*value).into(),
            Thing::Number(number) => (*number).into(),
            Thing::Text(text) => (*text).into(),
            Thing::Channel(nth) => channel(*nth).into(),
            Thing::List(list) => list.clone().into(),
            Thing::Position(epoch, offset) => position(*epoch, *offset, epochs),
        }
    }
}

/// A position in an epoch that was seen, or in an unknown one.
fn position(epoch: u8, offset: u8, epochs: &[String]) -> Value {
    let epoch = epochs.get(usize::from(epoch) % (epochs.len() + 1));
    json!({"epoch": epoch.map_or("0000000000000001", String::as_str), "offset": offset})
}
