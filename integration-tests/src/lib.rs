//! The harness: the real binary in a home of its own, a supervisor that stays up, an attached wire, the processes it left,
//! and the servers it talks to.
//!
//! What is here starts programs and reads what they print; it never reaches into a crate. The one crate of ours it knows
//! is `ipc`, because attaching as a command line is the wire's own public side.
//!
//! **Architecture Invariant:** a test owns its [`Home`](home::Home): its own data directory, its own copy of the binary's
//! name, and so its own processes. Any number of tests run side by side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a harness fails loudly, and its names say what it does"
)]

pub mod asking;
pub mod busy;
pub mod capture;
pub mod cargo;
pub mod chance;
pub mod fault_proxy;
pub mod files;
pub mod fuzz;
pub mod home;
pub mod http_gate;
pub mod http_request;
pub mod llama;
pub mod processes;
pub mod python_peers;
pub mod scripted_blob;
pub mod scripted_gguf;
pub mod scripted_http;
pub mod serve;
pub mod small_disk;
pub mod tap;
pub mod tended;
pub mod users;
pub mod volumes;
pub mod window;
pub mod wire;

/// How many rounds of chance are wanted: what `cargo verify --rounds N` says, or as many as are usual.
pub fn rounds(usual: usize) -> usize {
    std::env::var("LAMOS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// Whether the long rounds are wanted too: `cargo verify --full`.
pub fn full() -> bool {
    std::env::var("LAMOS_FULL_TESTS").is_ok_and(|value| value == "1")
}

/// Whether servers of others are installed and started: `LAMOS_PEERS=1`, or with the long rounds.
pub fn peers() -> bool {
    full() || std::env::var("LAMOS_PEERS").is_ok_and(|value| value == "1")
}
