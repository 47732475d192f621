//! Notifications: events that the server sends on its own (PROTOCOL sections 1, 4 and 5).

mod channel;
mod connection;
mod notify;
mod subscription;

use serde_json::value::RawValue;

use crate::action::SubscribeData;

pub use channel::{ChannelGap, Join, Leave, Presence, PublicationEvent};
pub use connection::{BroadcastEvent, BroadcastGap, Connected, Draining, HeartbeatTerms, LimitTerms, TokenExpiring};
pub use notify::Notify;
pub use subscription::Unsubscribed;

pub use crate::sender::Sender;

/// A notification as a client sees it. `event` on the wire is the variant in `snake_case`; both gaps are `gap`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The first frame of a connection.
    Connected(Connected),
    /// A value for every connection.
    Broadcast(BroadcastEvent<&'a RawValue>),
    /// Broadcasts that this connection missed.
    BroadcastGap(BroadcastGap),
    /// The server is going away.
    Draining(Draining),
    /// The token of this connection is about to expire.
    TokenExpiring(TokenExpiring),
    /// The server has subscribed this connection to a channel.
    Subscribed(SubscribeData<'static>),
    /// The server has ended a subscription, or could not start it.
    Unsubscribed(Unsubscribed<'a>),
    /// A publication in a channel.
    Publication(PublicationEvent<'a, &'a RawValue>),
    /// Another connection joined a channel.
    Join(Join<'a, &'a RawValue>),
    /// Another connection left a channel.
    Leave(Leave<'a, &'a RawValue>),
    /// How many connections and users are in a channel.
    Presence(Presence<'a>),
    /// Publications of a channel that this connection missed.
    ChannelGap(ChannelGap<'a>),
    /// An event that this version of the crate does not know, or a known one that lacks a field. Ignore it
    /// (PROTOCOL section 1).
    Unknown {
        /// Its name.
        event: String,
        /// The whole `data` object.
        data: &'a RawValue,
    },
}

/// Names of all events of this version. `gap` is one name for two events, of broadcasts and of a channel.
pub const NAMES: &[&str] = &[
    Connected::EVENT,
    BroadcastEvent::<()>::EVENT,
    BroadcastGap::EVENT,
    Draining::EVENT,
    TokenExpiring::EVENT,
    SubscribeData::EVENT,
    Unsubscribed::EVENT,
    PublicationEvent::<()>::EVENT,
    Join::<()>::EVENT,
    Leave::<()>::EVENT,
    Presence::EVENT,
];
