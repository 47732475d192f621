//! What can go wrong with a connection, and the state of one that has had its share.

use std::time::Duration;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens to a connection. What lasts, lasts until [`Fault::Clear`] or its like with other values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// From here on all is well: undoes everything that lasts. What was held back goes out.
    Clear,
    /// Every segment arrives later: by `least`, and by up to `jitter` more. Both ways; the order stays.
    Delay {
        /// The least delay.
        least: Duration,
        /// The most that is added to it.
        jitter: Duration,
    },
    /// So many bytes a second, each way.
    Slow {
        /// At least 1.
        bytes_per_s: u32,
    },
    /// Segments of 1 to `bytes_max` bytes, a millisecond apart, both ways.
    Split {
        /// At least 1.
        bytes_max: usize,
    },
    /// What arrives within `wait` of its first byte goes out together, both ways.
    Join {
        /// How long bytes are held back.
        wait: Duration,
    },
    /// Nothing goes this way any more, the end of the connection neither. The other way works: a half-open connection.
    HalfOpen(Way),
    /// Nothing goes either way any more, and nobody is told.
    Blackhole,
    /// As the first thing that happens to a connection: it is accepted, and nobody ever reads or writes.
    Mute,
    /// Both sides read their end (FIN). What was still on its way is lost.
    Cut,
    /// Both sides are reset (RST). What was still on its way is lost.
    Reset,
    /// The client is reset, and the server is told nothing, as when a NAT forgets a connection.
    Forget,
    /// The proxy's port refuses new connections for this long. Does nothing to this connection.
    Refuse(Duration),
}

impl Fault {
    /// Its name, for counts.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Clear => "clear",
            Fault::Delay { .. } => "delay",
            Fault::Slow { .. } => "slow",
            Fault::Split { .. } => "split",
            Fault::Join { .. } => "join",
            Fault::HalfOpen(_) => "half-open",
            Fault::Blackhole => "blackhole",
            Fault::Mute => "mute",
            Fault::Cut => "cut",
            Fault::Reset => "reset",
            Fault::Forget => "forget",
            Fault::Refuse(_) => "refuse",
        }
    }
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    Cut,
    Reset,
    Forget,
}

/// What a connection suffers at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    pub(super) bytes_per_s: Option<u32>,
    pub(super) split: Option<usize>,
    pub(super) join: Duration,
    silent: [bool; 2],
    pub(super) mute: bool,
    pub(super) end: Option<End>,
    /// The sender of this way has ended.
    pub(super) read_out: [bool; 2],
}

impl Weather {
    pub(super) fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Clear => *self = Weather { end: self.end, read_out: self.read_out, ..Weather::default() },
            Fault::Delay { least, jitter } => (self.delay, self.jitter) = (least, jitter),
            Fault::Slow { bytes_per_s } => self.bytes_per_s = Some(bytes_per_s.max(1)),
            Fault::Split { bytes_max } => self.split = Some(bytes_max.max(1)),
            Fault::Join { wait } => self.join = wait,
            Fault::HalfOpen(way) => self.silent[way as usize] = true,
            Fault::Blackhole => self.silent = [true; 2],
            Fault::Mute => self.mute = true,
            Fault::Cut => self.ends(End::Cut),
            Fault::Reset => self.ends(End::Reset),
            Fault::Forget => self.ends(End::Forget),
            Fault::Refuse(_) => {}
        }
    }

    /// The first end counts.
    fn ends(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    pub(super) fn is_silent(&self, way: Way) -> bool {
        self.silent[way as usize]
    }

    /// Both sides are gone, and at least one was not told of the other.
    pub(super) fn is_deserted(&self) -> bool {
        self.read_out == [true; 2] && self.silent != [false; 2]
    }
}
