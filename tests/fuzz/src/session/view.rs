//! What a client has seen, and whether it was allowed to: every request is answered once and in order, nobody gets what it
//! may not have, and streams have no unannounced hole.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::LazyLock;

use serde_json::Value;
use ws_core::{Access, ChannelOptions, Namespaces, OnLag, Patterns};
use ws_proto::action::{Gap, SubscribeData};
use ws_proto::event::{ChannelGap, PublicationEvent};
use ws_proto::{ChannelName, ClientMessage, ErrorBody, ErrorCode, Event, RequestId, ServerMessage};

use super::hub::ERROR_BYTES_MAX;
use super::hub::namespaces;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Texts that were sent and not answered yet, oldest first.
    asked: VecDeque<Asked>,
    pings: usize,
    greeted: bool,
    /// It is counted: before that it may get nothing of others.
    known: bool,
    user: Option<String>,
    /// The claims of the token that it is logging in with, or logged in with last.
    token: Value,
    /// Channels that earlier tokens listed.
    listed: HashSet<String>,
    /// The claims of subscription tokens, by channel.
    passes: HashMap<String, Value>,
    subscribed: HashMap<String, Cursor>,
    pub(super) epochs: HashSet<String>,
    /// Texts received.
    pub(super) seen: u64,
}

/// A text that has to be answered.
#[derive(Debug)]
struct Asked {
    id: Option<String>,
    action: String,
    payload: Value,
}

/// The cursor of a subscription: the next offset, if known.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    next: Option<u64>,
    has_offsets: bool,
}

impl View {
    /// A connection that is counted from its start, or has to authenticate first.
    pub(super) fn new(token: Option<&str>, known: bool) -> Self {
        View { token: token.map(claims).unwrap_or_default(), known, ..View::default() }
    }

    /// How many answers are due.
    pub(super) fn owed(&self) -> usize {
        self.asked.len() + self.pings
    }

    /// Channels, and the next offset in them, if known.
    pub(super) fn cursors(&self) -> impl Iterator<Item = (&str, u64)> {
        self.subscribed.iter().filter_map(|(channel, cursor)| Some((&**channel, cursor.next?)))
    }

    /// The text was accepted.
    pub(super) fn said(&mut self, text: &str) {
        match ClientMessage::decode(text) {
            Ok(ClientMessage::Request(request)) => {
                let frame: Value = serde_json::from_str(text).unwrap_or_default();
                let (action, payload) = (request.action.into_owned(), frame["payload"].clone());
                self.asked.push_back(Asked { id: Some(id(request.id)), action, payload });
            }
            Ok(ClientMessage::Ping) => self.pings += 1,
            Ok(ClientMessage::Pong) => {}
            Err(refusal) => {
                let id = refusal.id.map(id);
                self.asked.push_back(Asked { id, action: String::new(), payload: Value::Null });
            }
        }
    }

