//! What a fan-out task owns: members (connections), readers (their places in channels), and the channels.
//!
//! A reader that may have something to read is *pending* in its member's list, and the member waits in
//! the queue of work once. A channel with something new goes *round*: all its readers are marked, in slices,
//! and when all that were marked have been visited, the channel is settled; only then it is looked at again.

use std::collections::VecDeque;
use std::sync::Arc;

use super::arena::{Arena, Id};
use super::list::{Link, Linked, List};
use crate::channel::{Channel, Mark};
use crate::connection::Connection;
use crate::hub::Start;
use crate::run::Cursor;
use crate::subscription::Subscription;

/// A place in the line of members that have to ask the engine; 0 is none.
pub(super) type Ticket = u64;

/// A connection.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: Arc<Connection>,
    /// Its reader of broadcasts; none while it gets none.
    pub(super) broadcasts: Id<Reader>,
    /// Its readers that are pending or blocked.
    pub(super) pending: List<Reader>,
    /// Its readers that have to ask the engine.
    pub(super) to_ask: List<Reader>,
    /// Its cursor in the line of those that have to ask; 0: it is not in it.
    pub(super) ticket: Ticket,
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

/// A cursor in a channel.
#[derive(Debug)]
pub(super) struct Reader {
    /// `None` for broadcasts, which nobody subscribes to.
    pub(super) subscription: Option<Arc<Subscription>>,
    pub(super) member: Id<Member>,
    pub(super) local: Id<Local>,
    /// Where it stands among the readers of its channel.
    at: u32,
    /// Where it stands in a list of its member.
    link: Link<Reader>,
    pub(super) state: State,
    /// It has not come to where the log was when it began.
    pub(super) fresh: bool,
    pub(super) cursor: ReaderCursor,
}

/// What a reader waits for.
///
/// ```text
///              something new               visited
///   ┌─► Idle ────────────────► Pending ──────────────► Idle, when all is read
///   │                           ▲  │ socket full ▲
///   │            socket drained │  ▼             │ the engine answered, or the sweep came
///   │                          Blocked           │
///   │   the log no longer has it                 │
///   └── (visited) ─► ToAsk ────► Asked ──────────┤
///                    no room     in flight       │
///                                Failed ─────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// For something new in its channel, or it is being visited.
    Idle,
    /// For its member to be visited: it is in the member's list of pending readers.
    Pending,
    /// The same, while its member's socket is full: the log keeps what it can for it.
    Blocked,
    /// To ask the engine: it is in its member's list of those.
    ToAsk,
    /// For the engine's answer.
    Asked,
    /// For the next sweep, to ask again what the engine could not answer.
    Failed,
    /// For its end: its subscription is over, or its connection is to be closed.
    Stopped,
}

/// Where a reader is in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReaderCursor {
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
    pub(super) readers: Vec<Id<Reader>>,
    /// It goes round.
    rounding: bool,
    /// Where the round began: when it is over, every live reader has been offered what lies before.
    pub(super) offered: Mark,
    /// Somebody has still to be offered some of that, and is visited after the end of the round.
    late: bool,
    /// Readers that are blocked.
    pub(super) blocked: u32,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// Write to a member.
    Visit(Id<Member>),
    /// Mark the readers of a channel from this one on.
    Mark(Id<Local>, usize),
    /// All that were marked in this channel have been visited.
    EndRound(Id<Local>),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) members: Arena<Member>,
    pub(super) readers: Arena<Reader>,
    pub(super) locals: Arena<Local>,
    pub(super) work: VecDeque<Work>,
}

impl Member {
    pub(super) fn new(connection: Arc<Connection>, now_ms: u64) -> Self {
        Member {
            connection,
            broadcasts: Id::NONE,
            pending: List::EMPTY,
            to_ask: List::EMPTY,
            ticket: 0,
            queued: false,
            waiting: false,
            gone: false,
            told: false,
            pinged_ms: now_ms,
            check_at_ms: now_ms,
        }
    }
}

impl ReaderCursor {
    pub(super) fn new(start: Start) -> Self {
        ReaderCursor { generation: start.generation, offset: start.after, live: start.live }
    }

