//! What the store has of this node is a copy. This is what of it may be wrong.

use std::collections::HashSet;

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
