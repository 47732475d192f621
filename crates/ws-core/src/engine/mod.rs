//! What keeps publications: the [`Engine`], and what it tells the hub through its [`EngineSink`].
//!
//! An engine assigns each publication its offset in its channel, keeps as many as the channel's [`Retention`] says, and
//! hands each to the sink, on every node with interest in the channel. It knows nothing of frames, subscribers and
//! rights. The trait is defined by the test suite in `conformance` (feature `conformance`), which every engine runs.

mod answer;
pub mod cluster;
mod cluster_stats;
#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod memory;
pub(crate) mod pending;
pub(crate) mod repeat;
pub mod time;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use uuid::Uuid;
use ws_proto::action::Ack;

pub use self::answer::{Done, EngineError};
use self::cluster::Cluster;
pub use self::cluster_stats::{ClusterStats, RoundTrip};
pub use self::repeat::Remembered;
use crate::histogram::HistogramValues;
pub use crate::retention::{Expiry, Retention};
use crate::supervisor::Supervisor;

/// Keeps the publications of channels. Shared by all threads; no call blocks.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// Its name in the configuration and the log.
    fn name(&self) -> &'static str;

    /// What a successful [`append`](Self::append) guarantees for a retained publication. For one that is not retained,
    /// it is never more than [`Ack::Memory`].
    fn ack(&self) -> Ack;

    /// Whether other servers use the same store: what they publish is delivered here too, and what one server counts is
    /// not all that there is.
    fn is_shared(&self) -> bool {
        false
    }

    /// The other servers that use the same store, if it [is shared](Self::is_shared) and knows them.
    fn cluster(&self) -> Option<&dyn Cluster> {
        None
    }

    /// Called once, before anything else. The engine may keep the sink.
    fn start(&self, sink: Arc<dyn EngineSink>);

    /// Appends a publication, or finds the one that already has its `msg_id`. If the retention keeps anything, the
    /// publication gets the next offset of the channel, starting at 1. A repeat ([`Append::age_ms`]) whose `msg_id` is
    /// not found is not appended if it may have been published before ([`Remembered`]), or nothing is retained.
    ///
    /// The sink of every node with interest gets it exactly once, in the order of the offsets; the sink of this node
    /// before `done` is called. `done` is called when the level of [`ack`](Self::ack) is reached; several may be called
    /// in any order.
    fn append(&self, append: Append<'_>, done: Done<Appended>);

    /// Reads what is retained, and the channel's position; a channel without publications has one too, with a top of 0.
    /// The top is never one that the sink of this node has not been given yet.
    fn history(&self, query: HistoryQuery<'_>, done: Done<History>);

    /// Finds the retained publication that has this `msg_id`, as [`append`](Self::append) would.
    fn find(&self, query: FindQuery<'_>, done: Done<Option<Found>>);

    /// Removes all publications of a channel. A new epoch begins, whose first offset is 1; the sinks are notified
    /// before `done` is called.
    fn remove(&self, channel: &str, done: Done<Epoch>);

    /// One more subscriber on this node, or one less. Only while a channel has subscribers does the sink have to be
    /// called for it, and must its epoch be kept.
    fn interest(&self, channel: &str, interested: bool);

    /// Waits until the [interest](Self::interest) in a channel has taken effect: whatever any node publishes after
    /// `done`, the sink is given. Only an engine that [is shared](Self::is_shared) takes time for it. Who has asked for
    /// the [history](Self::history) since need not wait: it is answered no earlier.
    fn following(&self, _channel: &str, done: Done<()>) {
        done(Ok(()));
    }

    /// Whether publishers may continue: false while the queue of what waits to be stored is full. Publishers ask before
    /// they publish; after a false they ask again when [`EngineSink::has_room`] is called.
    fn has_room(&self) -> bool {
        true
    }

    /// How much it holds, and what it has done since its start.
    fn stats(&self) -> EngineStats;

    /// Whether it can store and read.
    ///
    /// # Errors
    /// Why not, in words for an operator. The engine keeps trying by itself.
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it can store and read this channel. Only an engine of which a part can be away knows more than
    /// [`health`](Self::health).
    ///
    /// # Errors
    /// As of [`health`](Self::health).
    fn health_of(&self, _channel: &str) -> Result<(), String> {
        self.health()
    }

    /// Whether it would store a publication in this channel. Only an engine that can be full and still read knows more than
    /// [`health_of`](Self::health_of).
    ///
    /// # Errors
    /// As of [`health`](Self::health).
    fn takes(&self, channel: &str) -> Result<(), String> {
        self.health_of(channel)
    }

    /// Watches the tasks and threads that the engine depends on, if it has any.
    fn supervisor(&self) -> Option<&Supervisor> {
        None
    }

    /// Closes the engine. When `done` is called, everything acknowledged is safe.
    fn close(&self, done: Done<()>);
}

/// Takes what an engine has stored. Calls for one channel come one after the other; only publications without offsets
/// may come from several threads at once.
pub trait EngineSink: fmt::Debug + Send + Sync {
    /// A publication has been stored, or passed through where nothing is retained, here or on the node that published it.
    /// `read_us` is that of its [`Append`]; `None` on other nodes.
    fn deliver(&self, channel: &str, publication: &Publication, read_us: Option<u64>);

    /// A new epoch has begun, another stream: all publications of the earlier one are gone. What can be read of the new
    /// one has offsets above `after`: 0 where it is new, the one before the oldest retained where it was there already.
    fn reset(&self, channel: &str, epoch: Epoch, after: u64);

    /// A new epoch has begun, and the publications up to the offset `survived` are the same in it: who is before that
    /// goes on where it is, everybody else after it.
    fn renew(&self, channel: &str, epoch: Epoch, survived: u64);

    /// The publications up to the offset `to` are stored, and the sink is not given those that it has not been given
    /// yet: they are read from the history.
    fn skip(&self, channel: &str, to: u64);

    /// Publications of a channel that retains nothing may have been missed; nobody knows how many.
    fn lost(&self, channel: &str);

    /// [`Engine::has_room`] was false, and is true again.
    fn has_room(&self);

    /// The current retention of a channel; `None`: unknown. For publications that an engine stored under an earlier
    /// configuration.
    fn retention(&self, _channel: &str) -> Option<Retention> {
        None
    }
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
    /// The range of the data in `body`: the same `msg_id` with other bytes there is a conflict.
    pub data: std::ops::Range<usize>,
    /// Makes publishing idempotent; without effect if nothing is retained.
    pub msg_id: Option<&'a str>,
    /// How long ago this `msg_id` was first sent, in milliseconds; 0: now.
    pub age_ms: u64,
    /// When its request was read, in microseconds on the clock of the hub that appends it; `None`: not known. The
    /// engine gives it to the sink of that hub unchanged.
    pub read_us: Option<u64>,
}

/// The result of an [`Append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Where the publication is; `None` where nothing is retained.
    pub position: Option<(Epoch, u64)>,
    /// A publication with this `msg_id` had been stored before.
    pub duplicate: bool,
}

/// A stored publication. A cheap clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its offset in the channel; `None` if nothing is retained.
    pub offset: Option<u64>,
    /// See [`Append::body`].
    pub body: Arc<[u8]>,
}

