//! The program. What it does is in the library beside it.

use std::process::ExitCode;

/// Counts what is allocated, so that a run can be held to its limit; mimalloc does the work.
#[global_allocator]
static ALLOCATOR: code::memory::Counting<mimalloc::MiMalloc> = code::memory::Counting(mimalloc::MiMalloc);

fn main() -> ExitCode {
    lamos::run(lamos::live)
}
