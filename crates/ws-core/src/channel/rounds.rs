//! What shards do with a channel: readers come and go, rounds end, and what nobody needs any more is given up.

use super::shard_state::{Mark, NO_LOCAL, ShardState};
use super::{Channel, Kind, State};
use crate::gate::{Gate, LogBytes};

impl State {
    /// A reader is to come, in this shard.
    pub(crate) fn attach(&mut self, shard: usize) {
        self.subscriptions += 1;
        if let Some(shard_state) = self.shards.of(shard) {
            shard_state.subscriptions += 1;
            return;
        }
        let (shard, live) = (shard as u8, self.mark());
        let (dirty, keep, coming, subscriptions, local) = (false, false, 0, 1, NO_LOCAL);
        self.shards.add(ShardState { shard, dirty, keep, coming, subscriptions, local, live });
    }

    /// The reader begins here: what is appended from now on is kept until the shard, which has to be told of
    /// the reader, has met it and has gone round.
    pub(crate) fn begin(&mut self, shard: usize) {
        let mark = self.mark();
        let Some(shard_state) = self.shards.of(shard) else { return };
        shard_state.coming += 1;
        if !shard_state.dirty {
            (shard_state.dirty, shard_state.live) = (true, mark);
        }
    }

    /// The shard has met a reader that had begun. A round has to follow.
    pub(crate) fn arrive(&mut self, shard: usize) {
        if let Some(shard_state) = self.shards.of(shard) {
            shard_state.coming -= 1;
        }
    }

    /// The shard has let a reader go; `is_behind`: whether others there may be behind.
    pub(crate) fn detach(&mut self, channel: &Channel, shard: usize, is_behind: bool, gate: &Gate) {
        let Some(shard_state) = self.shards.of(shard) else { return };
        shard_state.subscriptions -= 1;
        shard_state.keep &= is_behind;
        if shard_state.subscriptions == 0 {
            self.shards.0 = self.shards.0.iter().filter(|shard_state| shard_state.subscriptions > 0).copied().collect();
        }
        self.trim(channel, gate);
    }

    /// Where the shard keeps the channel, and where a round begins now.
    pub(crate) fn local(&mut self, shard: usize) -> (u32, Mark) {
        let mark = self.mark();
        (self.shards.of(shard).map_or(NO_LOCAL, |shard_state| shard_state.local), mark)
    }

    pub(crate) fn set_local(&mut self, shard: usize, local: u32) {
        if let Some(shard_state) = self.shards.of(shard) {
            shard_state.local = local;
        }
    }

    /// The shard has offered everything before `offered` to every live reader; whether others are behind.
    /// Returns where the next round begins, if there has to be one.
    pub(crate) fn end_round(
        &mut self,
        channel: &Channel,
        shard: usize,
        offered: Mark,
        behind: bool,
        gate: &Gate,
    ) -> Option<Mark> {
        let now = self.mark();
        let shard_state = self.shards.of(shard)?;
        shard_state.keep = behind && channel.kind != Kind::Kept;
        if shard_state.coming == 0 {
            (shard_state.live, shard_state.dirty) = (offered, now.seq > offered.seq);
        }
        let next = (now.seq > offered.seq).then_some(now);
        self.trim(channel, gate);
        next
    }

    /// Gives up what no reader needs, and lets as many publishers go on as fit.
    pub(super) fn trim(&mut self, channel: &Channel, gate: &Gate) {
        let live = self.shards.live();
        let keep = self.shards.keeps() && !gate.is_crowded();
        let Some(backlog) = &mut self.backlog else { return };
        if !keep {
            backlog.log.trim_to(live.map_or(self.end.seq, |mark| mark.seq));
        }
        let appended = backlog.log.appended_bytes();
        let ahead_bytes = appended - live.map_or(appended, |mark: Mark| mark.bytes).min(appended);
        let kept_bytes = (backlog.log.bytes() as u64).saturating_sub(ahead_bytes);
        let before = std::mem::replace(&mut backlog.bytes, LogBytes { ahead_bytes, kept_bytes });
        channel.ahead.change(before.ahead_bytes, ahead_bytes);
        if channel.kind != Kind::Broadcast {
            gate.account(before, backlog.bytes);
        }
        if channel.kind != Kind::Broadcast && live.is_none() && backlog.log.bytes() == 0 {
            self.backlog = None;
        }
    }
}
