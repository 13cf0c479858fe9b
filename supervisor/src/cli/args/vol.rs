//! How `vol`, `objects` and `stats` are written.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `vol`.
#[derive(Debug, Args)]
pub struct Vol {
    /// What to do with files.
    #[command(subcommand)]
    pub action: VolAction,
}

/// What to do with files of volumes.
#[derive(Debug, Subcommand)]
pub enum VolAction {
    /// List what lies in a folder, or the volumes
    Ls {
        /// The folder
        path: Option<String>,
        /// List what was removed from it instead, at any depth, and when; `lamos vol rollback PATH ~1` brings one back
        #[arg(long)]
        removed: bool,
        /// Which layers.
        #[command(flatten)]
        layers: Layers,
    },
    /// Write a file to standard output
    Cat {
        /// Its path
        path: String,
        /// This version of it: the beginning of an id that `log` prints, or ~1 for the one before the newest, and so on
        #[arg(long, value_name = "VERSION", conflicts_with = "layered")]
        version: Option<String>,
        /// Print which layers have a file of this name instead, the one that is read first
        #[arg(long = "where", id = "layered")]
        layered: bool,
        /// Which layers.
        #[command(flatten)]
        layers: Layers,
    },
    /// Keep a file, or all files of a folder at once: all of them are kept, or none
    ///
    /// A file larger than 1 MiB is kept by itself and without a message, those of a folder after the others.
    Write {
        /// A file or folder of this machine; - reads a file of at most 1 MiB from standard input
        source: PathBuf,
        /// Where it goes; into a folder if this ends with /
        path: String,
        /// Say why; it is kept with every file
        #[arg(long, short, value_name = "TEXT", default_value = "")]
        message: String,
    },
    /// Remove files; their history stays
    Rm {
        /// Their paths
        #[arg(required = true)]
        paths: Vec<String>,
        /// Remove everything that lies in these folders
        #[arg(long, short)]
        recursive: bool,
        /// Say why
        #[arg(long, short, value_name = "TEXT", default_value = "")]
        message: String,
    },
    /// Give a file another path; its history stays under the old one
    Mv {
        /// Its path
        from: String,
        /// Its new path
        to: String,
        /// Put it in the place of a file that is there; what that was stays in its history
        #[arg(long)]
        force: bool,
        /// Say why
        #[arg(long, short, value_name = "TEXT", default_value = "")]
        message: String,
    },
    /// List the files that fit a pattern: ? is a character, * any number of them inside a part, ** any number of parts
    Glob {
        /// The pattern, in quotes
        pattern: String,
        /// Which layers.
        #[command(flatten)]
        layers: Layers,
    },
    /// List the versions of a file, the newest first
    Log {
        /// Its path
        path: String,
        /// List at most so many
        #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
    },
    /// Show what changed between two versions of a file, or between two files
    Diff {
        /// Its path
        path: String,
        /// From this version (an id, ~1, …) or this other file; without it from the one before the newest
        from: Option<String>,
        /// To this version; without it to the newest
        to: Option<String>,
    },
    /// List the branches, or begin one at what its volume is now, or delete one
    Branch {
        /// The name of a new branch, as in draft or user@draft; without it the branches are listed
        name: Option<String>,
        /// The volume: user (which it is if nothing is said), team/ID or project/ID
        #[arg(long, value_name = "VOLUME")]
        from: Option<String>,
        /// Delete the branch; its history stays. Refused while it has what its volume does not
        #[arg(long, short, requires = "name")]
        delete: bool,
        /// Delete it even so
        #[arg(long, requires = "delete")]
        force: bool,
    },
    /// Bring what changed on a branch into its volume: all of it is kept, or nothing
    ///
    /// What only one side changed is taken; of a text that both changed, lines that are not the same ones. If anything does
    /// not fit together it is listed, the exit code is 11, and nothing is written. Afterwards the branch goes on from there.
    Merge {
        /// The branch; or its volume, if --into names the branch
        from: String,
        /// What it is merged into; without it the branch's volume
        #[arg(long, value_name = "VOLUME")]
        into: Option<String>,
        /// Say why; it is kept with every file
        #[arg(long, short, value_name = "TEXT", default_value = "")]
        message: String,
        /// List what would become of each file and write nothing
        #[arg(long)]
        dry_run: bool,
        /// Where it does not fit together, keep what is there already
        #[arg(long, conflicts_with = "theirs")]
        ours: bool,
        /// Where it does not fit together, take what is merged
        #[arg(long)]
        theirs: bool,
    },
    /// Make a file what it was in a version; what it is now stays in its history
    Rollback {
        /// Its path
        path: String,
        /// The version: the beginning of an id that `log` prints, or ~1, ~2, …
        version: String,
        /// Say why
        #[arg(long, short, value_name = "TEXT", default_value = "")]
        message: String,
    },
}

/// Which volumes lie over one another for a path that names none.
#[derive(Clone, Debug, Default, Args)]
pub struct Layers {
    /// The project that lies over everything
    #[arg(long, value_name = "ID")]
    pub project: Option<String>,

    /// A team that lies between user and system; the first one given lies over the next
    #[arg(long = "team", value_name = "ID")]
    pub teams: Vec<String>,
}

/// Arguments of `objects`.
#[derive(Debug, Args)]
pub struct ObjectsArgs {
    /// Show the event with this id, or the events about the conversation or file with this id; the beginning is enough
    #[arg(conflicts_with_all = ["kind", "heads"])]
    pub id: Option<String>,

    /// List all that it refers to and all that refers to it
    #[arg(long, requires = "id")]
    pub references: bool,

    /// List events of this kind alone, by its name or number
    #[arg(long, value_name = "KIND", conflicts_with = "heads")]
    pub kind: Option<String>,

    /// Show where each device that wrote here stands
    #[arg(long)]
    pub heads: bool,

    /// List at most so many
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
}
