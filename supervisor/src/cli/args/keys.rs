//! How `password` and `recovery` are written.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `password`.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Sign in under this name from now on
    #[arg(long, value_name = "NAME")]
    pub new_user: Option<String>,
}

/// Arguments of `recovery`.
#[derive(Debug, Args)]
pub struct RecoveryArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: RecoveryAction,
}

/// What to do about a recovery kit.
#[derive(Debug, Subcommand)]
pub enum RecoveryAction {
    /// Make one, after asking for the password, and print it; one that was made before is worthless then
    Make {
        /// Write it to this new file, which only you can read, instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Open a space with its 24 words, and give it the name of --user and a new password. Where --password-fd is used, the
    /// words come first, on one line or more, then the new password, twice
    Use,
}
