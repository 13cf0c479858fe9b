//! How `erase`, `verify`, `backup`, `restore` and `export` are written.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `erase`.
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// A conversation (its id, or the beginning of it), or a file of a volume (its whole path, as in user/notes.md)
    #[arg(required = true, value_name = "CONVERSATION|FILE")]
    pub what: Vec<String>,

    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Make everything that is derived anew from the events: lists, indexes, the search index, what is known of the memory.
    /// It needs no backup
    #[arg(long, conflicts_with = "export")]
    pub rebuild: bool,

    /// Put what is damaged back from the backup in this folder or place
    #[arg(long, value_name = "BACKUP", conflicts_with = "export")]
    pub repair_from: Option<PathBuf>,

    /// Check this exported file instead, with no key and nothing running
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Backup {
    /// The folder, which is made if it is not there, or a file that describes a place (`lamos place --help`)
    #[arg(required = true)]
    pub folder: Option<PathBuf>,

    /// Read every file that is there already and write the damaged ones again
    #[arg(long)]
    pub check: bool,

    /// What else to do with one.
    #[command(subcommand)]
    pub action: Option<BackupAction>,
}

/// What else to do with a backup.
#[derive(Debug, Subcommand)]
pub enum BackupAction {
    /// Say what is in a backup
    List {
        /// The folder, or the file that describes the place
        folder: PathBuf,
    },
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The folder of the backup, or the file that describes its place
    pub folder: PathBuf,

    /// Open it with the 24 words of its recovery kit, and give it the name of --user and a new password
    #[arg(long)]
    pub recovery: bool,

    /// Take this copy of the keys, where there are those of several installations
    #[arg(long, value_name = "NAME")]
    pub keys: Option<String>,

    /// Where the backup has two histories of the archive, because an older copy of the data was used again, put back the
    /// one that was given up
    #[arg(long)]
    pub other_history: bool,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The file; large content goes into a folder beside it, FILE.files
    pub file: PathBuf,

    /// Only this conversation (its id, or the beginning of it)
    #[arg(long, short, value_name = "ID")]
    pub conversation: Option<String>,
}
