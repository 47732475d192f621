//! `cargo fuzz run session`: see docs/TESTING.md.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_fuzz::session::run(data));
