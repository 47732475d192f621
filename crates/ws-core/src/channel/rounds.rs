//! What shards do with a channel: readers come and go, rounds end, and the log is trimmed.

use super::shard_state::{LogPosition, NO_LOCAL, ShardState};
use super::{Channel, State};
use crate::gate::{Gate, LogBytes};
use crate::kind::Kind;

impl State {
    /// Counts a subscription whose reader will start in this shard.
    pub(crate) fn attach(&mut self, shard: usize) {
        self.subscriptions += 1;
        if let Some(shard_state) = self.shards.of(shard) {
            shard_state.subscriptions += 1;
            return;
        }
        let (shard, live) = (shard as u8, self.log_position());
        let (dirty, has_lagging, starting, subscriptions, local) = (false, false, 0, 1, NO_LOCAL);
        self.shards.add(ShardState { shard, dirty, has_lagging, starting, subscriptions, local, live, timed: None });
    }

    /// The reader starts here: what is appended from now on is kept until the shard's task has taken the reader over
    /// and finished a round. The caller has to notify the shard of the reader.
    pub(crate) fn start_reader(&mut self, shard: usize) {
        let position = self.log_position();
        let Some(shard_state) = self.shards.of(shard) else { return };
        shard_state.starting += 1;
        if !shard_state.dirty {
            (shard_state.dirty, shard_state.live) = (true, position);
        }
    }

    /// The shard's task has taken over a reader that had started. A round has to follow.
    pub(crate) fn take_over_reader(&mut self, shard: usize) {
        if let Some(shard_state) = self.shards.of(shard) {
            shard_state.starting -= 1;
        }
    }

    /// The shard has removed a reader; `is_behind`: whether others there may be behind.
    pub(crate) fn detach(&mut self, channel: &Channel, shard: usize, is_behind: bool, gate: &Gate) {
        let Some(shard_state) = self.shards.of(shard) else { return };
        shard_state.subscriptions -= 1;
        shard_state.has_lagging &= is_behind;
        if shard_state.subscriptions == 0 {
            self.shards.0 = self.shards.0.iter().filter(|shard_state| shard_state.subscriptions > 0).copied().collect();
        }
        self.trim(channel, gate);
    }

    /// Where the shard keeps the channel, and the current end of the log.
    pub(crate) fn local(&mut self, shard: usize) -> (u32, LogPosition) {
        let position = self.log_position();
        (self.shards.of(shard).map_or(NO_LOCAL, |shard_state| shard_state.local), position)
    }

    pub(crate) fn set_local(&mut self, shard: usize, local: u32) {
        if let Some(shard_state) = self.shards.of(shard) {
            shard_state.local = local;
        }
    }

    /// The shard has offered everything before `covered` to every live reader; `behind`: whether other readers are
    /// behind. Returns the end of the next round, if one is needed.
    pub(crate) fn end_round(
        &mut self,
        channel: &Channel,
        shard: usize,
        covered: LogPosition,
        behind: bool,
        gate: &Gate,
    ) -> Option<LogPosition> {
        let now = self.log_position();
        let shard_state = self.shards.of(shard)?;
        shard_state.has_lagging = behind && channel.kind != Kind::Retained;
        if shard_state.starting == 0 {
            (shard_state.live, shard_state.dirty) = (covered, now.seq > covered.seq);
        }
        let next = (now.seq > covered.seq).then_some(now);
        self.trim(channel, gate);
        next
    }

    /// When the request was read of the publication that the shard has timed, if it has now offered it to every live
    /// reader.
    pub(crate) fn take_timed(&mut self, shard: usize, covered: LogPosition) -> Option<u64> {
        let timed = self.shards.of(shard)?.timed.take_if(|timed| timed.seq <= covered.seq)?;
        Some(timed.read_us)
    }

    /// Drops what no reader needs, and wakes as many waiting publishers as fit.
    pub(super) fn trim(&mut self, channel: &Channel, gate: &Gate) {
        let live = self.shards.live();
        let keeps_for_lagging = self.shards.has_lagging() && !gate.is_crowded();
        let Some(backlog) = &mut self.backlog else { return };
        if !keeps_for_lagging {
            backlog.log.trim_to(live.map_or(self.end.seq, |position| position.seq));
        }
        let appended = backlog.log.appended_bytes();
        let ahead_bytes = appended - live.map_or(appended, |position: LogPosition| position.bytes).min(appended);
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
