//! What is done with an input of a fuzzer, one file a target. The inputs that are kept (`seeds/`) go through the same as
//! ordinary tests, in `tests/tests/it/fuzz.rs`.
//!
//! Each target is a function of bytes that panics when something does not hold.

pub mod codec;
pub mod frames;
pub mod session;
pub mod token;
pub mod upgrade;
