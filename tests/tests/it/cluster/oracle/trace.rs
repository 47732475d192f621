//! What clients did and were told in a round. Times are milliseconds since it began.

use std::time::{Duration, Instant};

pub(super) type Ms = u64;

/// An epoch and an offset in it.
pub(super) type Position = (String, u64);

/// What a channel keeps, by the namespace of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Everything.
    All,
    /// At most [`FEW_SIZE`] publications, and none older than [`FEW_TTL`].
    Few,
    /// Nothing. Broadcasts are such a channel, [`BROADCASTS`].
    Passing,
}

pub(super) const FEW_SIZE: u64 = 40;
pub(super) const FEW_TTL: Duration = Duration::from_secs(2);
pub(super) const BROADCASTS: &str = "*";

impl Kind {
    pub(super) fn of(channel: &str) -> Self {
        match channel.split(':').next() {
            Some("log") => Kind::All,
            Some("few") => Kind::Few,
            _ => Kind::Passing,
        }
    }
}

/// When a round began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Clock(Instant::now())
    }

    pub(super) fn now(self) -> Ms {
        self.0.elapsed().as_millis() as Ms
    }
}

/// One request to publish. Bodies are `PUBLISHER.ROUND-NUMBER`, and their own `msg_id`s. Of the publisher `twin` there are two,
/// which publish the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) channel: String,
    pub(super) body: String,
    pub(super) server: usize,
    pub(super) sent: Ms,
    pub(super) answered: Ms,
    /// How long before `sent` it was sent first; 0: now.
    pub(super) age: Ms,
    pub(super) answer: Answer,
}

/// How a request to publish ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is in the history.
    Stored { epoch: String, offset: u64, duplicate: bool },
    /// It was passed on.
    Passed,
    /// `engine_unavailable`, or the connection ended: nobody knows.
    Unknown,
    /// Nothing was published.
    Refused,
    /// `unknown_outcome`.
    Forgotten,
    /// Anything else.
    Wrong(String),
}

/// What one subscriber was told of one channel, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) who: String,
    pub(super) channel: String,
    pub(super) events: Vec<(Ms, Told)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// The answer to `subscribe`. With history: the position asked for, and where the cursor stands.
    Began {
        since: Option<Position>,
        after: Option<Position>,
        gap: Option<Gap>,
    },
    Publication {
        offset: Option<u64>,
        body: String,
    },
    Gap(Gap),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gap {
    Offsets {
        from: u64,
        to: u64,
    },
    Epoch {
        epoch: String,
        after: u64,
    },
    /// Without history.
    Missed,
}

/// An answer to `get_history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) channel: String,
    pub(super) asked: Ms,
    pub(super) answered: Ms,
    pub(super) epoch: String,
    pub(super) top: u64,
    /// Offsets and bodies.
    pub(super) entries: Vec<(u64, String)>,
}

/// All of a round.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) attempts: Vec<Attempt>,
    pub(super) traces: Vec<Trace>,
    pub(super) pages: Vec<Page>,
    /// The whole history of each channel that has one, read at the end.
    pub(super) last: Vec<Page>,
}
