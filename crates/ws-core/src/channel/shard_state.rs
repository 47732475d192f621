//! What a channel knows about the shards that read it.

/// [`ShardState::local`] until the shard has added the channel.
pub(super) const NO_LOCAL: u32 = u32::MAX;

/// A position in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogPosition {
    /// Frames before it.
    pub(crate) seq: u64,
    /// Bytes appended before it, counted from the start of the log.
    pub(crate) bytes: u64,
}

/// A set of shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shards(u64);

/// The shards that have subscribers; there are few, so this is a list.
#[derive(Debug, Default)]
pub(super) struct ShardStates(pub(super) Box<[ShardState]>);

/// What a channel knows about one shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardState {
    pub(super) shard: u8,
    /// It has been notified of something new, or is about to be notified of a reader, and has not finished a round
    /// since.
    pub(super) dirty: bool,
    /// It has a blocked reader, for which the log keeps as much as it can.
    pub(super) has_lagging: bool,
    /// Readers that have started and that the shard's task has not taken over yet. While there are any, the shard stays
    /// dirty.
    pub(super) starting: u32,
    pub(super) subscriptions: u32,
    /// The index under which the shard's task keeps the channel; meaningful only to that task.
    pub(super) local: u32,
    /// While it is dirty: every live reader in it has been offered everything before this.
    pub(super) live: LogPosition,
    /// The publication whose way to the readers is timed; `None`: the next one will be.
    pub(super) timed: Option<Timed>,
}

/// A publication that is timed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    /// Frames up to and including it.
    pub(super) seq: u64,
    /// When its request was read, on the hub's clock in microseconds.
    pub(super) read_us: u64,
}

impl Shards {
    fn insert(&mut self, shard: u8) {
        self.0 |= 1 << shard;
    }

    /// Those of both.
    pub(crate) fn and(self, others: Shards) -> Shards {
        Shards(self.0 | others.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(self.0), |rest| Some(rest & rest.wrapping_sub(1)))
            .take_while(|rest| *rest != 0)
            .map(|rest| rest.trailing_zeros() as usize)
    }
}

impl ShardStates {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Something is appended at `position`: marks all of them dirty and returns those that were clean.
    pub(super) fn mark_dirty(&mut self, position: LogPosition) -> Shards {
        let mut to_notify = Shards::default();
        for shard_state in self.0.iter_mut().filter(|shard_state| !shard_state.dirty) {
            (shard_state.dirty, shard_state.live) = (true, position);
            to_notify.insert(shard_state.shard);
        }
        to_notify
    }

    /// A publication ends at `seq`, and its request was read at `read_us`: it is timed where none is at the moment.
    pub(super) fn time(&mut self, seq: u64, read_us: u64) {
        self.0.iter_mut().for_each(|shard_state| _ = shard_state.timed.get_or_insert(Timed { seq, read_us }));
    }

    /// Everything before this has been offered to every live reader; `None`: everything has.
    pub(super) fn live(&self) -> Option<LogPosition> {
        self.0
            .iter()
            .filter(|shard_state| shard_state.dirty)
            .map(|shard_state| shard_state.live)
            .min_by_key(|position| position.seq)
    }

    pub(super) fn has_lagging(&self) -> bool {
        self.0.iter().any(|shard_state| shard_state.has_lagging)
    }

    pub(super) fn of(&mut self, shard: usize) -> Option<&mut ShardState> {
        self.0.iter_mut().find(|shard_state| usize::from(shard_state.shard) == shard)
    }

    pub(super) fn add(&mut self, shard_state: ShardState) {
        let mut shards = std::mem::take(&mut self.0).into_vec();
        shards.push(shard_state);
        self.0 = shards.into_boxed_slice();
    }
}
