//! `cargo fuzz run claude`: see docs/TESTING.md.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_fuzz::claude::run(data));
