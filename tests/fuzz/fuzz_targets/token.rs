//! `cargo fuzz run token`: see docs/TESTING.md.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_fuzz::token::run(data));
