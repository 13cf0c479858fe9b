//! `cargo verify`: builds `lamos` as it ships and runs every test against it. `--rounds N` plays so many rounds of kills at
//! random moments and, if that is more than 500, so many power cuts; `--full` adds the long tests and plays a thousand.
//! What follows `--` goes to the tests.

use std::{
    env,
    process::{Command, ExitCode},
};

use integration_tests::{
    cargo::cargo,
    fuzz::{self, Fuzzed},
};

/// Debian packages that tests need, by the program that shows they are there.
const PACKAGES: &[(&str, &str)] =
    &[("bash", "bash"), ("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("git", "git"), ("ip", "iproute2"), ("python3", "python3")];

/// Rounds of `--full`.
const FULL_ROUNDS: &str = "1000";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (mut full, mut rounds, mut rest) = (false, None, &arguments[..]);
    loop {
        match rest {
            [first, after @ ..] if first == "--full" => (full, rest) = (true, after),
            [first, number, after @ ..] if first == "--rounds" && number.parse::<u32>().is_ok() => {
                (rounds, rest) = (Some(number.clone()), after);
            }
            [] => break,
            [first, ..] if first == "--" => break,
            [unknown, ..] => {
                eprintln!("verify: {unknown:?} is not known; it is written `cargo verify [--full] [--rounds N] [-- FILTER]`");
                return ExitCode::from(2);
            }
        }
    }
    let rounds = rounds.or_else(|| full.then(|| FULL_ROUNDS.to_owned()));
    for (program, package) in PACKAGES {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("verify: {program} is missing; on Debian the package {package} has it");
            return ExitCode::from(2);
        }
    }
    let run = |words: &[&str], more: &[String]| {
        let mut command = cargo();
        command.args(words).args(more).env("LAMOS_FULL_TESTS", if full { "1" } else { "0" });
        if let Some(rounds) = &rounds {
            command.env("LAMOS_ROUNDS", rounds);
        }
        command.status().is_ok_and(|status| status.success())
    };
    // One profile, and one resolution of features, for what ships and what is tested: each crate is compiled once.
    let built = run(&["build", "--release", "--ignore-rust-version", "--workspace", "--bins"], &[]);
    if !built {
        eprintln!("verify: the build failed");
        return ExitCode::FAILURE;
    }
    // A minute of made-up bytes for who has time, a few seconds otherwise, and none for who wants one test.
    let fuzzed = match if rest.len() > 1 { Fuzzed::Well(0) } else { fuzz::run(if full { 60 } else { 5 }) } {
        Fuzzed::Well(_) => true,
        Fuzzed::NotHere(what) => {
            println!("verify: the fuzz targets are not run: {what} is not here");
            true
        }
        Fuzzed::Found(what) => {
            eprintln!("verify: {what}");
            false
        }
    };
    // `--no-fail-fast`: one failure does not hide another.
    if run(&["test", "--release", "--ignore-rust-version", "--workspace", "--no-fail-fast"], rest) && fuzzed {
        println!("verify: all tests passed{}", if full { ", the long rounds too" } else { "" });
        ExitCode::SUCCESS
    } else {
        eprintln!("verify: some tests failed{}", if fuzzed { "" } else { ", or the fuzz targets found something" });
        ExitCode::FAILURE
    }
}
