//! What is between the handles and the task.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Publications that were handed over and not taken by the task yet.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) entries: AtomicUsize,
    pub(crate) bytes: AtomicUsize,
}

impl Waiting {
    pub(crate) fn add(&self, bytes: usize) {
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, bytes: usize) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
