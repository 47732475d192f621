//! The log of a channel, there only while it holds something.

use super::places::Mark;
use super::{Channel, Kind, State};
use crate::gate::{Gate, Held};
use crate::log::{Cursor, Log};

#[derive(Debug)]
pub(super) struct Tail {
    pub(super) log: Log,
    /// As it stands in the gate's books.
    held: Held,
}

impl Tail {
    pub(super) fn new(start: Cursor, bytes_max: usize) -> Self {
        Tail { log: Log::new(start, bytes_max), held: Held::default() }
    }
}

impl State {
    /// Gives up what no reader needs, and lets as many publishers go on as fit.
    pub(super) fn trim(&mut self, channel: &Channel, gate: &Gate) {
        let live = self.places.live();
        let keep = self.places.keeps() && !gate.is_crowded();
        let Some(tail) = &mut self.tail else { return };
        if !keep {
            tail.log.trim_to(live.map_or(self.end.seq, |mark| mark.seq));
        }
        let appended = tail.log.appended_bytes();
        let ahead_bytes = appended - live.map_or(appended, |mark: Mark| mark.bytes).min(appended);
        let kept_bytes = (tail.log.bytes() as u64).saturating_sub(ahead_bytes);
        let before = std::mem::replace(&mut tail.held, Held { ahead_bytes, kept_bytes });
        channel.ahead.change(before.ahead_bytes, ahead_bytes);
        if channel.kind != Kind::Broadcast {
            gate.account(before, tail.held);
        }
        if channel.kind != Kind::Broadcast && live.is_none() && tail.log.bytes() == 0 {
            self.tail = None;
        }
    }
}
