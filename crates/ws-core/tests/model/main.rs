//! All interleavings, as far as loom distinguishes them, of waiters and those that wake them: no waiter sleeps while
//! there is room or an answer for it. The source files are those of the crate, with loom's locks and atomics instead of
//! the real ones.
//!
//! A lost wake-up shows as a deadlock: a waiter sleeps, and nothing is left to wake it.

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
