//! One channel on this node: where its stream ends, the log of what is on its way, who reads it in which
//! shard, and who is there. The log of broadcasts is a channel too, one that every connection reads.
//!
//! A channel is there while somebody is subscribed; what it keeps beyond that is the engine's.
//!
//! Its lock comes after the registry's and before a shard's inbox and a connection's. Nobody marks readers
//! under it: appending notes in the [`ShardState`] of each shard that there is something new, once until the
//! shard has gone round, so it costs the same for one reader and for a hundred thousand.

mod backlog;
mod kind;
mod log;
mod presence;
mod rounds;
mod shard_state;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use self::backlog::Backlog;
pub(crate) use self::kind::Kind;
pub(crate) use self::presence::Presence;
use self::shard_state::ShardStates;
pub(crate) use self::shard_state::{Mark, Shards};
use crate::engine::Epoch;
use crate::gate::Gate;
use crate::options::ChannelOptions;
use crate::registry::Named;
use crate::room::ByteRoom;
use crate::run::{Cursor, Stretch};
use crate::waiter::{Room, Waiters};

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    name: Box<str>,
    kind: Kind,
    options: Arc<ChannelOptions>,
    /// `seq` of the end, for readers without the lock.
    end: AtomicU64,
    /// How many streams it has had, for readers without the lock: a new epoch is another stream.
    generation: AtomicU32,
    /// For what is ahead of the fan-out: publishers take room here before they publish.
    ahead: ByteRoom,
    state: Mutex<State>,
}

/// What is reached only under the lock.
#[derive(Debug)]
pub(crate) struct State {
    /// It is no longer registered: look it up again.
    pub(crate) gone: bool,
    /// Subscribers that wait until `counts` are sent.
    pub(crate) counts_due: bool,
    /// Subscriptions, those that wait for the engine's answer too.
    pub(crate) subscriptions: u32,
    /// Not known before the engine has answered once.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) end: Cursor,
    pub(crate) presence: Presence,
    backlog: Option<Box<Backlog>>,
    shards: ShardStates,
}

impl Named for Channel {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Channel {
    pub(crate) fn new(name: &str, options: Arc<ChannelOptions>, gate: &Gate) -> Self {
        let kind = if options.has_history() { Kind::Kept } else { Kind::Passing };
        Channel::of_kind(kind, name, options, gate)
    }

    /// The channel of all broadcasts.
    pub(crate) fn broadcast(gate: &Gate) -> Self {
        Channel::of_kind(Kind::Broadcast, "", Arc::new(ChannelOptions::broadcast()), gate)
    }

    fn of_kind(kind: Kind, name: &str, options: Arc<ChannelOptions>, gate: &Gate) -> Self {
        Channel {
            name: name.into(),
            kind,
            options,
            end: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            ahead: gate.room(kind),
            state: Mutex::new(State {
                gone: false,
                counts_due: false,
                subscriptions: 0,
                epoch: None,
                end: Cursor::default(),
                presence: Presence::default(),
                backlog: None,
                shards: ShardStates::default(),
            }),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn options(&self) -> &Arc<ChannelOptions> {
        &self.options
    }

    /// `seq` of the end of the stream.
    pub(crate) fn end_seq(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Appends a frame, behind which the last publication is that of `offset`. Returns the shards that have
    /// to be told.
    pub(crate) fn append(&self, state: &mut State, frame: &[u8], offset: u64, gate: &Gate) -> Shards {
        if !state.shards.is_empty() {
            let (start, bytes_max) = (state.end, gate.log_bytes_max(self.kind));
            let backlog = state.backlog.get_or_insert_with(|| Box::new(Backlog::new(start, bytes_max)));
            let mark = Mark { seq: start.seq, bytes: backlog.log.appended_bytes() };
            let told = state.shards.mark_dirty(mark);
            backlog.log.append(frame, offset);
            state.move_end(self, Cursor { seq: start.seq + 1, offset });
            state.trim(self, gate);
            return told;
        }
        state.move_end(self, Cursor { seq: state.end.seq + 1, offset });
        Shards::default()
    }

    /// Begins another stream, whose last offset is `offset`; what was on its way is gone. Returns the shards
    /// that have to be told.
    pub(crate) fn restart(&self, state: &mut State, epoch: Epoch, offset: u64, gate: &Gate) -> Shards {
        state.epoch = Some(epoch);
        self.generation.fetch_add(1, Ordering::Release);
        let end = Cursor { seq: state.end.seq + 1, offset };
        let told = state.shards.mark_dirty(state.mark());
        state.move_end(self, end);
        state.backlog.iter_mut().for_each(|backlog| backlog.log.restart(end));
        state.trim(self, gate);
        told
    }

    /// Gives back what a publisher took: it has been delivered, or never will be.
    pub(crate) fn give(&self, bytes: u64) {
        self.ahead.give(bytes);
    }

    /// Copies frames out of the log from `seq` on; see [`Log::read`](crate::channel::Log::read). Returns the
    /// cursor before the first.
    pub(crate) fn read(&self, seq: u64, bytes_max: usize, into: &mut Stretch) -> Cursor {
        let state = self.lock();
        state.backlog.as_ref().map_or(state.end, |backlog| backlog.log.read(seq, bytes_max, into))
    }
}

impl Room for Channel {
    fn free_bytes(&self) -> u64 {
        self.ahead.free_bytes()
    }

    fn try_take(&self, bytes: u64) -> bool {
        self.ahead.try_take(bytes)
    }

    fn waiters(&self) -> &Waiters {
        self.ahead.waiters()
    }
}

impl State {
    /// Before the newest publication that is in the log; the end where there is none.
    pub(crate) fn before_newest(&self) -> Cursor {
        self.backlog.as_ref().map_or(self.end, |backlog| backlog.log.before_newest())
    }

    /// Where a round begins now.
    fn mark(&self) -> Mark {
        Mark { seq: self.end.seq, bytes: self.backlog.as_ref().map_or(0, |backlog| backlog.log.appended_bytes()) }
    }

    fn move_end(&mut self, channel: &Channel, end: Cursor) {
        self.end = end;
        channel.end.store(end.seq, Ordering::Release);
    }

    /// The engine has told where the stream is.
    pub(crate) fn found(&mut self, epoch: Epoch, offset: u64) {
        self.epoch = Some(epoch);
        // Something may have been appended since the engine answered.
        self.end.offset = self.end.offset.max(offset);
    }
}
