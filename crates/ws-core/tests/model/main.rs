//! All interleavings of those who wait and those who wake them, as far as loom can tell them apart: nobody sleeps while
//! there is room, or an answer, for it. The files are those of the crate, with loom's locks and atomics in place of the
//! real ones.
//!
//! A lost wake-up shows as a deadlock: somebody waits, and nobody is left to wake it.

#[allow(dead_code, reason = "the crate uses all of it")]
#[path = "../../src/room.rs"]
mod room;
mod sync;
#[allow(dead_code, reason = "the crate uses all of it")]
#[path = "../../src/waiter.rs"]
mod waiter;

mod answers;
mod engine;
mod gates;
mod task;
