//! How `place` is written.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `place`.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// What to do there.
    #[command(subcommand)]
    pub action: PlaceAction,
}

/// What to do with values at a place.
#[derive(Debug, Subcommand)]
pub enum PlaceAction {
    /// List what lies there
    Ls {
        /// The place
        place: PathBuf,
        /// In this folder of it alone; one in which nothing lies is not there
        folder: Option<String>,
    },
    /// Write a value to standard output
    Cat {
        /// The place
        place: PathBuf,
        /// The path of the value
        path: String,
    },
    /// Put a file there, as it is: nothing is sealed
    Put {
        /// The place
        place: PathBuf,
        /// A file of this machine
        source: PathBuf,
        /// Under which path
        path: String,
    },
    /// Remove values; that one is not there is no failure, since a removal may be asked for twice
    Rm {
        /// The place
        place: PathBuf,
        /// Their paths
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// List the values that fit a pattern: ? is a character, * any number of them inside a part, ** any number of parts
    Glob {
        /// The place
        place: PathBuf,
        /// The pattern, in quotes
        pattern: String,
    },
    /// Carry what waits in the “near” folder of a place until nothing does
    ///
    /// A server that cannot be reached or has failed is asked again, ever more rarely, and why is told. What it refuses, and a
    /// page to sign in at, end the command.
    Push {
        /// The place
        place: PathBuf,
    },
}
