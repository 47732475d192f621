//! What a fan-out task owns: members (connections), readers (their cursors in channels), and the channels.
//!
//! A reader that may have something to read is *pending* in its member's list, and the member is in the work queue
//! once. A dirty channel gets a *round*: all its readers are marked as pending, in slices; when everything that was
//! marked has been visited, the round is over. Only then can the next round start.

use std::collections::VecDeque;
use std::sync::Arc;

use super::arena::{Arena, Id};
use super::list::{Link, Linked, List};
use crate::channel::{Channel, LogPosition};
use crate::connection::Connection;
use crate::run::Cursor;
use crate::state::{Start, Subscription};

/// A place in the queue of members that have to ask the engine; 0: none.
pub(super) type Ticket = u64;

/// A connection.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: Arc<Connection>,
    /// Its reader of broadcasts; none until it counts as a connection.
    pub(super) broadcasts: Id<Reader>,
    /// Its readers in state `Pending` or `Blocked`.
    pub(super) pending: List<Reader>,
    /// Its readers in state `ToAsk`.
    pub(super) to_ask: List<Reader>,
    /// Its place in the queue of those that have to ask; 0: it is not in that queue.
    pub(super) ticket: Ticket,
    /// A visit to it is in the work queue.
    pub(super) queued: bool,
    /// Its socket is full, or it has ended: it is not visited until it is resumed.
    pub(super) blocked: bool,
    /// It has left; it is removed when its visit comes up in the work queue.
    pub(super) gone: bool,
    /// The drain was announced to it.
    pub(super) drain_announced: bool,
    pub(super) pinged_ms: u64,
    /// When to check its heartbeat next.
    pub(super) check_at_ms: u64,
}

/// A cursor in a channel.
#[derive(Debug)]
pub(super) struct Reader {
    /// `None` for broadcasts, which nobody subscribes to.
    pub(super) subscription: Option<Arc<Subscription>>,
    pub(super) member: Id<Member>,
    pub(super) local: Id<Local>,
    /// Its index in [`Local::readers`].
    at: u32,
    /// Its neighbours in the list of its member that it is in.
    link: Link<Reader>,
    pub(super) state: State,
    /// It has not yet caught up to where the log was when it started.
    pub(super) recovering: bool,
    pub(super) cursor: ReaderCursor,
}

/// What a reader waits for. Where an arrow leads to `Pending`, it leads to `Blocked` while the member's socket is full.
///
/// ```text
/// Idle ──something new──► Pending ──visited──► Idle: everything is read
///                          │   ▲
///              socket full ▼   │ socket drained
///                         Blocked
///
/// Pending ──visited──► ToAsk ──room to ask──► Asked ──answered──► Pending: the log lacks what comes next
///    └─────visited, room to ask at once────────▲
/// Pending ──visited──► Failed ──next sweep──► Pending: the engine could not answer
/// Pending ──visited──► Stopped: the subscription has ended, or the connection is too slow
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// For something new in its channel; also while it is being visited.
    Idle,
    /// For its member to be visited: it is in the member's list of pending readers.
    Pending,
    /// For its member's socket to drain: it is in the same list, and the log keeps what it can for it.
    Blocked,
    /// For room to ask the engine: it is in its member's list of those.
    ToAsk,
    /// For the engine's answer.
    Asked,
    /// For the next sweep, to ask again what the engine could not answer.
    Failed,
    /// For its removal: its subscription has ended, or its connection is being closed.
    Stopped,
}

/// Where a reader is in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReaderCursor {
    /// Which of the channel's streams.
    pub(super) generation: u32,
    /// The publications up to this offset have been written, or skipped.
    pub(super) offset: u64,
    /// It reads the history up to `live.offset` first, then the log from `live.seq` on.
    pub(super) live: Cursor,
}

/// A channel with readers in this shard.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) channel: Arc<Channel>,
    pub(super) readers: Vec<Id<Reader>>,
    /// A round is under way.
    in_round: bool,
    /// The end of the current or last round: when the round is over, every live reader has been offered everything
    /// before this.
    pub(super) round_end: LogPosition,
    /// A reader that is still before `round_end` was marked since the round's end was last queued, so it may be visited
    /// only after that.
    has_straggler: bool,
    /// How many readers are in state `Blocked`.
    pub(super) blocked: u32,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// Write to a member.
    Visit(Id<Member>),
    /// Mark the readers of a channel, from this index on.
    Mark(Id<Local>, usize),
    /// End the round of a channel: everything that was marked before has been visited.
    EndRound(Id<Local>),
}

