//! What all clients of a `recover` run share.

use tokio::sync::Semaphore;

use crate::channel::Names;
use crate::measure::Clock;

/// Made once, before the first connection.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) clock: Clock,
    pub(super) names: Names,
    pub(super) channels: u64,
    /// Publications to each channel.
    pub(super) publications: u64,
    /// Permits to close a connection of the first visit.
    pub(super) leaving: Semaphore,
}
