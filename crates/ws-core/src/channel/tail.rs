//! The log of a channel, there only while it holds something, and the publishers that wait for it.

use std::sync::Arc;

use super::places::Mark;
use super::{Channel, Kind, State};
use crate::connection::Connection;
use crate::gate::{Gate, Held};
use crate::log::{Cursor, Log};

#[derive(Debug)]
pub(super) struct Tail {
    pub(super) log: Log,
    /// As it stands in the gate's books.
    held: Held,
    /// Publishers; at most once each connection.
    waiting: Vec<Arc<Connection>>,
}

impl Tail {
    pub(super) fn new(start: Cursor, bytes_max: usize) -> Self {
        Tail { log: Log::new(start, bytes_max), held: Held::default(), waiting: Vec::new() }
    }

    /// Whether one more publication may be appended.
    pub(super) fn is_open(&self) -> bool {
        self.held.ahead_bytes < self.log.bytes_max() as u64 / 2
    }

    /// Wakes `connection` when it is open again. False, for it is not.
    pub(super) fn wait(&mut self, connection: &Arc<Connection>) -> bool {
        if connection.hold() {
            self.waiting.push(connection.clone());
        }
        false
    }
}

impl State {
    /// Gives up what no reader needs, and lets publishers go on.
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
        if channel.kind != Kind::Broadcast {
            gate.account(before, tail.held);
        }
        if tail.is_open() {
            tail.waiting.drain(..).for_each(|connection| connection.release());
        }
        if channel.kind != Kind::Broadcast && live.is_none() && tail.log.bytes() == 0 {
            self.tail = None;
        }
    }
}
