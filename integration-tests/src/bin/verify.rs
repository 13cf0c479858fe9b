//! `cargo verify`: builds `lamos` as it ships and runs every test against it. `--full` adds the long rounds; what follows
//! `--` goes to the tests.

use std::{
    env,
    process::{Command, ExitCode},
};

use integration_tests::cargo::cargo;

/// Debian packages that tests need, by the program that shows they are there.
const PACKAGES: &[(&str, &str)] =
    &[("bash", "bash"), ("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("git", "git"), ("ip", "iproute2")];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (full, rest) = match arguments.split_first() {
        Some((first, rest)) if first == "--full" => (true, rest),
        _ => (false, &arguments[..]),
    };
    if let Some(unknown) = rest.first().filter(|word| *word != "--") {
        eprintln!("verify: {unknown:?} is not known; it is written `cargo verify [--full] [-- FILTER]`");
        return ExitCode::from(2);
    }
    for (program, package) in PACKAGES {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("verify: {program} is missing; on Debian the package {package} has it");
            return ExitCode::from(2);
        }
    }
    let run = |words: &[&str], more: &[String]| {
        let mut command = cargo();
        command.args(words).args(more).env("LAMOS_FULL_TESTS", if full { "1" } else { "0" });
        command.status().is_ok_and(|status| status.success())
    };
    // One profile, and one resolution of features, for what ships and what is tested: each crate is compiled once.
    let built = run(&["build", "--release", "--ignore-rust-version", "--workspace", "--bins"], &[]);
    if !built {
        eprintln!("verify: the build failed");
        return ExitCode::FAILURE;
    }
    // `--no-fail-fast`: one failure does not hide another.
    if run(&["test", "--release", "--ignore-rust-version", "--workspace", "--no-fail-fast"], rest) {
        println!("verify: all tests passed{}", if full { ", the long rounds too" } else { "" });
        ExitCode::SUCCESS
    } else {
        eprintln!("verify: some tests failed");
        ExitCode::FAILURE
    }
}
