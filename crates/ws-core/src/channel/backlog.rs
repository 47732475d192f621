//! The log of a channel and its byte counts. Created with the first frame, and dropped when it is empty and every
//! reader has been offered everything; that of broadcasts stays.

use super::log::Log;
use crate::gate::LogBytes;
use crate::run::Cursor;

#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) log: Log,
    /// What the gate has accounted for this log.
    pub(super) bytes: LogBytes,
}

impl Backlog {
    pub(super) fn new(start: Cursor, bytes_max: usize) -> Self {
        Backlog { log: Log::new(start, bytes_max), bytes: LogBytes::default() }
    }
}