    /// Whether there is something to read in this channel.
    pub(super) fn is_behind(&self, channel: &Channel) -> bool {
        self.offset < self.live.offset || self.live.seq < channel.end_seq()
    }
}

impl Linked for Reader {
    fn link(&self) -> &Link<Self> {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.link
    }
}

impl Local {
    /// Whether a reader may need what every live reader has been offered: it is blocked, or was a moment ago and is
    /// caught up with before the end of the round.
    pub(super) fn is_behind(&self) -> bool {
        self.blocked > 0 || self.rounding
    }
}

impl Readers {
    /// A channel is read here for the first time.
    pub(super) fn add_local(&mut self, channel: Arc<Channel>, offered: Mark) -> Id<Local> {
        self.locals.insert(Local { channel, readers: Vec::new(), rounding: false, offered, late: false, blocked: 0 })
    }

    pub(super) fn add_reader(
        &mut self,
        subscription: Option<Arc<Subscription>>,
        member: Id<Member>,
        local: Id<Local>,
        cursor: ReaderCursor,
    ) -> Id<Reader> {
        let readers = &mut self.locals[local].readers;
        let (at, link, state, fresh) = (readers.len() as u32, Link::NONE, State::Idle, true);
        let id = self.readers.insert(Reader { subscription, member, local, at, link, state, fresh, cursor });
        if readers.is_empty() {
            readers.reserve_exact(1);
        }
        readers.push(id);
        id
    }

    /// Takes a reader out of its channel and its member's lists.
    pub(super) fn remove_reader(&mut self, id: Id<Reader>) {
        let Reader { member, local, state, at, .. } = self.readers[id];
        match state {
            State::Pending | State::Blocked => self.members[member].pending.remove(id, &mut self.readers),
            State::ToAsk => self.members[member].to_ask.remove(id, &mut self.readers),
            State::Idle | State::Asked | State::Failed | State::Stopped => {}
        }
        self.readers.remove(id);
        let local = &mut self.locals[local];
        local.blocked -= u32::from(state == State::Blocked);
        local.readers.swap_remove(at as usize);
        if local.readers.len() < local.readers.capacity() / 4 {
            local.readers.shrink_to_fit();
        }
        if let Some(moved) = local.readers.get(at as usize).copied() {
            let rounding = local.rounding;
            self.readers[moved].at = at;
            // It may have moved from what is to be marked to what is marked.
            if rounding {
                self.mark(moved);
            }
        }
    }

    /// A member has left, after all its readers.
    pub(super) fn remove_member(&mut self, id: Id<Member>) {
        let member = &mut self.members[id];
        debug_assert!(member.pending.is_empty() && member.to_ask.is_empty(), "its readers have been removed");
        member.gone = true;
        if !member.queued {
            self.members.remove(id);
        }
    }

    /// Gives back what was needed by many who are all gone.
    pub(super) fn give_back(&mut self) {
        if self.members.is_empty() {
            self.work.shrink_to_fit();
        }
        self.members.give_back();
        self.readers.give_back();
        self.locals.give_back();
    }

    /// Has a reader that waits for something new looked at, if there is something for it.
    pub(super) fn mark(&mut self, id: Id<Reader>) {
        let reader = &self.readers[id];
        if reader.state != State::Idle || !reader.cursor.is_behind(&self.locals[reader.local].channel) {
            return;
        }
        let (member_id, local) = (reader.member, reader.local);
        let member = &mut self.members[member_id];
        let state = if member.waiting { State::Blocked } else { State::Pending };
        member.pending.push_back(id, &mut self.readers);
        self.readers[id].state = state;
        if state == State::Blocked {
            self.locals[local].blocked += 1;
        } else {
            self.queue(member_id);
            self.note_late(id);
        }
    }

    /// The next pending reader of a member, which is being visited from now on.
    pub(super) fn take_pending(&mut self, member: Id<Member>) -> Option<Id<Reader>> {
        let id = self.members[member].pending.pop_front(&mut self.readers)?;
        self.readers[id].state = State::Idle;
        Some(id)
    }

    /// A reader that is being visited has to ask the engine, and there is no room.
    pub(super) fn has_to_ask(&mut self, id: Id<Reader>) {
        let member = self.readers[id].member;
        self.members[member].to_ask.push_back(id, &mut self.readers);
        self.readers[id].state = State::ToAsk;
    }

