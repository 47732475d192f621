//! What a fan-out task owns: members (connections), readers (their places in channels), and the channels.
//!
//! A reader that may have something to read is *pending* in its member's list, and the member waits in
//! the queue of work once. A channel with something new goes *round*: all its readers are marked, in slices,
//! and when all that were marked have been visited, the channel is settled; only then it is looked at again.

use std::sync::Arc;

use slab::Slab;

use crate::channel::{Channel, Mark};
use crate::connection::Connection;
use crate::log::Cursor;
use crate::shard::Start;
use crate::subscription::Subscription;

/// The end of a list.
pub(super) const NONE: u32 = u32::MAX;

/// A connection.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: Arc<Connection>,
    /// Its reader of broadcasts; `NONE` while it gets none.
    pub(super) broadcasts: u32,
    /// The first of its pending readers.
    pub(super) pending: u32,
    /// It waits to be visited.
    pub(super) queued: bool,
    /// Its socket is full: out of the round until it is resumed.
    pub(super) waiting: bool,
    /// It has left, and is forgotten when its turn in the queue comes.
    pub(super) gone: bool,
    /// It knows of the drain.
    pub(super) told: bool,
    pub(super) pinged_ms: u64,
    /// When its heartbeat is looked at next.
    pub(super) check_at_ms: u64,
}

/// A place in a channel.
#[derive(Debug)]
pub(super) struct Reader {
    /// `None` for broadcasts, which nobody subscribes to.
    pub(super) subscription: Option<Arc<Subscription>>,
    pub(super) member: u32,
    pub(super) local: u32,
    /// Where it stands among the readers of its channel.
    at: u32,
    /// The next pending reader of the member.
    next: u32,
    pending: bool,
    /// It is pending while its member waits.
    behind: bool,
    /// It is no longer there, and forgotten when its member is visited.
    gone: bool,
    /// It waits for the engine.
    pub(super) asked: bool,
    /// It has not come to where the log was when it began.
    pub(super) fresh: bool,
    pub(super) place: Place,
}

/// Where a reader is in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the channel's streams.
    pub(super) generation: u32,
    /// The publications up to this offset have been written, or given up.
    pub(super) offset: u64,
    /// First, what the history has up to `live.offset`; then the log from `live.seq` on.
    pub(super) live: Cursor,
}

/// A channel with readers in this shard.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) channel: Arc<Channel>,
    pub(super) readers: Vec<u32>,
    /// It goes round.
    rounding: bool,
    /// Where the round began: when it is over, every live reader has been offered what lies before.
    pub(super) offered: Mark,
    /// Somebody has still to be offered some of that, and is visited behind the end of the round.
    late: bool,
    /// Readers that are behind.
    pub(super) behind: u32,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// Write to a member.
    Visit(u32),
    /// Mark the readers of a channel from this one on.
    Mark(u32, usize),
    /// All that were marked in this channel have been visited.
    Settle(u32),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) members: Slab<Member>,
    pub(super) readers: Slab<Reader>,
    pub(super) locals: Slab<Local>,
    pub(super) work: std::collections::VecDeque<Work>,
}

impl Member {
    pub(super) fn new(connection: Arc<Connection>, now_ms: u64) -> Self {
        Member {
            connection,
            broadcasts: NONE,
            pending: NONE,
            queued: false,
            waiting: false,
            gone: false,
            told: false,
            pinged_ms: now_ms,
            check_at_ms: now_ms,
        }
    }
}

impl Place {
    pub(super) fn new(start: Start) -> Self {
        Place { generation: start.generation, offset: start.after, live: start.live }
    }

    /// Whether there is something to read in this channel.
    pub(super) fn is_behind(&self, channel: &Channel) -> bool {
        self.offset < self.live.offset || self.live.seq < channel.end_seq()
    }
}

impl Readers {
    /// A channel is read here for the first time.
    pub(super) fn add_local(&mut self, channel: Arc<Channel>, offered: Mark) -> u32 {
        let local = Local { channel, readers: Vec::new(), rounding: false, offered, late: false, behind: 0 };
        self.locals.insert(local) as u32
    }

    pub(super) fn add_reader(
        &mut self,
        subscription: Option<Arc<Subscription>>,
        member: u32,
        local: u32,
        place: Place,
    ) -> u32 {
        let readers = &mut self.locals[local as usize].readers;
        let at = readers.len() as u32;
        let (next, pending, behind, gone, asked, fresh) = (NONE, false, false, false, false, true);
        let reader = Reader { subscription, member, local, at, next, pending, behind, gone, asked, fresh, place };
        let index = self.readers.insert(reader) as u32;
        if readers.is_empty() {
            readers.reserve_exact(1);
        }
        readers.push(index);
        index
    }

    /// Takes a reader out of its channel.
    pub(super) fn remove_reader(&mut self, index: u32) {
        self.set_behind(index, false);
        let reader = &mut self.readers[index as usize];
        let (local, at) = (reader.local, reader.at as usize);
        reader.gone = true;
        if !reader.pending {
            self.readers.remove(index as usize);
        }
        let local = &mut self.locals[local as usize];
        local.readers.swap_remove(at);
        if local.readers.len() < local.readers.capacity() / 4 {
            local.readers.shrink_to_fit();
        }
        if let Some(moved) = local.readers.get(at).copied() {
            let rounding = local.rounding;
            self.readers[moved as usize].at = at as u32;
            // It may have moved from what is to be marked to what is marked.
            if rounding {
                self.mark(moved);
            }
        }
    }

