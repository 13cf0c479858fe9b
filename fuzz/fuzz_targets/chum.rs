//! See `chum::chum`.
#![no_main]

#[path = "../src/chum.rs"]
mod chum;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chum::chum(bytes));
