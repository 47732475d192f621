//! One channel on this node: the end of its stream, the log of frames that are being delivered, its readers by shard,
//! and its presence. Broadcasts go through a channel too, one that every connection reads.
//!
//! A channel exists while it has subscribers; what outlives them is kept by the engine.
//!
//! Its lock comes after the registry's and before those of a shard's inbox and of a connection. No readers are touched
//! under it: appending marks the [`ShardState`] of each shard dirty, once per round of the shard, so it costs the same
//! for one reader and for a hundred thousand.

mod backlog;
mod log;
mod presence;
mod restart;
mod rounds;
mod shard_state;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use self::backlog::Backlog;
pub(crate) use self::presence::{Presence, Told};
pub(crate) use self::restart::Restart;
use self::restart::Restarts;
use self::shard_state::ShardStates;
pub(crate) use self::shard_state::{LogPosition, Shards};
use crate::engine::Epoch;
use crate::gate::Gate;
use crate::kind::Kind;
use crate::options::ChannelOptions;
use crate::registry::Named;
use crate::room::ByteRoom;
use crate::run::{Cursor, FrameBuffer};
use crate::waiter::{Room, Waiters};

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    name: Box<str>,
    kind: Kind,
    options: Arc<ChannelOptions>,
    /// `seq` of the end, for readers without the lock.
    end: AtomicU64,
    /// How many streams it has had, for readers without the lock: each new epoch is a new stream.
    generation: AtomicU32,
    /// Bounds what is ahead of the fan-out: publishers take room here before they publish.
    ahead: ByteRoom,
    state: Mutex<State>,
}

/// The part behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    /// It is no longer registered: look it up again.
    pub(crate) gone: bool,
    /// Its subscribers are due to get a `presence` event with the counts.
    pub(crate) counts_due: bool,
    /// Subscriptions, including those that wait for the engine's answer.
    pub(crate) subscriptions: u32,
    /// Unknown until the engine has answered once.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) end: Cursor,
    pub(crate) presence: Presence,
    /// What the cluster has told of it; `None` without a cluster, or before it has told anything.
    pub(crate) told: Option<Box<Told>>,
    backlog: Option<Box<Backlog>>,
    shards: ShardStates,
    /// How the newest streams began, as far as they did not simply begin anew.
    restarts: Restarts,
}

impl Named for Channel {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Channel {
    pub(crate) fn new(name: &str, options: Arc<ChannelOptions>, gate: &Gate) -> Self {
        let kind = if options.has_history() { Kind::Retained } else { Kind::Ephemeral };
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
                told: None,
                backlog: None,
                shards: ShardStates::default(),
                restarts: Restarts::default(),
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

    /// Appends a frame. `offset` is that of the last publication up to and including it; `read_us` is when its request
    /// was read, if it is to be timed. Returns the shards to notify.
    pub(crate) fn append(
        &self,
        state: &mut State,
        frame: &[u8],
        offset: u64,
        read_us: Option<u64>,
        gate: &Gate,
    ) -> Shards {
        if !state.shards.is_empty() {
            let (start, bytes_max) = (state.end, gate.log_bytes_max(self.kind));
            let backlog = state.backlog.get_or_insert_with(|| Box::new(Backlog::new(start, bytes_max)));
            let position = LogPosition { seq: start.seq, bytes: backlog.log.appended_bytes() };
            let to_notify = state.shards.mark_dirty(position);
            backlog.log.append(frame, offset);
            state.move_end(self, Cursor { seq: start.seq + 1, offset });
            if let Some(read_us) = read_us {
                state.shards.time(start.seq + 1, read_us);
            }
            state.trim(self, gate);
            return to_notify;
        }
        // Nobody reads. A log that is kept all the same, that of broadcasts, goes on where the stream does.
        let end = Cursor { seq: state.end.seq + 1, offset };
        state.move_end(self, end);
        if let Some(backlog) = &mut state.backlog {
            backlog.log.restart(end);
        }
        Shards::default()
    }

    /// Starts a new stream; undelivered frames of the old one are dropped. Returns the shards to notify.
    pub(crate) fn restart(&self, state: &mut State, epoch: Epoch, restart: Restart, gate: &Gate) -> Shards {
        state.epoch = Some(epoch);
        let generation = self.generation.fetch_add(1, Ordering::Release) + 1;
        state.restarts.add(generation, restart);
        self.continue_at(state, restart.end(), gate)
    }

    /// Continues the log after the offset `to`: readers that have not got so far look in the history. Returns the shards
    /// to notify.
    pub(crate) fn skip(&self, state: &mut State, to: u64, gate: &Gate) -> Shards {
        self.continue_at(state, to, gate)
    }

    fn continue_at(&self, state: &mut State, offset: u64, gate: &Gate) -> Shards {
        let end = Cursor { seq: state.end.seq + 1, offset };
        let to_notify = state.shards.mark_dirty(state.log_position());
        state.move_end(self, end);
        if let Some(backlog) = &mut state.backlog {
            backlog.log.restart(end);
        }
        state.trim(self, gate);
        to_notify
    }

    /// Releases the room that a publisher took: its publication has been delivered, or never will be.
    pub(crate) fn release(&self, bytes: u64) {
        self.ahead.release(bytes);
    }

    /// Copies frames out of the log from `seq` on; see [`Log::read`](crate::channel::Log::read). Returns the
    /// cursor before the first.
    pub(crate) fn read(&self, seq: u64, bytes_max: usize, into: &mut FrameBuffer) -> Cursor {
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

    /// The current end of the log.
    fn log_position(&self) -> LogPosition {
        LogPosition {
            seq: self.end.seq,
            bytes: self.backlog.as_ref().map_or(0, |backlog| backlog.log.appended_bytes()),
        }
    }

    fn move_end(&mut self, channel: &Channel, end: Cursor) {
        self.end = end;
        channel.end.store(end.seq, Ordering::Release);
    }

    /// Where a reader goes on in the current stream that was at an offset in an earlier one.
    pub(crate) fn carried_over(&self, generation: u32, offset: u64) -> u64 {
        self.restarts.carry_over(generation, offset)
    }

    /// The engine has reported the position of the stream.
    pub(crate) fn found(&mut self, epoch: Epoch, offset: u64) {
        self.epoch = Some(epoch);
        // Something may have been appended since the engine answered.
        self.end.offset = self.end.offset.max(offset);
    }
}
