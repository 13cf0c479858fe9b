//! Benches of single rooms, most of them of the archive without the processes around it, started from here so that one command
//! prints all figures. What is in them is in `actors/replica/benches` and `actors/storage/benches`.
//!
//! `cargo measure archive --large` takes as much text and as many messages, objects and rounds as the aims speak of.

use std::env;

use integration_tests::cargo::cargo;

/// Appending, reading, sealing and opening.
pub fn keeping() {
    bench("archive");
}

/// Finding, beside SQLite's FTS5.
pub fn finding() {
    bench("search");
}

/// Signing through the key process, beside the bare crate.
pub fn signing() {
    bench("keys");
}

/// Issuing and verifying credentials, beside the bare signature; with `LAMOS_PEERS=1` beside npm's.
pub fn credentials() {
    bench("credentials");
}

/// Finding out what two replicas do not share, beside sending the list of everything.
pub fn comparing() {
    bench("chum");
}

/// Large content, beside a plain copy.
pub fn large_content() {
    bench("blobs");
}

/// What the memory costs a start, by how much was ever done. What it measures no other crate can reach, so it stands among
/// the tests of its room, where it is not run by itself.
pub fn remembering() {
    let figure = "memory::tests::figures::what_a_start_costs";
    let mut command = cargo();
    command.args(["test", "--quiet", "--release", "--ignore-rust-version", "--package", "storage", "--lib", figure]);
    let done = command.args(["--", "--exact", "--ignored", "--nocapture"]).status();
    assert!(done.is_ok_and(|status| status.success()), "the figures of the memory failed");
}

/// Builds and runs a bench as the whole workspace is built, so that nothing is compiled for it alone.
fn bench(name: &str) {
    let large = if env::args().any(|word| word == "--large") { "1" } else { "0" };
    let mut command = cargo();
    command.args(["bench", "--quiet", "--ignore-rust-version", "--workspace", "--bench", name]);
    let done = command.env("LAMOS_LARGE", large).status();
    assert!(done.is_ok_and(|status| status.success()), "the bench {name} failed");
}
