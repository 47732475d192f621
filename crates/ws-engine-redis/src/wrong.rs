//! What the store has of this node is a copy. This is what of it may be wrong.

use std::collections::HashSet;

use tokio::time::Instant;

use crate::dial::Backoff;
use crate::limits::FULL_BACKOFF;
use crate::op::Op;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    /// Everything: the store is another one, or this node is.
    pub(crate) all: bool,
    /// The members in these channels.
    pub(crate) channels: HashSet<Box<str>>,
    /// The places of these users.
    pub(crate) users: HashSet<Box<str>>,
}

/// Channels that somebody has to enter for whom Redis had no memory.
#[derive(Debug)]
pub(crate) struct Full {
    channels: HashSet<Box<str>>,
    /// When that is tried again.
    until: Option<Instant>,
    backoff: Backoff,
}

impl Wrong {
    /// An operation was not executed, or not in its turn.
    pub(crate) fn add(&mut self, op: &Op) {
        match op {
            Op::Put(put) => _ = self.channels.insert(put.channel.clone()),
            Op::Dismiss(user) => _ = self.users.insert(user.clone()),
            Op::Users(_, users) => self.users.extend(users.iter().cloned()),
            Op::Members { .. } | Op::Nodes(_) | Op::Elsewhere(_) | Op::Admit { .. } | Op::Send { .. } => {}
        }
    }

    /// So is this.
    pub(crate) fn extend(&mut self, other: Wrong) {
        self.all |= other.all;
        self.channels.extend(other.channels);
        self.users.extend(other.users);
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.all && self.channels.is_empty() && self.users.is_empty()
    }

    /// Whether an operation says something that is replaced when this is made right.
    pub(crate) fn has(&self, op: &Op) -> bool {
        match op {
            Op::Put(put) => self.all || self.channels.contains(&put.channel),
            Op::Users(..) => self.all,
            _ => false,
        }
    }
}

impl Full {
    pub(crate) fn new() -> Self {
        Full { channels: HashSet::new(), until: None, backoff: Backoff::new(FULL_BACKOFF) }
    }

    /// There was no memory for somebody in this channel.
    pub(crate) fn add(&mut self, channel: &str) {
        let now = Instant::now();
        // It has lasted since then, or it is another time.
        if self.until.is_some_and(|until| now > until + FULL_BACKOFF.1) {
            self.backoff.reset();
        }
        if self.until.is_none_or(|until| now > until) {
            self.until = Some(now + self.backoff.pause());
        }
        self.channels.insert(channel.into());
    }

    /// Those that are to be tried again now.
    pub(crate) fn take_due(&mut self) -> HashSet<Box<str>> {
        let is_due = self.until.is_some_and(|until| until <= Instant::now());
        if is_due { std::mem::take(&mut self.channels) } else { HashSet::new() }
    }
}
