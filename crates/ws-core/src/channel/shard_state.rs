//! What a channel knows of the shards that read it.

/// [`ShardState::local`] before the shard has met the channel.
pub(super) const NO_LOCAL: u32 = u32::MAX;

/// A moment in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Frames before it.
    pub(crate) seq: u64,
    /// Bytes of the log before it, counted from its beginning.
    pub(crate) bytes: u64,
}

/// A set of shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shards(u64);

/// The shards that have subscribers; few, so they stand in a list.
#[derive(Debug, Default)]
pub(super) struct ShardStates(pub(super) Box<[ShardState]>);

/// What a channel knows of one shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardState {
    pub(super) shard: u8,
    /// It has been told that there is something new, or will be told of a reader, and has not gone round yet.
    pub(super) dirty: bool,
    /// A reader is behind for whom the log keeps what it can.
    pub(super) keep: bool,
    /// Readers that have begun and that the shard has not met yet. As long as there are some, it stays dirty.
    pub(super) coming: u32,
    pub(super) subscriptions: u32,
    /// Where the shard keeps the channel; its own.
    pub(super) local: u32,
    /// While it is dirty: every reader in it has been offered what lies before.
    pub(super) live: Mark,
}

impl Shards {
    fn insert(&mut self, shard: u8) {
        self.0 |= 1 << shard;
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

    /// Something follows `mark`: makes all of them dirty and returns those that were not.
    pub(super) fn mark_dirty(&mut self, mark: Mark) -> Shards {
        let mut told = Shards::default();
        for shard_state in self.0.iter_mut().filter(|shard_state| !shard_state.dirty) {
            (shard_state.dirty, shard_state.live) = (true, mark);
            told.insert(shard_state.shard);
        }
        told
    }

    /// What every live reader has been offered; `None`: everything.
    pub(super) fn live(&self) -> Option<Mark> {
        self.0
            .iter()
            .filter(|shard_state| shard_state.dirty)
            .map(|shard_state| shard_state.live)
            .min_by_key(|mark| mark.seq)
    }

    pub(super) fn keeps(&self) -> bool {
        self.0.iter().any(|shard_state| shard_state.keep)
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
