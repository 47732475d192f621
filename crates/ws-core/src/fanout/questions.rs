//! Questions to the engine, for readers whose publications the log no longer has.
//!
//! Each answer is a page in memory until its reader is visited, so a shard has a bounded number of questions
//! open (asked, or answered and not used), and so has each member. Readers that find no room wait in their
//! member's list, and the members wait here, each once, in the order in which they came. A member whose
//! socket is full keeps no answer and does not wait: it asks again when it can use what it gets.

use std::collections::{BTreeMap, HashMap};

use super::arena::Id;
use super::readers::{Member, Reader, ReaderCursor, Ticket};
use crate::engine::{History, Pending};
use crate::limits::{FANOUT_QUESTIONS_MAX, FANOUT_QUESTIONS_PER_MEMBER_MAX};

/// What one shard has asked, and who waits to ask.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: HashMap<Id<Reader>, Question>,
    waiting: BTreeMap<Ticket, Id<Member>>,
    last_ticket: Ticket,
}

/// One question.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) member: Id<Member>,
    /// Where the reader was when it asked.
    pub(super) from: ReaderCursor,
    pub(super) pending: Pending<History>,
}

impl Questions {
    /// Whether one more may be open.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < FANOUT_QUESTIONS_MAX
    }

    /// Whether this member may have one more open.
    pub(super) fn has_room_for(&self, member: Id<Member>) -> bool {
        let own = self.open.values().filter(|question| question.member == member);
        own.count() < FANOUT_QUESTIONS_PER_MEMBER_MAX
    }

    pub(super) fn open(&mut self, reader: Id<Reader>, question: Question) {
        self.open.insert(reader, question);
    }

    /// The reader's question, which is open no longer.
    pub(super) fn close(&mut self, reader: Id<Reader>) -> Option<Question> {
        self.open.remove(&reader)
    }

    /// The readers of a member with a question that is open.
    pub(super) fn of(&self, member: Id<Member>) -> impl Iterator<Item = Id<Reader>> {
        self.open.iter().filter(move |(_, question)| question.member == member).map(|(reader, _)| *reader)
    }

    /// Puts a member at the end of the line.
    pub(super) fn wait(&mut self, member: Id<Member>) -> Ticket {
        self.last_ticket += 1;
        self.waiting.insert(self.last_ticket, member);
        self.last_ticket
    }

    /// Takes a member out of the line.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// Who is first in the line.
    pub(super) fn first(&self) -> Option<Id<Member>> {
        self.waiting.first_key_value().map(|(_, member)| *member)
    }

    /// Whether nobody waits.
    pub(super) fn is_line_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
