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

/// What to do with values at a place outside the archive.
///
/// A place is a folder of this machine, or a file that describes a remote one, as in
/// `{"kind": "s3", "endpoint": "https://s3.example.com", "bucket": "mine", "region": "auto", "token": "mine"}`,
/// `{"kind": "webdav", "endpoint": "https://dav.example.com/files", "token": "mine"}` or
/// `{"kind": "vercel-blob", "token": "mine"}`; "folder" says under which folder of it everything lies (lamos). Its secret is
/// never in the file: it is read from `LAMOS_PLACE_SECRET`, or asked for. It is `key id:secret key` for s3, `user:password`
/// for webdav, and the read-write token for vercel-blob.
///
/// "near" names a folder beside the file: then everything is written there first and at once, carried after, and read from
/// there first. LAMOS_PROFILE says which of the two are used: production (both), development (the near folder alone) or
/// test (nothing lasts).
#[derive(Debug, Subcommand)]
pub enum PlaceAction {
    /// List what lies there
    Ls {
        /// The place
        place: PathBuf,
        /// In this folder of it alone
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
    /// Remove values
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
    Push {
        /// The place
        place: PathBuf,
    },
}
