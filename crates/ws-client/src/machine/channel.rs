//! A channel and its readers: pure state, without the connection.

use std::collections::VecDeque;

use super::problem::Problem;
use crate::position::Position;

/// What a reader may have that was not taken, and no more.
pub(super) const READER_EVENTS_MAX: usize = 1_024;
pub(super) const READER_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// Nobody wants it.
    Off,
    /// To be subscribed.
    Wanted,
    Subscribing,
    CatchingUp,
    Live,
    /// To be unsubscribed; `sent`: the answer is awaited.
    Leaving {
        sent: bool,
    },
    Refused(Problem),
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) phase: Phase,
    pub(super) readers: Vec<Reader>,
    /// How far the stream has come on this connection.
    pub(super) cursor: Option<Position>,
    /// Live from this offset on.
    pub(super) top: u64,
    /// What the subscription under way asked for.
    pub(super) rewind: u32,
    /// A `subscribed` event opened it.
    pub(super) by_server: bool,
    /// Refusals in a row.
    pub(super) n: u32,
    pub(super) not_before: u64,
    /// When it ends without readers.
    pub(super) linger: Option<u64>,
    pub(super) token: Token,
    /// Somebody took something since the position was saved.
    pub(super) is_unsaved: bool,
    /// For `stored`: the question is under way.
    pub(super) is_read: bool,
    /// The store has failed to answer it before.
    pub(super) read_failed: bool,
}

/// The subscription token of a channel.
#[derive(Debug, Default)]
pub(super) struct Token {
    pub(super) is_needed: bool,
    pub(super) value: Option<String>,
    pub(super) generation: u64,
    pub(super) is_asked: bool,
    /// The last one was refused as expired.
    pub(super) expired: bool,
}

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) id: u64,
    pub(super) cursor: Option<Position>,
    pub(super) rewind: Option<u32>,
    /// It waits for the stored position.
    pub(super) stored: bool,
    /// Its rewind is reckoned as a position: what is gone before it is no gap.
    pub(super) is_rewinding: bool,
    pub(super) was_live: bool,
    pub(super) is_live: bool,
    pub(super) recovered: Option<bool>,
    pub(super) is_paused: bool,
    pub(super) missed: u64,
    /// What was delivered and not taken: bytes, and the position after it.
    pub(super) queue: VecDeque<(usize, Option<Position>)>,
    pub(super) bytes: usize,
    pub(super) taken: Option<Position>,
}

impl Channel {
    pub(super) fn new(name: String) -> Self {
        Channel {
            name,
            phase: Phase::Off,
            readers: Vec::new(),
            cursor: None,
            top: 0,
            rewind: 0,
            by_server: false,
            n: 0,
            not_before: 0,
            linger: None,
            token: Token::default(),
            is_unsaved: false,
            is_read: false,
            read_failed: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::CatchingUp | Phase::Live)
    }

    /// Whether somebody would take what comes.
    pub(super) fn has_takers(&self) -> bool {
        self.readers.iter().any(|reader| !reader.is_paused)
    }

    /// Where a subscription has to begin: the lowest position in the epoch of the first reader that has one; or else how
    /// far back.
    pub(super) fn begin(&self) -> (Option<Position>, Option<u32>) {
        let takers = || self.readers.iter().filter(|reader| !reader.is_paused);
        let cursors = || takers().filter_map(|reader| reader.cursor.as_ref());
        let epoch = cursors().next().map(|first| first.epoch.as_str());
        let since = cursors().filter(|cursor| Some(cursor.epoch.as_str()) == epoch).min_by_key(|cursor| cursor.offset);
        let rewind = takers().filter_map(|reader| reader.rewind).max();
        if since.is_some() { (since.cloned(), None) } else { (None, rewind) }
    }

    /// Whether its subscription may be asked for, as far as the channel itself is concerned.
    pub(super) fn is_ready(&self, t: u64) -> bool {
        self.phase == Phase::Wanted
            && t >= self.not_before
            && self.has_takers()
            && !self.readers.iter().any(|reader| reader.stored)
            && (!self.token.is_needed || self.token.value.is_some())
    }

    /// What is saved: the lowest of what readers have taken.
    pub(super) fn taken(&self) -> Option<&Position> {
        let taken = || self.readers.iter().filter_map(|reader| reader.taken.as_ref());
        let epoch = &taken().next()?.epoch;
        taken().filter(|position| position.epoch == *epoch).min_by_key(|position| position.offset)
    }
}

impl Reader {
    pub(super) fn new(id: u64, since: Option<Position>, rewind: Option<u32>, stored: bool) -> Self {
        Reader {
            id,
            taken: since.clone(),
            cursor: since,
            rewind: rewind.filter(|n| *n > 0),
            stored,
            is_rewinding: false,
            was_live: false,
            is_live: false,
            recovered: None,
            is_paused: false,
            missed: 0,
            queue: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Its stream goes on after this. The first place of all counts as taken.
    pub(super) fn moves_to(&mut self, epoch: &str, offset: u64) {
        let position = Position { epoch: epoch.to_owned(), offset };
        if self.taken.is_none() {
            self.taken = Some(position.clone());
        }
        self.cursor = Some(position);
    }

    /// What belongs to the user before is forgotten.
    pub(super) fn forget(&mut self) {
        (self.cursor, self.taken) = (None, None);
        self.queue.iter_mut().for_each(|(_, position)| *position = None);
    }

    pub(super) fn delivered(&mut self, bytes: usize) {
        self.queue.push_back((bytes, self.cursor.clone()));
        self.bytes += bytes;
        self.is_paused |= self.queue.len() >= READER_EVENTS_MAX || self.bytes >= READER_BYTES_MAX;
    }

    /// The oldest one was handled; whether the position moved.
    pub(super) fn take(&mut self) -> bool {
        let Some((bytes, position)) = self.queue.pop_front() else { return false };
        self.bytes -= bytes;
        let moved = position.is_some() && position != self.taken;
        if position.is_some() {
            self.taken = position;
        }
        moved
    }

    pub(super) fn may_resume(&self) -> bool {
        self.is_paused && self.queue.len() <= READER_EVENTS_MAX / 2 && self.bytes <= READER_BYTES_MAX / 2
    }
}
