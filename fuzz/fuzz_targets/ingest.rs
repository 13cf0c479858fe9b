//! See `ingest::ingest`.
#![no_main]

use std::sync::Arc;

#[path = "../src/ingest.rs"]
mod ingest;
#[allow(dead_code)]
#[path = "../../actors/replica/tests/replicas/memory.rs"]
mod memory;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ingest::ingest(bytes, || Arc::new(memory::Memory::new())));
