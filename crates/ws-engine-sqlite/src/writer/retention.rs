//! Applies the current retention of all channels: the configuration may have changed since they were
//! last used. Excess publications are then deleted, in channels that nobody uses, too.

use rusqlite::{Connection, Result};

use crate::limits::MAINTENANCE_CHANNELS;
use crate::rows;
use crate::shared::Shared;

/// The progress through all channels, once after each start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Retentions {
    /// Number of the last channel visited.
    last: i64,
    is_done: bool,
    is_begun: bool,
}

impl Retentions {
    pub(super) fn is_in_progress(self) -> bool {
        self.is_begun && !self.is_done
    }

    /// Visits some more channels, within a transaction: keep the result when it is committed.
    pub(super) fn next(self, connection: &Connection, shared: &Shared) -> Result<Self> {
        let Some(sink) = shared.sink.get().filter(|_| !self.is_done) else { return Ok(self) };
        let channels = rows::channels(connection, self.last, MAINTENANCE_CHANNELS)?;
        let now_ms = shared.age.now_ms();
        for (row, channel) in &channels {
            if let Some(retention) = sink.retention(&channel.name).filter(|now| *now != channel.retention) {
                rows::set_retention(connection, *row, retention, now_ms)?;
            }
        }
        let last = channels.last().map_or(self.last, |(row, _)| *row);
        Ok(Retentions { last, is_begun: true, is_done: (channels.len() as u64) < MAINTENANCE_CHANNELS })
    }
}
