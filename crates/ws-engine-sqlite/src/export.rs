//! The history of one channel, for an operator. A server may be using the database at the same time.

use std::path::Path;

use ws_core::engine::{Epoch, HistoryQuery, Publication};

use crate::age::Age;
use crate::directory::{DATABASE, OpenError};
use crate::history;
use crate::inspect::open;
use crate::limits::{EXPORT_PAGE, EXPORT_PAGE_BYTES};
use crate::rows;
use crate::streams::Streams;

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// The stream's epoch.
    pub epoch: Epoch,
    /// Offset of the newest publication ever made; 0: none.
    pub top: u64,
    /// How many publications were exported.
    pub publications: u64,
}

/// Calls `each` with every retained publication of a channel after the offset `after`, the oldest
/// first, until it returns `false`. `None`: there is no such channel.
///
/// # Errors
/// If there is no database, or it cannot be read.
pub fn export(
    dir: &Path,
    channel: &str,
    after: u64,
    mut each: impl FnMut(&Publication) -> bool,
) -> Result<Option<Exported>, OpenError> {
    let mut connection = open(dir)?;
    let failed = |error| OpenError::Database { file: dir.join(DATABASE), error };
    let Some(retention) = rows::stored_retention(&connection, channel).map_err(failed)? else { return Ok(None) };
    let age = Age::of(&connection).map_err(failed)?;
    let stream = Streams::default().get(channel);
    let (mut after, mut publications) = (after, 0);
    loop {
        let query = HistoryQuery {
            channel,
            retention,
            after,
            before: None,
            reverse: false,
            limit: EXPORT_PAGE,
            bytes_max: EXPORT_PAGE_BYTES,
        };
        let page = history::read(&mut connection, &stream, &query, age.now_ms()).map_err(failed)?;
        let wanted = page.publications.iter().take_while(|publication| each(publication)).count();
        publications += wanted as u64;
        after = page.publications.last().and_then(|last| last.offset).unwrap_or(after);
        if !page.more || wanted < page.publications.len() {
            return Ok(Some(Exported { epoch: page.epoch, top: page.top, publications }));
        }
    }
}
