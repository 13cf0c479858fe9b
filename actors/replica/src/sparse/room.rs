//! How much room there is and how much of it is taken, as it is on disk.

use std::{fs, io, path::Path};

use crate::Filled;

/// How full it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that all files together never exceed.
    pub limit: u64,
    /// Bytes of all files as they are.
    pub files: u64,
    /// Bytes of the database's pages in use, its index included.
    pub used: u64,
    /// The most these may come to between transactions.
    pub capacity: u64,
    /// Headers of what was let go and would come again with a comparison.
    pub gone: u64,
    /// What waits for the archive.
    pub outbox: Filled,
}

impl Room {
    /// Thousandths of the room for content that are taken.
    pub fn permille(&self) -> u64 {
        permille(self.used, self.capacity)
    }
}

pub(super) fn permille(used: u64, capacity: u64) -> u64 {
    used.saturating_mul(1000) / capacity.max(1)
}

/// Bytes of a file; none if there is none.
pub(super) fn length_of(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        found => Ok(found?.len()),
    }
}

/// Bytes of all files below a directory, which need not be there.
pub(super) fn bytes_of(directory: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        found => found?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { bytes_of(&entry.path())? } else { length_of(&entry.path())? };
    }
    Ok(bytes)
}
