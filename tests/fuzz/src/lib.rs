//! The fuzz targets, one file each. The stored inputs (`seeds/`) run through the same functions as ordinary tests, in
//! `tests/tests/it/fuzz.rs`.
//!
//! Each target is a function of bytes that panics when something does not hold.

pub mod claude;
pub mod codec;
pub mod frames;
pub mod proxy;
pub mod session;
pub mod token;
pub mod upgrade;
