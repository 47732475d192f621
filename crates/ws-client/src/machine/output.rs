//! What the machine tells the shell to do (docs/CLIENTS.md, "Outputs").

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::event::Event;
use super::problem::Problem;
use crate::entry::Entry;
use crate::position::Position;
use crate::store::Saved;

/// Why a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Why {
    /// To connect, or because [`Client::login`](crate::Client::login) was called.
    Connect,
    /// The token expires within 30 s.
    Expiring,
    /// The server has refused the last one: it has expired, or is not valid any more.
    Expired,
}

/// One output. The fields are explained in docs/CLIENTS.md.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Output {
    Dial {
        attempt: u64,
    },
    Drop {
        attempt: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
    },
    Send {
        text: String,
    },
    Ask {
        generation: u64,
        why: Why,
    },
    AbortAsk {
        generation: u64,
    },
    AskChannel {
        channel: String,
        generation: u64,
    },
    Deliver {
        reader: u64,
        event: Event,
        /// Where the reader is after it.
        #[serde(skip)]
        position: Option<Position>,
    },
    Settle(Box<Settled>),
    Answer {
        request: u64,
        #[serde(flatten)]
        answer: Answer,
    },
    LoggedIn {
        login: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Problem>,
    },
    Notification {
        data: Box<RawValue>,
    },
    ReadPosition {
        channel: String,
        user: Option<String>,
    },
    Store {
        op: u64,
        #[serde(flatten)]
        what: StoreWork,
    },
    Channel {
        channel: String,
        state: ChannelState,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Problem>,
    },
    Pending {
        count: u64,
    },
    Status(Status),
    Closed {
        unsent: u64,
    },
}

/// How a publication ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settled {
    pub(crate) msg_id: String,
    #[serde(flatten)]
    pub(crate) end: End,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum End {
    Acknowledged {
        ack: Ack,
    },
    Failed {
        error: Problem,
        entry: Entry,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        kept: bool,
    },
}

/// What the server said of a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Ack {
    /// Its place in the channel; `None` in a channel without history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What the answer stands for. `None`: it was seen as a publication before an answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<ws_proto::action::Ack>,
    /// Whether an earlier request of the same `msg_id` had published it already.
    pub duplicate: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Data(Box<RawValue>),
    Error(Problem),
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum StoreWork {
    Open {
        open: bool,
    },
    Write {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        put: Vec<Entry>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        remove: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        positions: Vec<Saved>,
    },
}

/// Where a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum ChannelState {
    /// Nobody reads it.
    #[serde(rename = "off")]
    Off,
    /// The subscription waits for the connection, a token, or the server's answer.
    #[serde(rename = "subscribing")]
    Subscribing,
    /// What was published before is on its way.
    #[serde(rename = "catching up")]
    CatchingUp,
    /// What is published arrives as it is published.
    #[serde(rename = "live")]
    Live,
    /// The server refuses the subscription.
    #[serde(rename = "refused")]
    Refused,
}

/// Where the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Nothing has been asked for yet.
    Idle,
    /// An attempt is under way.
    Connecting,
    /// The server has accepted the connection, and the token if there is one.
    Connected,
    /// The last attempt failed, the next one begins at [`Status::retry_at`].
    Waiting,
    /// The end: [`Status::error`] says why, unless the client was closed by its owner.
    Closed,
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Where it is.
    pub state: State,
    /// While waiting: when the next attempt begins, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<u64>,
    /// While connected: the user, `Some(None)` for the anonymous one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Option<String>>,
    /// What the last attempt or connection failed with; absent while connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Why the store of the outbox is out of use; absent while all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Problem>,
}
