//! What a subscription yields.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::Value;
use ws_proto::event::Sender;

use crate::entry::Tags;
use crate::machine::{self, Gap, Problem};
use crate::position::Position;

/// What a [`Subscription`](crate::Subscription) yields, in the order of the channel.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<T> {
    /// A publication.
    Publication(Publication<T>),
    /// A publication whose data is no `T`. The stream goes on behind it.
    Undecodable {
        /// Its place in the channel, if that has a history.
        offset: Option<u64>,
        /// Its id.
        msg_id: Option<String>,
        /// Its data, as it came.
        bytes: String,
        /// Why it is no `T`.
        error: String,
    },
    /// Publications that are gone for good: whoever keeps a state has to load it anew.
    Gap(Gap),
    /// From here on everything comes as it is published.
    Live {
        /// Where the channel stands, if it has a history.
        position: Option<Position>,
        /// Whether everything since the last position came; `None`: there was none.
        recovered: Option<bool>,
    },
    /// A connection joined.
    Join(Value),
    /// A connection left.
    Leave(Value),
    /// In place of many joins and leaves: how many connections and users there are.
    Presence {
        /// Connections.
        connections: u64,
        /// Users.
        users: u64,
    },
    /// The server refuses the subscription. Nothing follows, unless the server itself subscribes this connection, or
    /// another user logs in.
    Refused(Problem),
}

/// A publication in a channel.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Publication<T> {
    /// Its data.
    pub data: T,
    /// Just after it, if the channel has a history: what to give to `since` to go on behind it.
    pub position: Option<Position>,
    /// When the server accepted it.
    pub time: SystemTime,
    /// Who published it: a connection and its user, or a `service` of the server such as `claude`. `None`: the server API.
    pub from: Option<Sender>,
    /// Its id.
    pub msg_id: Option<String>,
    /// Its tags.
    pub tags: Option<Tags>,
    /// Whether this client published it.
    pub own: bool,
}

impl<T: DeserializeOwned> Event<T> {
    pub(crate) fn from_machine(event: machine::Event, position: Option<Position>) -> Self {
        let value = |raw: &serde_json::value::RawValue| serde_json::from_str(raw.get()).unwrap_or_default();
        match event {
            machine::Event::Publication(publication) => publication_event(*publication, position),
            machine::Event::Gap(gap) => Event::Gap(gap),
            machine::Event::Live { position, recovered } => Event::Live { position, recovered },
            machine::Event::Join { client } => Event::Join(value(&client)),
            machine::Event::Leave { client } => Event::Leave(value(&client)),
            machine::Event::Presence { connections, users } => Event::Presence { connections, users },
            machine::Event::Refused { error } => Event::Refused(error),
        }
    }
}

fn publication_event<T: DeserializeOwned>(publication: machine::Publication, position: Option<Position>) -> Event<T> {
    let machine::Publication { offset, data, time, from, msg_id, tags, own } = publication;
    match serde_json::from_str(data.get()) {
        Ok(data) => Event::Publication(Publication {
            data,
            position,
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(time),
            from,
            msg_id,
            tags,
            own,
        }),
        Err(error) => Event::Undecodable { offset, msg_id, bytes: data.get().to_owned(), error: error.to_string() },
    }
}
