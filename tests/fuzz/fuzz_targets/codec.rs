//! `cargo fuzz run codec`: see docs/TESTING.md.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_fuzz::codec::run(data));
