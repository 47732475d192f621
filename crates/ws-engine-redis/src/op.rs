//! What is stored or asked about the cluster.

use std::fmt;

use uuid::Uuid;
use ws_core::engine::cluster::{MemberKey, Members};
use ws_core::engine::{Done, EngineError};

/// One operation.
pub(crate) enum Op {
    Put(Put),
    Members {
        channel: Box<str>,
        after: Option<MemberKey>,
        limit: usize,
        done: Done<Members>,
    },
    Nodes(Done<Vec<Uuid>>),
    Elsewhere(Done<u64>),
    Admit {
        user: Box<str>,
        max: u64,
        done: Done<bool>,
    },
    Dismiss(Box<str>),
    /// The counts of these users of one partition are what is known for certain.
    Users(usize, Vec<Box<str>>),
    Send {
        to: Option<Uuid>,
        message: Vec<u8>,
        done: Done<()>,
    },
}

/// The members of a node in a channel, between two connections, are to be these.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) channel: Box<str>,
    /// `None`: as it was.
    pub(crate) is_announced: Option<bool>,
    /// The first and the last connection.
    pub(crate) between: (Uuid, Uuid),
    /// As [`member`](crate::member) encodes them.
    pub(crate) members: Vec<Vec<u8>>,
    /// Who is not there yet does not enter: the others leave, which needs no memory.
    pub(crate) only_leaves: bool,
}

impl Put {
    /// Nobody is in a channel.
    pub(crate) fn nobody(channel: &str) -> Self {
        let (between, members) = ((Uuid::nil(), Uuid::max()), Vec::new());
        Put { channel: channel.into(), is_announced: None, between, members, only_leaves: false }
    }
}

impl Op {
    /// Answers that it cannot be done, if somebody waits.
    pub(crate) fn fail(self, error: EngineError) {
        match self {
            Op::Members { done, .. } => done(Err(error)),
            Op::Nodes(done) => done(Err(error)),
            Op::Elsewhere(done) => done(Err(error)),
            Op::Admit { done, .. } => done(Err(error)),
            Op::Send { done, .. } => done(Err(error)),
            Op::Put(_) | Op::Dismiss(_) | Op::Users(..) => {}
        }
    }

    /// How many members or users it is about.
    pub(crate) fn members(&self) -> usize {
        match self {
            Op::Put(put) => put.members.len(),
            Op::Users(_, users) => users.len(),
            _ => 1,
        }
    }

    /// Whether it says what the store has to have, and nobody waits for it.
    pub(crate) fn is_copy(&self) -> bool {
        matches!(self, Op::Put(_) | Op::Users(..))
    }

    /// Whether both are about the members of one channel.
    pub(crate) fn is_of_channel_of(&self, other: &Op) -> bool {
        matches!((self, other), (Op::Put(own), Op::Put(other)) if own.channel == other.channel)
    }

    /// Whether it changes how many connections a user has.
    pub(crate) fn is_counting(&self) -> bool {
        matches!(self, Op::Admit { .. } | Op::Dismiss(_))
    }

    /// Whether somebody waits for it.
    pub(crate) fn is_asked(&self) -> bool {
        !self.is_copy() && !matches!(self, Op::Dismiss(_))
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Put(_) => "Put",
            Op::Members { .. } => "Members",
            Op::Nodes(_) => "Nodes",
            Op::Elsewhere(_) => "Elsewhere",
            Op::Admit { .. } => "Admit",
            Op::Dismiss(_) => "Dismiss",
            Op::Users(..) => "Users",
            Op::Send { .. } => "Send",
        })
    }
}
