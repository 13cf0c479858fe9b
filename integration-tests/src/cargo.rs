//! Cargo, started from a program that cargo started.

use std::{env, process::Command};

/// A cargo that builds what a cargo in a shell builds.
///
/// What cargo tells a program it runs about that program's own package would go on to build scripts, and some are run again
/// when it differs: everything above them would be compiled once for the shell and once for us.
pub fn cargo() -> Command {
    untold(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// A command that hears nothing of what cargo tells the program it started.
pub fn untold(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        let told = name.to_str().is_some_and(|name| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|told| name.starts_with(told)));
        if told {
            command.env_remove(name);
        }
    }
    command
}
