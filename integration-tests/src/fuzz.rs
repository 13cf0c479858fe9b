//! Runs the fuzz targets of `fuzz/` for a while. The nightly compiler has all that takes (its flags are those of
//! cargo-fuzz, so `cargo fuzz run frame` does the same where it is installed), and so has any C++ compiler, for libFuzzer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::{cargo::untold, home::workspace};

/// A target for each file of `fuzz/fuzz_targets`.
const TARGETS: &[&str] = &["frame", "header", "messages", "start", "event", "control", "chum", "ingest"];

/// As cargo-fuzz 0.13 builds: coverage in counters, comparisons traced, memory watched.
const FLAGS: &[&str] = &[
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Clink-dead-code",
    "-Ccodegen-units=1",
    "-Zsanitizer=address",
];

/// What became of it.
pub enum Fuzzed {
    /// Every target ran for this many seconds without a finding.
    Well(u32),
    /// What is needed for it is not here.
    NotHere(&'static str),
    /// It was not built, or something was found, and where it is.
    Found(String),
}

/// Builds all targets and runs each for so many seconds, from the corpus that is kept and what earlier runs made of it.
pub fn run(seconds: u32) -> Fuzzed {
    if !quiet(&mut nightly(&["cargo", "--version"])) {
        return Fuzzed::NotHere("a nightly toolchain with cargo");
    }
    if !quiet(Command::new("c++").arg("--version")) {
        return Fuzzed::NotHere("a C++ compiler (on Debian the package g++)");
    }
    let Some(host) = host() else { return Fuzzed::NotHere("a nightly toolchain with rustc") };
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from).join("fuzz");
    let manifest = workspace().join("fuzz/Cargo.toml");
    let mut build = nightly(&["cargo", "build", "--quiet", "--release", "--locked", "--bins", "--target", &host]);
    build.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(&target);
    // Flags by this variable reach what is fuzzed and not what runs while it is built, because a target is named.
    build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")).env_remove("RUSTFLAGS");
    for settings in ["CARGO_PROFILE_RELEASE_LTO", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "CARGO_PROFILE_RELEASE_OPT_LEVEL"] {
        build.env_remove(settings);
    }
    if !build.status().is_ok_and(|status| status.success()) {
        return Fuzzed::Found("the fuzz targets are not built".to_owned());
    }
    let programs = target.join(host).join("release");
    let runs: Vec<_> = TARGETS
        .iter()
        .map(|&name| {
            let (program, own) = (programs.join(name), target.join("corpus").join(name));
            thread::spawn(move || one(name, &program, &own, seconds))
        })
        .collect();
    let said: Vec<String> = runs.into_iter().filter_map(|run| run.join().expect("a run is waited for").err()).collect();
    if said.is_empty() { Fuzzed::Well(seconds) } else { Fuzzed::Found(said.join("\n")) }
}

/// Runs one target. What it makes up and finds worth keeping goes to `own`.
fn one(name: &str, program: &Path, own: &Path, seconds: u32) -> Result<(), String> {
    let findings = own.with_file_name("found");
    fs::create_dir_all(own).and_then(|()| fs::create_dir_all(&findings)).map_err(|error| format!("{name}: {error}"))?;
    let output = Command::new(program)
        .arg(format!("-max_total_time={seconds}"))
        .args(["-max_len=66000", "-timeout=20", "-rss_limit_mb=1024", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/{name}-", findings.display()))
        .arg(own)
        .arg(workspace().join("fuzz/corpus").join(name))
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last: Vec<&str> = said.lines().rev().take(40).collect();
        return Err(format!("{name}: {}", last.into_iter().rev().collect::<Vec<_>>().join("\n")));
    }
    let figure = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim().to_owned();
    println!("fuzz {name}: {} attempts, nothing found", figure("stat::number_of_executed_units:"));
    Ok(())
}

/// A command of the nightly toolchain.
fn nightly(words: &[&str]) -> Command {
    let mut command = untold(Command::new("rustup"));
    command.args(["run", "nightly"]).args(words).env_remove("CARGO").env_remove("RUSTC");
    command
}

/// The machine as rustc calls it.
fn host() -> Option<String> {
    let output = nightly(&["rustc", "-vV"]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
}

fn quiet(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
