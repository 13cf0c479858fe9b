//! `lamos`: one binary that is the command line, the supervisor, and every process the supervisor starts.
//!
//! What it is in a given process is said by its first argument: `--role=ROLE` for a process of the tree, anything else for
//! a person's command line.
//!
//! **Architecture Invariant:** the command line asks and the supervisor routes; neither thinks, keeps, signs or calls a
//! model. Nothing depends on this crate.

#![allow(unreachable_pub, reason = "a binary has no outside; `pub` says what of a file is meant for others")]

mod cli;
mod control;
mod exit;
mod hub;
mod lockdown;
mod places;
mod role;
mod supervise;
mod tenants;
mod tree;

use std::{env, process::ExitCode};

/// Counts what is allocated, so that a run can be held to its limit; mimalloc does the work.
#[global_allocator]
static ALLOCATOR: code::memory::Counting<mimalloc::MiMalloc> = code::memory::Counting(mimalloc::MiMalloc);

/// How the supervisor tells a process what it is.
const ROLE: &str = "--role=";

fn main() -> ExitCode {
    // Inherited by every process that is started from here: the pages of a small process would otherwise be rounded up to
    // 2 MiB each, which made the idle tree half as large again (measured). Where it cannot be said, memory is all it costs.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let first = env::args().nth(1).unwrap_or_default();
    match first.strip_prefix(ROLE) {
        Some("supervisor") => supervise::run(),
        Some(role) => match role.parse() {
            Ok(role) => role::run(role),
            Err(_) => ExitCode::from(exit::USAGE),
        },
        None => cli::run(),
    }
}
