//! What can go wrong with the store, by who can mend it.

use std::{io, path::PathBuf};

/// Something on disk is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The database file is not one, or has been cut off.
    #[error("the database file is damaged: {0}")]
    File(String),
    /// An event does not open under its key, or is not what its id says.
    #[error("event {0} is damaged")]
    Event(String),
    /// A record beside the events does not open or cannot be read.
    #[error("a record of {0} is damaged")]
    Record(&'static str),
    /// A chunk of large content is not what was written.
    #[error("chunk {chunk} {what}{}", .pack.as_ref().map(|pack| format!(" (blobs/{pack})")).unwrap_or_default())]
    Chunk {
        /// Its name.
        chunk: String,
        /// What is wrong with it.
        what: &'static str,
        /// The file it lies in, if that is known.
        pack: Option<String>,
    },
}

/// Why the store cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The disk is full.
    #[error("the disk has no room left")]
    DiskFull,
    /// The database has reached the size that was reserved for it.
    #[error("the archive has reached the {0} bytes that are reserved for it")]
    MapFull(usize),
    /// Something on disk is not what was written.
    #[error("{0}")]
    Damaged(#[from] Damage),
    /// It is too large to be given out in one piece.
    #[error("it has {0} bytes, which is too much for one piece")]
    Large(u64),
    /// It was written by a newer program.
    #[error("the archive was written by a newer Lamos (format {found}, this one knows {known})")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// Another process has it.
    #[error("another process is using the archive in this directory")]
    InUse,
    /// It belongs to another space.
    #[error("the archive in this directory belongs to another space")]
    OtherSpace,
    /// The directory cannot be used.
    #[error("cannot use {path}: {error}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The operating system refuses something else.
    #[error("the archive cannot be used: {0}")]
    Io(io::Error),
    /// The database engine refuses something that was never meant to be refused.
    #[error("the database engine failed: {0}")]
    Engine(String),
}

impl From<io::Error> for ReplicaError {
    fn from(error: io::Error) -> ReplicaError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ReplicaError::DiskFull,
            _ => ReplicaError::Io(error),
        }
    }
}
