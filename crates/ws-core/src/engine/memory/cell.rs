//! A registered stream of the memory engine.

use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

use super::stream::Stream;
use crate::registry::Named;

/// A registered stream.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) name: Box<str>,
    pub(super) stream: Mutex<Stream>,
    /// Its index in the list of streams that hold publications; changed under that list's lock.
    pub(super) at: AtomicU64,
}

impl Named for Cell {
    fn name(&self) -> &str {
        &self.name
    }
}
