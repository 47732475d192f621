//! What keeps publications: the [`Engine`], and what it tells the hub through its [`EngineSink`].
//!
//! An engine gives each publication its place in its channel, keeps as many as the channel's
//! [`Retention`] says, and hands each to the sink, on every node that is interested. What a frame looks
//! like, who is subscribed and who may do what, it does not know. The meaning of the trait is the suite in
//! `conformance` (feature `conformance`), which every engine runs.

#[cfg(feature = "conformance")]
pub mod conformance;
mod memory;
mod pending;
pub mod time;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use ws_proto::action::Ack;

pub use memory::{MemoryEngine, MemoryLimits};
pub(crate) use pending::Pending;

use crate::supervisor::Supervisor;

/// Takes the result of a call: at once, within the call, or later, on any thread. It never blocks. An
/// engine that is closed calls it too, with [`EngineError::Unavailable`].
pub type Done<T> = Box<dyn FnOnce(Result<T, EngineError>) + Send>;

/// Keeps the publications of channels. Shared by all threads; no call blocks.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// What it is called in the configuration and the log.
    fn name(&self) -> &'static str;

    /// What a successful [`append`](Self::append) stands for where the publication is retained. Where nothing
    /// is, an answer never stands for more than [`Ack::Memory`].
    fn ack(&self) -> Ack;

    /// Called once, before anything else. The engine may hold the sink for good.
    fn start(&self, sink: Arc<dyn EngineSink>);

    /// Appends a publication, or finds the one that has its `msg_id` already. Where the retention keeps
    /// something, the publication gets the next offset of the channel, 1 for the first.
    ///
    /// The sink of every interested node gets it exactly once, in the order of the offsets; the one of
    /// this node before `done` is called. `done` is called when the level of [`ack`](Self::ack) is reached;
    /// in which order several are called says nothing.
    fn append(&self, append: Append<'_>, done: Done<Appended>);

    /// Reads what is retained, and the channel's position; a channel that nobody has published to has one
    /// too, with a top of 0. Never answers with a top that the sink of this node has not been given.
    fn history(&self, query: HistoryQuery<'_>, done: Done<History>);

    /// Removes all publications of a channel. A new epoch begins, whose first offset is 1; the sinks are told
    /// before `done` is called.
    fn remove(&self, channel: &str, done: Done<Epoch>);

    /// One subscriber more on this node, or one less. The sink has to be called for a channel only while it
    /// has some, and as long its epoch stays.
    fn interest(&self, channel: &str, interested: bool);

    /// Whether publishers may go on: not while as much waits to be stored as may wait. Whoever publishes asks
    /// before, and after a no again when [`EngineSink::has_room`] was called.
    fn has_room(&self) -> bool {
        true
    }

    /// How much it holds, and what it has done.
    fn stats(&self) -> EngineStats;

    /// Whether it can store and read.
    ///
    /// # Errors
    /// Why not, in words for an operator. It goes on trying by itself.
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    /// What watches the tasks and threads that it cannot do without, if it has some.
    fn supervisor(&self) -> Option<&Supervisor> {
        None
    }

    /// Ends it: what is acknowledged is safe when `done` is called.
    fn close(&self, done: Done<()>);
}

/// Where an engine hands on what it has stored. Calls for one channel come one after the other; without
/// offsets, publications may come from several threads at once.
pub trait EngineSink: fmt::Debug + Send + Sync {
    /// A publication has its place.
    fn deliver(&self, channel: &str, publication: &Publication);

    /// All publications of the channel are gone, and a new epoch has begun.
    fn reset(&self, channel: &str, epoch: Epoch);

    /// [`Engine::has_room`] was false, and is no longer.
    fn has_room(&self);

    /// How much is kept of a channel of this name from now on; `None`: that is not known. For what an engine has
    /// stored while it was told otherwise.
    fn retention(&self, _channel: &str) -> Option<Retention> {
        None
    }
}

/// How much of a channel is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Publications; 0: none, and no offsets.
    pub size: usize,
    /// Their age; zero: any.
    pub ttl: Duration,
}

