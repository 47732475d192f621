//! Where an outbox lives across runs: the contract of a store.

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::entry::Entry;
use crate::position::Position;

/// Keeps publications and positions, so that the next run of the program goes on with them.
///
/// The client's task calls it, one call at a time, and waits for each at most [`Timers::store`](crate::Timers::store).
/// A call that fails or takes longer makes the client go on in memory ([`Status::store`](crate::Status::store) says so);
/// it drops the future, calls [`open`](Store::open) again after a while, and then puts everything that it has.
pub trait Store: Send + 'static {
    /// Everything that is kept for this URL, in the order in which it was first put. What belongs to other URLs stays.
    fn open(&mut self, url: &str) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>>;

    /// All of a batch, or nothing of it. When it returns, the batch survives the end of the process.
    fn write(&mut self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The position that was saved for a channel under this user (`None`: the anonymous one), for the URL of `open`.
    fn position(&mut self, user: Option<&str>, channel: &str) -> BoxFuture<'_, Result<Option<Position>, StoreError>>;
}

/// Changes that are made together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// Entries to keep. One with the `msg_id` of an earlier one takes its place, in the same place of the order.
    pub put: Vec<Entry>,
    /// `msg_id`s of entries that are over.
    pub remove: Vec<String>,
    /// Positions that take the place of earlier ones.
    pub positions: Vec<Saved>,
}

/// Where a user was in a channel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Saved {
    /// The user; `None` is the anonymous one.
    pub user: Option<String>,
    /// The channel.
    pub channel: String,
    /// What was taken.
    pub position: Position,
}

/// Why a store did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the store of the outbox failed: {0}")]
pub struct StoreError(pub String);