/// All members, readers and channels of a shard, and the work queue.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) members: Arena<Member>,
    pub(super) readers: Arena<Reader>,
    pub(super) locals: Arena<Local>,
    pub(super) work: VecDeque<Work>,
}

impl Member {
    pub(super) fn new(connection: Arc<Connection>, now_ms: u64) -> Self {
        let is_internal = connection.is_internal;
        Member {
            connection,
            broadcasts: Id::NONE,
            pending: List::EMPTY,
            to_ask: List::EMPTY,
            ticket: 0,
            queued: false,
            blocked: false,
            gone: false,
            drain_announced: is_internal,
            pinged_ms: now_ms,
            check_at_ms: if is_internal { u64::MAX } else { now_ms },
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
    /// Whether some reader may need what every live reader has been offered already: it is blocked, or was blocked a
    /// moment ago and catches up before the round ends.
    pub(super) fn is_behind(&self) -> bool {
        self.blocked > 0 || self.in_round
    }
}

impl Readers {
    /// Adds a channel that has no readers here yet.
    pub(super) fn add_local(&mut self, channel: Arc<Channel>, round_end: LogPosition) -> Id<Local> {
        self.locals.insert(Local {
            channel,
            readers: Vec::new(),
            in_round: false,
            round_end,
            has_straggler: false,
            blocked: 0,
        })
    }

    pub(super) fn add_reader(
        &mut self,
        subscription: Option<Arc<Subscription>>,
        member: Id<Member>,
        local: Id<Local>,
        cursor: ReaderCursor,
    ) -> Id<Reader> {
        let readers = &mut self.locals[local].readers;
        let (at, link, state, recovering) = (readers.len() as u32, Link::NONE, State::Idle, true);
        let id = self.readers.insert(Reader { subscription, member, local, at, link, state, recovering, cursor });
        if readers.is_empty() {
            readers.reserve_exact(1);
        }
        readers.push(id);
        id
    }

    /// Removes a reader from its channel and its member's lists.
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
            let in_round = local.in_round;
            self.readers[moved].at = at;
            // It may have moved from the part that is still to be marked to the part that was marked.
            if in_round {
                self.mark(moved);
            }
        }
    }

    /// Removes a member that has left. Its readers have been removed before.
    pub(super) fn remove_member(&mut self, id: Id<Member>) {
        let member = &mut self.members[id];
        debug_assert!(member.pending.is_empty() && member.to_ask.is_empty(), "its readers have been removed");
        member.gone = true;
        if !member.queued {
            self.members.remove(id);
        }
    }

    /// Frees memory if nothing is left that needs it.
    pub(super) fn shrink(&mut self) {
        if self.members.is_empty() {
            self.work.shrink_to_fit();
        }
        self.members.shrink();
        self.readers.shrink();
        self.locals.shrink();
    }

    /// Queues an idle reader for a visit, if there is something for it.
    pub(super) fn mark(&mut self, id: Id<Reader>) {
        let reader = &self.readers[id];
        if reader.state != State::Idle || !reader.cursor.is_behind(&self.locals[reader.local].channel) {
            return;
        }
        let (member_id, local) = (reader.member, reader.local);
        let member = &mut self.members[member_id];
        let state = if member.blocked { State::Blocked } else { State::Pending };
        member.pending.push_back(id, &mut self.readers);
        self.readers[id].state = state;
        if state == State::Blocked {
            self.locals[local].blocked += 1;
        } else {
            self.queue(member_id);
            self.note_straggler(id);
        }
    }

    /// How many publications and other events a reader is behind the end of its channel.
    pub(super) fn lag(&self, id: Id<Reader>) -> u64 {
        let reader = &self.readers[id];
        let ReaderCursor { offset, live, .. } = reader.cursor;
        let in_log = self.locals[reader.local].channel.end_seq().saturating_sub(live.seq);
        live.offset.saturating_sub(offset) + in_log
    }