/// A publication that is to be stored.
#[derive(Debug)]
pub struct Append<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Of that channel.
    pub retention: Retention,
    /// The publication as `ws_proto::publication::encode_publication_body` gives it.
    pub body: Arc<[u8]>,
    /// Where the data lies in `body`: the same `msg_id` with other bytes there is a conflict.
    pub data: std::ops::Range<usize>,
    /// Makes publishing again a question about the first time; without effect where nothing is retained.
    pub msg_id: Option<&'a str>,
}

/// What came of an [`Append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Where the publication is; `None` where nothing is retained.
    pub position: Option<(Epoch, u64)>,
    /// It was there before.
    pub duplicate: bool,
}

/// A stored publication. A cheap clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its place in the channel; `None` where nothing is retained.
    pub offset: Option<u64>,
    /// See [`Append::body`].
    pub body: Arc<[u8]>,
}

/// A question for what is retained. The bounds are exclusive.
#[derive(Debug, Clone, Copy)]
pub struct HistoryQuery<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Of that channel; with a `size` of 0 the answer is [`EngineError::NoHistory`].
    pub retention: Retention,
    /// Only what is behind this offset.
    pub after: u64,
    /// Only what is before this offset.
    pub before: Option<u64>,
    /// From the upper bound downwards.
    pub reverse: bool,
    /// Most publications; 0 asks for the position alone.
    pub limit: usize,
    /// Stops behind the publication with which the bodies reach so many bytes.
    pub bytes_max: usize,
}

/// What is retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The stream's.
    pub epoch: Epoch,
    /// Offset of the newest publication there ever was; 0: none.
    pub top: u64,
    /// Offset of the oldest one that is retained; `top + 1`: none is.
    pub oldest: u64,
    /// In the order that was asked for.
    pub publications: Vec<Publication>,
    /// There is more within the bounds.
    pub more: bool,
}

/// How much an engine holds, and what it has done since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Channels whose position it knows.
    pub channels: u64,
    /// Publications that it keeps in memory.
    pub publications: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// What is stored outside of memory; `None` where nothing is.
    pub store: Option<StoreStats>,
}

/// How much an engine has stored outside of memory, and what that took since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Bytes on disk.
    pub stored_bytes: u64,
    /// Bytes of publications that wait to be stored.
    pub waiting_bytes: u64,
    /// Times that something was made safe: a batch of whatever had arrived.
    pub commits: u64,
    /// Publications in those.
    pub committed: u64,
    /// Time that these took, in microseconds.
    pub commit_us: u64,
    /// Batches that could not be stored.
    pub failures: u64,
}

/// Names a stream: what is known about offsets of another epoch means nothing in this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(NonZeroU64);

/// Why an engine did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The `msg_id` stands for a publication with other data.
    #[error("the msg_id was used for other data")]
    Conflict,
    /// Nothing is retained in the channel.
    #[error("the channel keeps no history")]
    NoHistory,
    /// The engine cannot store or read, or is closed. Trying again may help.
    #[error("the engine is not available: {0}")]
    Unavailable(String),
    /// More is asked of the engine than it takes at a time. Trying again later helps.
    #[error("the engine is asked too much at a time")]
    Overloaded,
}

impl Epoch {
    /// One that was never there before.
    pub fn random() -> Self {
        Epoch::from_u64(Uuid::new_v4().as_u64_pair().1)
    }

    /// The epoch of this name, if it can be one of ours.
    pub fn parse(name: &str) -> Option<Self> {
        let epoch = u64::from_str_radix(name, 16).ok().and_then(NonZeroU64::new).map(Epoch)?;
        (epoch.to_string() == name).then_some(epoch)
    }

    /// Its number, for engines that store it.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// The epoch of this number; 0 stands for another one.
    pub fn from_u64(number: u64) -> Self {
        Epoch(NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_one_name() {
        let epoch = Epoch::random();
        assert_eq!(Epoch::parse(&epoch.to_string()), Some(epoch));
        assert_eq!(Epoch::parse("00000000000000ab"), Some(Epoch::from_u64(0xab)));
        for other in ["", "ab", "+0000000000000ab", "00000000000000AB", "00000000000000abc", "x"] {
            assert_eq!(Epoch::parse(other), None, "{other}");
        }
    }
}
