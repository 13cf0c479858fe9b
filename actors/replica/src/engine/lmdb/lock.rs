//! One process for one archive. LMDB itself lets several write by turns; but the writer of a store remembers where it is, and a
//! second one would give the same place and the same number to another event.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::ReplicaError;

/// The file that is locked. It is empty and stays: removed, it could be locked by two under one name.
const NAME: &str = "in-use";

/// Locks the directory for as long as the file is open, which a process that is killed no longer is.
pub(super) fn take(directory: &Path) -> Result<File, ReplicaError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(directory.join(NAME))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ReplicaError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