    /// The first of a member's readers that have to ask, and no longer do.
    pub(super) fn take_to_ask(&mut self, member: Id<Member>) -> Option<Id<Reader>> {
        let id = self.members[member].to_ask.pop_front(&mut self.readers)?;
        self.readers[id].state = State::Idle;
        Some(id)
    }

    /// A reader has been put into the queue, perhaps after the end of a round.
    fn note_late(&mut self, id: Id<Reader>) {
        let reader = &self.readers[id];
        let local = &mut self.locals[reader.local];
        local.late |= local.rounding && reader.cursor.live.seq < local.offered.seq;
    }

    /// Marks the next slice of a channel's readers. Returns how many.
    pub(super) fn mark_slice(&mut self, local: Id<Local>, from: usize, max: usize) -> usize {
        let len = self.locals[local].readers.len();
        let to = len.min(from + max);
        for at in from..to {
            self.mark(self.locals[local].readers[at]);
        }
        if to < len {
            self.work.push_front(Work::Mark(local, to));
        } else {
            self.push_end_round(local);
        }
        to.saturating_sub(from)
    }

    /// Lets a channel go round from `now` on, unless it does already and will look again at its end.
    pub(super) fn round(&mut self, local: Id<Local>, now: Mark) {
        let found = &mut self.locals[local];
        if std::mem::replace(&mut found.rounding, true) {
            return;
        }
        let has_news = now.seq > found.offered.seq;
        found.offered = now;
        if has_news {
            self.work.push_back(Work::Mark(local, 0));
        } else {
            self.push_end_round(local);
        }
    }

    /// Whether a round is over: all that were to be offered something have been visited. If not, it is
    /// looked at again.
    pub(super) fn is_over(&mut self, local: Id<Local>) -> bool {
        let is_late = self.locals[local].late;
        if is_late {
            self.push_end_round(local);
        }
        !is_late
    }

    /// The round ends after all that is in the queue now.
    fn push_end_round(&mut self, local: Id<Local>) {
        self.locals[local].late = false;
        self.work.push_back(Work::EndRound(local));
    }

    /// A round is over; the next one, if there is one.
    pub(super) fn end_round(&mut self, local: Id<Local>, next: Option<Mark>) {
        self.locals[local].rounding = false;
        if let Some(now) = next {
            self.round(local, now);
        }
    }

    /// Whether nobody reads a channel here any more, and nothing waits for it.
    pub(super) fn is_unused(&self, local: Id<Local>) -> bool {
        let local = &self.locals[local];
        local.readers.is_empty() && !local.rounding
    }

    /// Has a member visited.
    pub(super) fn queue(&mut self, id: Id<Member>) {
        let member = &mut self.members[id];
        if !std::mem::replace(&mut member.queued, true) {
            self.work.push_back(Work::Visit(id));
        }
    }

    /// The socket of a member is full.
    pub(super) fn block(&mut self, id: Id<Member>) {
        self.members[id].waiting = true;
        self.set_pending(id, State::Blocked, |local, _| local.blocked += 1);
    }

    /// The socket of a member takes bytes again. Returns the channels in which it was blocked: a round there has to
    /// follow, at whose end what was kept for it is given up.
    pub(super) fn unblock(&mut self, id: Id<Member>) -> Vec<Id<Local>> {
        self.members[id].waiting = false;
        let mut unblocked = Vec::new();
        self.set_pending(id, State::Pending, |local, id| {
            local.blocked -= 1;
            unblocked.push(id);
        });
        if !unblocked.is_empty() {
            self.queue(id);
        }
        unblocked
    }

    /// Puts the readers in a member's list of pending ones into this state.
    fn set_pending(&mut self, id: Id<Member>, state: State, mut each: impl FnMut(&mut Local, Id<Local>)) {
        let pending: Vec<_> = self.members[id].pending.iter(&self.readers).collect();
        for id in pending {
            self.readers[id].state = state;
            let local = self.readers[id].local;
            each(&mut self.locals[local], local);
            if state == State::Pending {
                self.note_late(id);
            }
        }
    }
}
