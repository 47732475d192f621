//! What the shell tells the machine (docs/CLIENTS.md, "Inputs").

use serde::{Deserialize, Serialize};

use crate::entry::{Entry, Tags};
use crate::position::Position;

/// One input. The fields are explained in docs/CLIENTS.md.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Input {
    Loaded {
        op: u64,
        entries: Vec<Entry>,
    },
    Adopted {
        entries: Vec<Entry>,
    },
    Stored {
        op: u64,
    },
    StoreFailed {
        op: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    Position {
        channel: String,
        user: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<Position>,
    },
    PositionFailed {
        channel: String,
        user: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    Subscribe {
        reader: u64,
        channel: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Position>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rewind: Option<u32>,
        #[serde(default, skip_serializing_if = "is_false")]
        stored: bool,
        #[serde(default, skip_serializing_if = "is_false")]
        token: bool,
    },
    Unsubscribe {
        reader: u64,
    },
    Taken {
        reader: u64,
    },
    Publish {
        msg_id: String,
        channel: String,
        data: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tags: Option<Tags>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_age: Option<u64>,
    },
    Abort {
        msg_id: String,
    },
    Request {
        request: u64,
        action: String,
        payload: String,
    },
    Forget {
        request: u64,
    },
    Login {
        login: u64,
    },
    Wake {},
    Probe {},
    Hide {},
    Show {},
    Close {
        flush: u64,
    },
    Opened {
        attempt: u64,
    },
    Frame {
        attempt: u64,
        text: String,
    },
    Alive {
        attempt: u64,
    },
    Ended {
        attempt: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    Token {
        generation: u64,
        token: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
    },
    TokenFailed {
        generation: u64,
        denied: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    ChannelToken {
        channel: String,
        generation: u64,
        token: String,
    },
    ChannelTokenFailed {
        channel: String,
        generation: u64,
        denied: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    Tick {},
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