    /// A member has left, and all its readers with it.
    pub(super) fn remove_member(&mut self, index: u32) {
        self.take_pending(index).for_each(drop);
        let member = &mut self.members[index as usize];
        member.gone = true;
        if !member.queued {
            self.members.remove(index as usize);
        }
    }

    /// Gives back what was needed by many who are all gone.
    pub(super) fn give_back(&mut self) {
        if self.members.is_empty() && self.members.capacity() > 0 {
            self.members = Slab::new();
            self.work.shrink_to_fit();
        }
        if self.readers.is_empty() && self.readers.capacity() > 0 {
            self.readers = Slab::new();
        }
        if self.locals.is_empty() && self.locals.capacity() > 0 {
            self.locals = Slab::new();
        }
    }

    /// Has a reader looked at, if there is something for it.
    pub(super) fn mark(&mut self, index: u32) {
        let reader = &mut self.readers[index as usize];
        // The channel of one that is gone may be forgotten.
        if reader.pending || reader.asked || reader.gone {
            return;
        }
        if !reader.place.is_behind(&self.locals[reader.local as usize].channel) {
            return;
        }
        let member_index = reader.member;
        let member = &mut self.members[member_index as usize];
        reader.pending = true;
        reader.next = std::mem::replace(&mut member.pending, index);
        if member.waiting {
            self.set_behind(index, true);
        } else {
            self.queue(member_index);
            self.note_late(index);
        }
    }

    /// A reader has been put into the queue, perhaps behind the end of a round.
    fn note_late(&mut self, index: u32) {
        let reader = &self.readers[index as usize];
        let local = &mut self.locals[reader.local as usize];
        local.late |= local.rounding && reader.place.live.seq < local.offered.seq;
    }

    /// Marks the next slice of a channel's readers. Returns how many.
    pub(super) fn mark_slice(&mut self, local: u32, from: usize, max: usize) -> usize {
        let len = self.locals[local as usize].readers.len();
        let to = len.min(from + max);
        for at in from..to {
            self.mark(self.locals[local as usize].readers[at]);
        }
        if to < len {
            self.work.push_front(Work::Mark(local, to));
        } else {
            self.push_settle(local);
        }
        to.saturating_sub(from)
    }

    /// Lets a channel go round from `now` on, unless it does already and will look again at its end.
    pub(super) fn round(&mut self, local: u32, now: Mark) {
        let found = &mut self.locals[local as usize];
        if std::mem::replace(&mut found.rounding, true) {
            return;
        }
        let has_news = now.seq > found.offered.seq;
        found.offered = now;
        if has_news {
            self.work.push_back(Work::Mark(local, 0));
        } else {
            self.push_settle(local);
        }
    }

    /// Whether a round is over: all that were to be offered something have been visited. If not, it is
    /// looked at again.
    pub(super) fn is_over(&mut self, local: u32) -> bool {
        let is_late = self.locals[local as usize].late;
        if is_late {
            self.push_settle(local);
        }
        !is_late
    }

    /// The round ends behind all that is in the queue now.
    fn push_settle(&mut self, local: u32) {
        self.locals[local as usize].late = false;
        self.work.push_back(Work::Settle(local));
    }

    /// A round is over; the next one, if there is one.
    pub(super) fn end_round(&mut self, local: u32, next: Option<Mark>) {
        self.locals[local as usize].rounding = false;
        if let Some(now) = next {
            self.round(local, now);
        }
    }

    /// Whether nobody reads a channel here any more, and nothing waits for it.
    pub(super) fn is_unused(&self, local: u32) -> bool {
        let local = &self.locals[local as usize];
        local.readers.is_empty() && !local.rounding
    }

    /// Has a member visited.
    pub(super) fn queue(&mut self, index: u32) {
        let member = &mut self.members[index as usize];
        if !std::mem::replace(&mut member.queued, true) {
            self.work.push_back(Work::Visit(index));
        }
    }

    /// The socket of a member is full.
    pub(super) fn wait(&mut self, index: u32) {
        self.members[index as usize].waiting = true;
    }

    /// The socket of a member takes bytes again. Returns the channels that nobody is behind in any more.
    pub(super) fn resume(&mut self, index: u32) -> Vec<u32> {
        let member = &mut self.members[index as usize];
        member.waiting = false;
        let mut next = member.pending;
        if next != NONE {
            self.queue(index);
        }
        let mut freed = Vec::new();
        while next != NONE {
            let reader = &self.readers[next as usize];
            let (local, following) = (reader.local, reader.next);
            // A reader that is gone has been taken out of the count, and its channel may be forgotten.
            if !reader.gone && self.set_behind(next, false) {
                self.note_late(next);
                if self.locals[local as usize].behind == 0 {
                    freed.push(local);
                }
            }
            next = following;
        }
        freed
    }

    /// Takes the pending readers of a member out of its list; those that are gone are forgotten.
    pub(super) fn take_pending(&mut self, index: u32) -> impl Iterator<Item = u32> {
        let mut next = std::mem::replace(&mut self.members[index as usize].pending, NONE);
        std::iter::from_fn(move || {
            while next != NONE {
                let index = next;
                let reader = &mut self.readers[index as usize];
                next = std::mem::replace(&mut reader.next, NONE);
                reader.pending = false;
                if !reader.gone {
                    return Some(index);
                }
                self.readers.remove(index as usize);
            }
            None
        })
    }

    /// Whether it changed.
    fn set_behind(&mut self, index: u32, behind: bool) -> bool {
        let reader = &mut self.readers[index as usize];
        if std::mem::replace(&mut reader.behind, behind) == behind {
            return false;
        }
        let local = &mut self.locals[reader.local as usize];
        local.behind = if behind { local.behind + 1 } else { local.behind - 1 };
        true
    }
}