    /// A text was received.
    pub(super) fn read(&mut self, text: &str, is_draining: bool) {
        self.seen += 1;
        let message = ServerMessage::decode(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        match message {
            ServerMessage::Response { id, data } => {
                let asked = self.asked.pop_front().unwrap_or_else(|| panic!("nothing was asked: {text}"));
                assert_eq!(asked.id.as_deref(), Some(&*id), "{text}");
                self.answered(&asked, &serde_json::from_str(data.get()).expect("JSON"), data.get());
            }
            ServerMessage::Error { id, error } => {
                let asked = self.asked.pop_front().unwrap_or_else(|| panic!("nothing was asked: {text}"));
                assert_eq!(asked.id.as_deref(), id.as_deref(), "{text}");
                self.refused(&asked, &error);
            }
            ServerMessage::Notification(event) => self.event(&event, is_draining, text),
            ServerMessage::Ping => {}
            ServerMessage::Pong => self.pings = self.pings.checked_sub(1).expect("a pong answers a ping"),
            other => panic!("{other:?}: {text}"),
        }
    }

    fn refused(&self, asked: &Asked, error: &ErrorBody) {
        if self.known && matches!(error.code, ErrorCode::PermissionDenied | ErrorCode::Unauthenticated) {
            let channel = asked.payload["channel"].as_str().unwrap_or_default();
            let is_allowed = access(&asked.action).is_some_and(|access| self.is_allowed(channel, access));
            assert!(!is_allowed, "{:?} may do so: {asked:?}: {error}", self.user);
        }
        assert!(error.message.len() <= ERROR_BYTES_MAX, "{error}");
        assert_ne!(error.code, ErrorCode::Internal, "{asked:?}: {error}");
        assert_eq!(error.retryable, error.code.is_retryable(), "{error}");
    }

    fn answered(&mut self, asked: &Asked, data: &Value, text: &str) {
        assert!(self.known || asked.action == "authenticate", "an unauthenticated connection is answered: {asked:?}");
        let channel = asked.payload["channel"].as_str().unwrap_or_default();
        assert!(channel.is_empty() || data.get("channel").is_none_or(|said| said == channel), "{asked:?}: {text}");
        match &*asked.action {
            "echo" => assert_eq!(data["echo"], asked.payload["message"]),
            "authenticate" => self.logged_in(asked, data),
            "subscribe" => {
                let had_pass = self.passes.contains_key(channel);
                if let Some(token) = asked.payload["token"].as_str() {
                    let claims = claims(token);
                    assert_eq!((claims["channel"].as_str(), claims["user"].as_str()), (Some(channel), self.user()));
                    self.passes.insert(channel.to_owned(), claims);
                }
                self.may(channel, asked);
                let data: SubscribeData<'_> = serde_json::from_str(text).expect("as documented");
                if self.subscribed.contains_key(channel) {
                    let is_renewed = asked.payload["token"].is_string() && had_pass;
                    assert!(is_renewed && data.recovered.is_none(), "subscribed twice: {text}");
                } else {
                    self.subscribe(&data, &asked.payload);
                }
            }
            "unsubscribe" => drop(self.subscribed.remove(channel)),
            "publish" | "get_history" | "get_presence" => self.may(channel, asked),
            "broadcast" | "get_connections" => {}
            other => panic!("an answer to {other:?}"),
        }
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn logged_in(&mut self, asked: &Asked, data: &Value) {
        let listed = self.token["channels"].as_array().into_iter().flatten().filter_map(Value::as_str);
        self.listed.extend(listed.map(str::to_owned));
        self.token = asked.payload["token"].as_str().map(claims).unwrap_or_default();
        let user = data["user"].as_str().expect("a user");
        assert_eq!(self.token["user"], user);
        assert!(self.token.get("channel").is_none_or(Value::is_null), "a subscription token logs in");
        assert!(self.user().is_none_or(|before| before == user), "{:?} becomes {user}", self.user);
        (self.known, self.user) = (true, Some(user.to_owned()));
    }

    /// Checks that what was done in a channel was allowed. Expired tokens for one channel count too: their expiry is checked
    /// elsewhere. So does a subscription that may have ended while the engine took its time.
    fn may(&self, channel: &str, asked: &Asked) {
        let access = access(&asked.action).expect("something in a channel");
        let pass = self.passes.get(channel).is_some_and(|pass| pass["channel"] == channel || covers(pass, channel));
        let allowed = match access(options(channel)) {
            Access::Granted => is_for(channel, self.user()) && pass,
            Access::Subscriber => is_for(channel, self.user()),
            Access::Anyone | Access::Authenticated | Access::Nobody => false,
        };
        assert!(allowed || self.is_allowed(channel, access), "{:?} may not: {asked:?}", self.user);
    }

    /// Whether the token lists a channel.
    fn lists(&self, channel: &str) -> bool {
        self.token["channels"].as_array().is_some_and(|channels| channels.iter().any(|listed| listed == channel))
    }

    /// Whether the connection is allowed something in a channel, not counting tokens for one channel.
    fn is_allowed(&self, channel: &str, access: fn(&ChannelOptions) -> Access) -> bool {
        let by_mode = match access(options(channel)) {
            Access::Anyone => true,
            Access::Authenticated => self.user.is_some(),
            Access::Granted => covers(&self.token, channel),
            Access::Subscriber => self.subscribed.contains_key(channel),
            Access::Nobody => false,
        };
        by_mode && is_for(channel, self.user())
    }

    fn subscribe(&mut self, data: &SubscribeData<'_>, payload: &Value) -> Option<Cursor> {
        let epoch = data.epoch.as_ref().map(|epoch| epoch.to_string());
        self.epochs.extend(epoch);
        let next = match (&data.gap, data.recovered, payload["rewind"].as_u64().unwrap_or(0)) {
            (Some(Gap::Offsets { to, .. }), ..) => Some(to + 1),
            (Some(Gap::Epoch { .. }), ..) => None,
            (None, Some(true), _) => payload["since"]["offset"].as_u64().map(|offset| offset + 1),
            (None, _, 0) => data.offset.map(|offset| offset + 1),
            (None, ..) => None,
        };
        self.subscribed.insert(data.channel.to_string(), Cursor { next, has_offsets: data.offset.is_some() })
    }

    fn event(&mut self, event: &Event<'_>, is_draining: bool, text: &str) {
        let is_first = !std::mem::replace(&mut self.greeted, true);
        assert_eq!(is_first, matches!(event, Event::Connected(_)), "{text}");
        match event {
            Event::Connected(event) => self.user = event.user.clone(),
            Event::Draining(_) => assert!(is_draining),
            _ => assert!(
                self.known || matches!(event, Event::TokenExpiring(_)),
                "an unauthenticated connection gets {text}"
            ),
        }
        match event {
            Event::Subscribed(data) => {
                // A channel listed by an earlier token stays subscribed if nothing needs to be granted.
                let goes_on =
                    self.listed.contains(&*data.channel) && self.is_allowed(&data.channel, |options| options.subscribe);
                assert!(self.lists(&data.channel) || goes_on, "{:?} lists no {}", self.token, data.channel);
                assert!(self.subscribe(data, &Value::Null).is_none(), "subscribed twice: {text}");
            }
            Event::Unsubscribed(event) => drop(self.subscribed.remove(&*event.channel)),
            Event::Publication(event) => self.publication(event, text),
            Event::ChannelGap(event) => self.gap(event, text),
            Event::Join(event) => drop(self.cursor(&event.channel, text)),
            Event::Leave(event) => drop(self.cursor(&event.channel, text)),
            Event::Presence(event) => drop(self.cursor(&event.channel, text)),
            Event::Unknown { .. } => panic!("{text}"),
            _ => {}
        }
    }

    fn cursor(&mut self, channel: &str, text: &str) -> &mut Cursor {
        self.subscribed.get_mut(channel).unwrap_or_else(|| panic!("not subscribed: {text}"))
    }

    fn publication(&mut self, event: &PublicationEvent<'_, &serde_json::value::RawValue>, text: &str) {
        let jumps = options(&event.channel).on_lag == OnLag::Latest;
        let cursor = self.cursor(&event.channel, text);
        assert_eq!(event.offset.is_some(), cursor.has_offsets, "{text}");
        let Some(offset) = event.offset else { return };
        let in_turn = cursor.next.is_none_or(|next| offset == next || (jumps && offset > next));
        assert!(in_turn, "{:?} is next: {text}", cursor.next);
        cursor.next = Some(offset + 1);
    }

    fn gap(&mut self, event: &ChannelGap<'_>, text: &str) {
        self.epochs.extend(event.epoch.as_ref().map(|epoch| epoch.to_string()));
        let cursor = self.cursor(&event.channel, text);
        match (event.from, event.to) {
            (Some(from), Some(to)) => {
                assert!(from <= to && cursor.next.is_none_or(|next| next == from), "{:?} is next: {text}", cursor.next);
                cursor.next = Some(to + 1);
            }
            _ => {
                assert!(event.epoch.is_some() || event.missed.is_some(), "{text}");
                cursor.next = None;
            }
        }
    }
}

fn options(channel: &str) -> &'static ChannelOptions {
    static NAMESPACES: LazyLock<Namespaces> = LazyLock::new(namespaces);
    NAMESPACES.get(name(channel).namespace()).expect("a namespace")
}

fn name(channel: &str) -> ChannelName<'_> {
    ChannelName::parse(channel).unwrap_or_else(|error| panic!("{error}"))
}

fn is_for(channel: &str, user: Option<&str>) -> bool {
    name(channel).is_for(user)
}

/// The mode for what an action does in a channel.
fn access(action: &str) -> Option<fn(&ChannelOptions) -> Access> {
    match action {
        "subscribe" => Some(|options| options.subscribe),
        "publish" => Some(|options| options.publish),
        "get_history" => Some(|options| options.read_history),
        "get_presence" => Some(|options| options.read_presence),
        _ => None,
    }
}

/// Whether the claims grant everything in this channel.
fn covers(claims: &Value, channel: &str) -> bool {
    let granted = claims["granted"].as_array().into_iter().flatten();
    granted.map(|pattern| pattern.as_str().unwrap_or_default()).collect::<Patterns>().cover(channel)
}

/// The decoded id.
fn id(id: RequestId<'_>) -> String {
    let text = serde_json::to_string(&id).expect("an id is JSON");
    serde_json::from_str(&text).expect("a string")
}

fn claims(token: &str) -> Value {
    serde_json::from_str(token).unwrap_or_default()
}
