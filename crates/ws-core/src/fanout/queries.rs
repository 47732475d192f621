//! Queries to the engine, for readers whose next publications the log no longer has.
//!
//! Each answer is a page in memory until its reader is visited, so the number of open queries (asked, or answered and
//! not used yet) is bounded per shard and per member. Readers that find no room wait in their member's list, and the
//! members wait here, each once, first come, first served. A member whose socket is full keeps no answer and does not
//! wait: it asks again when it can use the answer.

use std::collections::{BTreeMap, HashMap};

use super::arena::Id;
use super::readers::{Member, Reader, ReaderCursor, Ticket};
use crate::engine::History;
use crate::engine::pending::Pending;
use crate::limits::{FANOUT_QUERIES_MAX, FANOUT_QUERIES_PER_MEMBER_MAX};

/// The open queries of one shard, and the members that wait to ask.
#[derive(Debug, Default)]
pub(super) struct Queries {
    open: HashMap<Id<Reader>, OpenQuery>,
    waiting: BTreeMap<Ticket, Id<Member>>,
    last_ticket: Ticket,
}

/// One open query.
#[derive(Debug)]
pub(super) struct OpenQuery {
    pub(super) member: Id<Member>,
    /// The reader's cursor when it asked.
    pub(super) from: ReaderCursor,
    pub(super) pending: Pending<History>,
}

impl Queries {
    /// Whether one more may be open.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < FANOUT_QUERIES_MAX
    }

    /// Whether this member may have one more open.
    pub(super) fn has_room_for(&self, member: Id<Member>) -> bool {
        let own = self.open.values().filter(|open_query| open_query.member == member);
        own.count() < FANOUT_QUERIES_PER_MEMBER_MAX
    }

    pub(super) fn open(&mut self, reader: Id<Reader>, open_query: OpenQuery) {
        self.open.insert(reader, open_query);
    }

    /// Removes and returns the open query of a reader.
    pub(super) fn close(&mut self, reader: Id<Reader>) -> Option<OpenQuery> {
        self.open.remove(&reader)
    }

    /// The readers of a member that have an open query.
    pub(super) fn of(&self, member: Id<Member>) -> impl Iterator<Item = Id<Reader>> {
        self.open.iter().filter(move |(_, open_query)| open_query.member == member).map(|(reader, _)| *reader)
    }

    /// Puts a member at the end of the queue.
    pub(super) fn wait(&mut self, member: Id<Member>) -> Ticket {
        self.last_ticket += 1;
        self.waiting.insert(self.last_ticket, member);
        self.last_ticket
    }

    /// Removes a member from the queue.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// The first member in the queue.
    pub(super) fn first(&self) -> Option<Id<Member>> {
        self.waiting.first_key_value().map(|(_, member)| *member)
    }

    /// Whether nobody waits.
    pub(super) fn is_queue_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
