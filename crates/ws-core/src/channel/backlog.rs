//! The log of a channel, there only while it holds something.

use super::log::Log;
use crate::gate::LogBytes;
use crate::run::Cursor;

#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) log: Log,
    /// As it stands in the gate's books.
    pub(super) bytes: LogBytes,
}

impl Backlog {
    pub(super) fn new(start: Cursor, bytes_max: usize) -> Self {
        Backlog { log: Log::new(start, bytes_max), bytes: LogBytes::default() }
    }
}
