//! `cargo measure`: the figures of this machine, each beside what it is compared with, in one run.
//!
//! Samples of both sides alternate, so that a busy minute falls on both. What counts is the ratio; the machine's own
//! numbers say how fast it is today. `cargo measure NAME…` prints only the parts whose names contain one of the words;
//! with `--large` those that have a long way of being done take it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a bench that cannot go on should say so, and has no outside"
)]

use std::{env, process::ExitCode};

use integration_tests::cargo::cargo;

#[path = "parts/mod.rs"]
mod parts;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench" && word != "--large").collect();
    if let Some(peer) = words.first().and_then(|word| word.strip_prefix("--peer=")) {
        parts::peer(peer);
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    // The rooms alone need no binary.
    let binary = parts::ALL.iter().any(|(name, _)| wanted(name) && !parts::ROOMS.iter().any(|rooms| name.starts_with(rooms)));
    if binary && env::var_os("LAMOS_BIN").is_none() {
        let built = cargo().args(["build", "--release", "--ignore-rust-version", "--package", "lamos"]).status();
        if !built.is_ok_and(|status| status.success()) {
            eprintln!("measure: lamos could not be built");
            return ExitCode::FAILURE;
        }
    }
    for (name, measure) in parts::ALL {
        if wanted(name) {
            println!("\n{name}");
            measure();
        }
    }
    ExitCode::SUCCESS
}
