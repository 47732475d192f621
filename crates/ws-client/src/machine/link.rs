//! One connection: an attempt, and what became of it.

/// Where the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    /// The token is asked for; there is no socket yet.
    Asking,
    /// From `dial` until the server has accepted the token.
    Dialing,
    Connected,
    Waiting {
        until: u64,
    },
    Closed,
}

/// How far the login of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// `authenticate` is to be sent, not before this.
    Needed {
        not_before: u64,
    },
    /// `authenticate` is under way.
    Sent,
    /// Another token is asked for.
    Asking,
    Done,
}

/// The connection that was dialed last.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) attempt: u64,
    /// When the attempt has taken too long.
    pub(super) connect_by: u64,
    /// Whether the server has said `connected`.
    pub(super) greeted: bool,
    pub(super) login: Login,
    /// Whether a token was asked for since the attempt began: a fresh one that is refused is the end.
    pub(super) is_fresh: bool,
    /// Whether a second token was asked for on this connection.
    pub(super) is_forced: bool,
    /// While connected: a new token is to be sent.
    pub(super) refresh: bool,
    /// When the status became `connected`.
    pub(super) since: u64,
    /// When the last frame came.
    pub(super) heard: u64,
    /// Longest silence, of the server's heartbeat.
    pub(super) silence: u64,
    /// By when the `pong` of a probe has to come.
    pub(super) probe_by: Option<u64>,
    pub(super) message_bytes_max: u64,
}

impl Link {
    pub(super) fn new(attempt: u64, connect_by: u64, is_fresh: bool) -> Self {
        Link {
            attempt,
            connect_by,
            greeted: false,
            login: Login::Needed { not_before: 0 },
            is_fresh,
            is_forced: false,
            refresh: false,
            since: 0,
            heard: 0,
            silence: u64::MAX / 4,
            probe_by: None,
            message_bytes_max: u64::MAX,
        }
    }
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) kind: Kind,
    /// Of its frame, in bytes.
    pub(super) size: usize,
    pub(super) sent: u64,
    pub(super) answer_by: u64,
    /// Its refusal says nothing: it went out behind an `authenticate` that was refused.
    pub(super) is_void: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Authenticate { generation: u64 },
    Subscribe { channel: String },
    Unsubscribe { channel: String },
    Publish { msg_id: String },
    Request { request: u64 },
}

/// A request of the caller that waits to be sent.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: u64,
    pub(super) action: String,
    pub(super) payload: String,
}

/// The token, and the question for the next one.
#[derive(Debug, Default)]
pub(super) struct Token {
    /// What the provider gave last: null is the anonymous user.
    pub(super) value: Option<Option<String>>,
    pub(super) user: Option<String>,
    pub(super) expires: Option<u64>,
    /// It was refused as expired: the next one is forced.
    pub(super) is_stale: bool,
    /// It was given and never used.
    pub(super) is_new: bool,
    pub(super) generation: u64,
    pub(super) question: Option<Question>,
    /// When the question is asked again.
    pub(super) ask_at: Option<u64>,
    /// How often the provider threw in a row.
    pub(super) throws: u32,
    /// Calls of `login` that wait for the answer to be in use.
    pub(super) logins: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) answer_by: u64,
    pub(super) is_login: bool,
}

/// The store of the outbox.
#[derive(Debug)]
pub(super) enum Store {
    /// There is none, or it was not asked for yet.
    Unused,
    Opening {
        is_first: bool,
    },
    Ready,
    Left {
        retry_at: u64,
        /// It has served before: what it keeps may still be read when it is opened again.
        has_served: bool,
    },
}
