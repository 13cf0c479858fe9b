//! Large content: cut into chunks by what is in it, each chunk sealed and kept once, put into packs, listed in a manifest.
//!
//! - [`Upload`] takes content in as it comes, in memory of a few chunks, and can be put down and taken up;
//! - [`BlobReader`] gives it back, from any place, each chunk checked before a byte of it is given out;
//! - [`Collection`] finds out which chunks no manifest names, and frees their room.
//!
//! What goes in comes to be by one transaction of the one [`Writer`](crate::Writer): the places of its chunks, the event
//! whose body has the [`Blob`], and the end of the upload. Before that the packs are synced. So a blob that an event names
//! is there, whole, whenever the power goes.
//!
//! **Architecture Invariant:** nothing here knows where content comes from or goes to, and content is never in memory as a
//! whole. A chunk that anything may still refer to is not removed: see `collect.rs`.

mod check;
mod chunker;
mod chunks;
mod collect;
mod keys;
mod manifest;
mod named;
mod packs;
mod read;
mod upload;
mod whole;

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(crate) use chunks::place_value;
pub(crate) use keys::{BlobKeys, Name};
pub(crate) use named::Named;
pub use {
    check::DamagedChunk,
    collect::{Collected, Collection, Sweep, Swept},
    manifest::Blob,
    read::BlobReader,
    upload::{Begin, Checkpoint, Finished, Upload, UploadRefused, UploadState},
};

use crate::{Replica, ReplicaError, StoreKeys, Table};
use chunker::Chunker;
use packs::{Packs, Place};

/// Content of up to so many bytes stands in the body of its event, and larger content in chunks.
pub const INLINE: u64 = 64 << 10;

/// How much large content there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobUsage {
    /// Chunks.
    pub chunks: u64,
    /// Files they lie in.
    pub packs: u64,
    /// Bytes of these files.
    pub bytes: u64,
}

/// What an open store has of blobs beside its tables.
pub(crate) struct Blobs {
    chunker: Chunker,
    pub(crate) packs: Packs,
    held: Mutex<Held>,
}

/// What must not be removed though no manifest in the database names it yet.
#[derive(Default)]
struct Held {
    /// Chunks of uploads in progress.
    chunks: HashMap<Name, HeldChunk>,
    /// Uploads in progress.
    uploads: HashSet<[u8; 16]>,
    /// While a collection is in progress: every chunk that an upload has put or relied on since it began.
    touched: Option<HashSet<Name>>,
}

#[derive(Default)]
struct HeldChunk {
    /// Uploads that rely on it.
    uploads: u32,
    /// Where it lies, as long as this does not stand in the database.
    place: Option<Place>,
}

impl Blobs {
    pub(crate) fn new(store: &Path, keys: &StoreKeys) -> Blobs {
        Blobs { chunker: Chunker::new(keys.blobs.gear()), packs: Packs::new(store), held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id for an upload that nobody will ask for again.
pub fn random_id() -> Result<[u8; 16], ReplicaError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| ReplicaError::Io(error.into()))?;
    Ok(id)
}

impl Replica {
    /// Whether there are uploads that have not ended.
    pub fn has_uploads(&self) -> Result<bool, ReplicaError> {
        let txn = self.read()?;
        Ok(txn.count(Table::Upload)? != 0)
    }

    /// How much large content there is on disk.
    pub fn blob_usage(&self) -> Result<BlobUsage, ReplicaError> {
        let txn = self.read()?;
        let chunks = txn.count(Table::Chunk)?;
        drop(txn);
        let packs = self.blobs.packs.list()?;
        Ok(BlobUsage { chunks, packs: packs.len() as u64, bytes: packs.values().sum() })
    }
}
