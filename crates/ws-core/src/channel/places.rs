//! What a channel knows of the shards that read it.

use crate::channel::{Channel, Kind, State};
use crate::gate::Gate;

/// [`Place::local`] before the shard has met the channel.
const NO_LOCAL: u32 = u32::MAX;

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
pub(super) struct Places(Box<[Place]>);

#[derive(Debug, Clone, Copy)]
struct Place {
    shard: u8,
    /// It has been told that there is something new, or will be told of a reader, and has not gone round yet.
    dirty: bool,
    /// A reader is behind for whom the log keeps what it can.
    keep: bool,
    /// Readers that have begun and that the shard has not met yet. As long as there are some, it stays dirty.
    coming: u32,
    subscriptions: u32,
    /// Where the shard keeps the channel; its own.
    local: u32,
    /// While it is dirty: every reader in it has been offered what lies before.
    live: Mark,
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

impl Places {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Something follows `mark`: makes all of them dirty and returns those that were not.
    pub(super) fn soil(&mut self, mark: Mark) -> Shards {
        let mut told = Shards::default();
        for place in self.0.iter_mut().filter(|place| !place.dirty) {
            (place.dirty, place.live) = (true, mark);
            told.insert(place.shard);
        }
        told
    }

    /// What every live reader has been offered; `None`: everything.
    pub(super) fn live(&self) -> Option<Mark> {
        self.0.iter().filter(|place| place.dirty).map(|place| place.live).min_by_key(|mark| mark.seq)
    }

    pub(super) fn keeps(&self) -> bool {
        self.0.iter().any(|place| place.keep)
    }

    fn of(&mut self, shard: usize) -> Option<&mut Place> {
        self.0.iter_mut().find(|place| usize::from(place.shard) == shard)
    }

    fn add(&mut self, place: Place) {
        let mut places = std::mem::take(&mut self.0).into_vec();
        places.push(place);
        self.0 = places.into_boxed_slice();
    }
}

impl State {
    /// A reader is to come, in this shard.
    pub(crate) fn attach(&mut self, shard: usize) {
        self.subscriptions += 1;
        if let Some(place) = self.places.of(shard) {
            place.subscriptions += 1;
            return;
        }
        let (shard, live) = (shard as u8, self.mark());
        let (dirty, keep, coming, subscriptions, local) = (false, false, 0, 1, NO_LOCAL);
        self.places.add(Place { shard, dirty, keep, coming, subscriptions, local, live });
    }

    /// The reader begins here: what is appended from now on is kept until the shard, which has to be told of
    /// the reader, has met it and has gone round.
    pub(crate) fn begin(&mut self, shard: usize) {
        let mark = self.mark();
        let Some(place) = self.places.of(shard) else { return };
        place.coming += 1;
        if !place.dirty {
            (place.dirty, place.live) = (true, mark);
        }
    }

    /// The shard has met a reader that had begun. A round has to follow.
    pub(crate) fn arrive(&mut self, shard: usize) {
        if let Some(place) = self.places.of(shard) {
            place.coming -= 1;
        }
    }

    /// The shard has let a reader go; `is_behind`: whether others there may be behind.
    pub(crate) fn detach(&mut self, channel: &Channel, shard: usize, is_behind: bool, gate: &Gate) {
        let Some(place) = self.places.of(shard) else { return };
        place.subscriptions -= 1;
        place.keep &= is_behind;
        if place.subscriptions == 0 {
            self.places.0 = self.places.0.iter().filter(|place| place.subscriptions > 0).copied().collect();
        }
        self.trim(channel, gate);
    }

    /// Where the shard keeps the channel, and where a round begins now.
    pub(crate) fn local(&mut self, shard: usize) -> (u32, Mark) {
        let mark = self.mark();
        (self.places.of(shard).map_or(NO_LOCAL, |place| place.local), mark)
    }

    pub(crate) fn set_local(&mut self, shard: usize, local: u32) {
        if let Some(place) = self.places.of(shard) {
            place.local = local;
        }
    }

    /// The shard has offered everything before `offered` to every live reader; whether others are behind.
    /// Returns where the next round begins, if there has to be one.
    pub(crate) fn settle(
        &mut self,
        channel: &Channel,
        shard: usize,
        offered: Mark,
        behind: bool,
        gate: &Gate,
    ) -> Option<Mark> {
        let now = self.mark();
        let place = self.places.of(shard)?;
        place.keep = behind && channel.kind != Kind::Kept;
        if place.coming == 0 {
            (place.live, place.dirty) = (offered, now.seq > offered.seq);
        }
        let next = (now.seq > offered.seq).then_some(now);
        self.trim(channel, gate);
        next
    }
}