    /// Takes the next pending reader of a member, to visit it.
    pub(super) fn take_pending(&mut self, member: Id<Member>) -> Option<Id<Reader>> {
        let id = self.members[member].pending.pop_front(&mut self.readers)?;
        self.readers[id].state = State::Idle;
        Some(id)
    }

    /// Puts a visited reader into its member's list of those that have to ask: there is no room yet.
    pub(super) fn push_to_ask(&mut self, id: Id<Reader>) {
        let member = self.readers[id].member;
        self.members[member].to_ask.push_back(id, &mut self.readers);
        self.readers[id].state = State::ToAsk;
    }

    /// Takes the first of a member's readers that have to ask.
    pub(super) fn take_to_ask(&mut self, member: Id<Member>) -> Option<Id<Reader>> {
        let id = self.members[member].to_ask.pop_front(&mut self.readers)?;
        self.readers[id].state = State::Idle;
        Some(id)
    }

    /// A reader was queued, perhaps after the end of a round.
    fn note_straggler(&mut self, id: Id<Reader>) {
        let reader = &self.readers[id];
        let local = &mut self.locals[reader.local];
        local.has_straggler |= local.in_round && reader.cursor.live.seq < local.round_end.seq;
    }

    /// Marks the next slice of a channel's readers, and returns how many.
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

    /// Starts a round in a channel that covers everything before `now`. If one is under way, its end looks again.
    pub(super) fn start_round(&mut self, local: Id<Local>, now: LogPosition) {
        let found = &mut self.locals[local];
        if std::mem::replace(&mut found.in_round, true) {
            return;
        }
        let has_news = now.seq > found.round_end.seq;
        found.round_end = now;
        if has_news {
            self.work.push_back(Work::Mark(local, 0));
        } else {
            self.push_end_round(local);
        }
    }

    /// Whether a round is over: everybody who was to be offered something has been visited. If not, its end is queued
    /// again.
    pub(super) fn is_over(&mut self, local: Id<Local>) -> bool {
        let has_straggler = self.locals[local].has_straggler;
        if has_straggler {
            self.push_end_round(local);
        }
        !has_straggler
    }

    /// Queues the end of the round, after everything that is in the work queue now.
    fn push_end_round(&mut self, local: Id<Local>) {
        self.locals[local].has_straggler = false;
        self.work.push_back(Work::EndRound(local));
    }

    /// Ends a round, and starts the next one, if there is one.
    pub(super) fn end_round(&mut self, local: Id<Local>, next: Option<LogPosition>) {
        self.locals[local].in_round = false;
        if let Some(now) = next {
            self.start_round(local, now);
        }
    }

    /// Whether a channel has no readers here any more, and no round.
    pub(super) fn is_unused(&self, local: Id<Local>) -> bool {
        let local = &self.locals[local];
        local.readers.is_empty() && !local.in_round
    }

    /// Queues a visit to a member.
    pub(super) fn queue(&mut self, id: Id<Member>) {
        let member = &mut self.members[id];
        if !std::mem::replace(&mut member.queued, true) {
            self.work.push_back(Work::Visit(id));
        }
    }

    /// The socket of a member is full.
    pub(super) fn block(&mut self, id: Id<Member>) {
        self.members[id].blocked = true;
        self.set_pending(id, State::Blocked, |local, _| local.blocked += 1);
    }

    /// The socket of a member accepts bytes again. Returns the channels in which it was blocked: a round has to follow
    /// in each, at whose end the log drops what it kept for this member.
    pub(super) fn unblock(&mut self, id: Id<Member>) -> Vec<Id<Local>> {
        self.members[id].blocked = false;
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

    /// Puts the readers in a member's `pending` list into this state.
    fn set_pending(&mut self, id: Id<Member>, state: State, mut each: impl FnMut(&mut Local, Id<Local>)) {
        let pending: Vec<_> = self.members[id].pending.iter(&self.readers).collect();
        for id in pending {
            self.readers[id].state = state;
            let local = self.readers[id].local;
            each(&mut self.locals[local], local);
            if state == State::Pending {
                self.note_straggler(id);
            }
        }
    }
}
