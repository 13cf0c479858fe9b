//! `lamos`: one binary that is the command line, the supervisor, and every process the supervisor starts.
//!
//! What it is in a given process is said by its first argument: `--role=ROLE` for a process of the tree, anything else for
//! a person's command line. The binary itself (`main.rs`) is one line; the rest lies here so that a test can be the same
//! program with a hostile process in the place of a role, and the shipped program needs no switch for it.
//!
//! **Architecture Invariant:** the command line asks and the supervisor routes; neither thinks, keeps, signs or calls a
//! model. No other room depends on this crate.

#![allow(unreachable_pub, reason = "a program has no outside; `pub` says what of a file is meant for others")]

mod cli;
mod control;
mod exit;
mod flight;
mod folder;
mod hub;
mod levels;
mod line;
mod lockdown;
mod logging;
mod places;
mod probe;
mod role;
mod supervise;
mod tenants;
mod tree;

use std::{env, process::ExitCode};

use ipc::Role;
pub use role::run as live;

/// How the supervisor tells a process what it is.
const ROLE: &str = "--role=";

/// Is whatever the first argument says. A process of the tree lives by `role`, which is [`live`] in the program itself.
pub fn run(role: impl FnOnce(Role) -> ExitCode) -> ExitCode {
    // Inherited by every process that is started from here: the pages of a small process would otherwise be rounded up to
    // 2 MiB each, which made the idle tree half as large again (measured). Where it cannot be said, memory is all it costs.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let first = env::args().nth(1).unwrap_or_default();
    if first.starts_with(ROLE) {
        inherit_nothing();
    }
    match first.strip_prefix(ROLE) {
        Some("supervisor") => supervise::run(),
        Some(name) => match name.parse() {
            Ok(known) => role(known),
            Err(_) => ExitCode::from(exit::USAGE),
        },
        None => cli::run(),
    }
}

/// Closes what somebody left open in the shell that started the command line. The supervisor would hand it on to every
/// process it starts, where nobody could open it and everybody could read it.
#[expect(unsafe_code, reason = "descriptors that belong to nobody here")]
fn inherit_nothing() {
    #[cfg(target_os = "linux")]
    // SAFETY: nothing was opened yet; what is open above standard error was so before the first line of this program.
    unsafe {
        libc::close_range(FIRST_UNKNOWN, libc::c_uint::MAX, 0);
    }
}

/// Behind standard input, output and error.
#[cfg(target_os = "linux")]
const FIRST_UNKNOWN: libc::c_uint = 3;