/// A query for what is retained. The bounds are exclusive.
#[derive(Debug, Clone, Copy)]
pub struct HistoryQuery<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Of that channel; with a `size` of 0 the answer is [`EngineError::NoHistory`].
    pub retention: Retention,
    /// Only what is after this offset.
    pub after: u64,
    /// Only what is before this offset.
    pub before: Option<u64>,
    /// From the upper bound downwards.
    pub reverse: bool,
    /// Most publications; 0 asks for the position alone.
    pub limit: usize,
    /// Stops after the publication with which the bodies reach this many bytes.
    pub bytes_max: usize,
}

/// What is retained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The epoch of the stream.
    pub epoch: Epoch,
    /// Offset of the newest publication, retained or not; 0: there was none.
    pub top: u64,
    /// Offset of the oldest retained publication; `top + 1`: none is retained.
    pub oldest: u64,
    /// In the requested order.
    pub publications: Vec<Publication>,
    /// There is more within the bounds.
    pub more: bool,
}

/// Which publication is to be found.
#[derive(Debug, Clone, Copy)]
pub struct FindQuery<'a> {
    /// The channel.
    pub channel: &'a str,
    /// Of that channel; where nothing is retained, nothing is found.
    pub retention: Retention,
    /// The id it was published with.
    pub msg_id: &'a str,
}

/// A publication that was found by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The epoch of the stream.
    pub epoch: Epoch,
    /// The publication, with its offset.
    pub publication: Publication,
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
    /// What is stored outside memory; `None` if nothing is.
    pub store: Option<StoreStats>,
    /// What it shares with other servers; `None` if nothing is.
    pub cluster: Option<ClusterStats>,
}

/// How much an engine has stored outside memory, and what that took since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Bytes on disk.
    pub stored_bytes: u64,
    /// Bytes of publications that wait to be stored.
    pub waiting_bytes: u64,
    /// How long commits took, in microseconds; each makes one batch durable.
    pub commit_us: HistogramValues,
    /// Publications in those commits.
    pub committed: u64,
    /// Batches that could not be stored.
    pub failures: u64,
}

/// Identifies a stream: offsets of one epoch mean nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(NonZeroU64);

impl Epoch {
    /// A new random epoch.
    pub fn random() -> Self {
        Epoch::from_u64(Uuid::new_v4().as_u64_pair().1)
    }

    /// The epoch of this name, if it is in the form that this type prints.
    pub fn parse(name: &str) -> Option<Self> {
        let epoch = u64::from_str_radix(name, 16).ok().and_then(NonZeroU64::new).map(Epoch)?;
        (epoch.to_string() == name).then_some(epoch)
    }

    /// Its number, for engines that store it.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// The epoch of this number; 0 is mapped to another number.
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
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(epoch.to_string().bytes().all(is_plain), "{epoch} can stand in a URL and in a header as it is");
        for other in ["", "ab", "+0000000000000ab", "00000000000000AB", "00000000000000abc", "x"] {
            assert_eq!(Epoch::parse(other), None, "{other}");
        }
    }
}
