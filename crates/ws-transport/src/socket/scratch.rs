//! Buffers of a thread, used by one connection at a time.

use std::cell::Cell;

/// Buffers of a thread, used by one connection at a time while it is polled.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) input: Vec<u8>,
    pub(super) out: Vec<u8>,
}

thread_local! {
    pub(super) static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { input: Vec::new(), out: Vec::new() }) };
}
