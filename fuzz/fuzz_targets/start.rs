//! See `fuzz::start`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::start(bytes));
