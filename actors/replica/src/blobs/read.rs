//! Content on its way out: all of a blob or a part of it, chunk by chunk, in memory of one chunk and the lists above it.
//! Nothing of a chunk is given out before all of it was checked.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{
    Blob,
    chunks::adds_up,
    keys::Made,
    manifest::{self, Entry, MAX_LEVELS, TOP},
};
use crate::{Damage, Replica, ReplicaError};

/// Reads a blob. It can go on while the store is written to.
pub struct BlobReader {
    replica: Replica,
    blob: Blob,
    /// The lists that are read, the uppermost first.
    lists: Vec<List>,
    /// What is to be given out.
    range: Range<u64>,
}

struct List {
    entries: std::vec::IntoIter<Entry>,
    /// Where in the blob its next entry begins.
    at: u64,
    /// Lists between it and the content.
    levels: u8,
}

impl Replica {
    /// Reads this much of a blob. What lies beyond its end is left out.
    pub fn read_blob(&self, blob: &Blob, range: Range<u64>) -> Result<BlobReader, ReplicaError> {
        let entries = manifest::decode(&blob.entries, TOP);
        let entries = entries.filter(|entries| blob.levels <= MAX_LEVELS && adds_up(entries, blob.length));
        let entries = entries.ok_or(Damage::Record("manifests"))?.into_iter();
        let end = range.end.min(blob.length);
        let top = List { entries, at: 0, levels: blob.levels };
        Ok(BlobReader { replica: self.clone(), blob: blob.clone(), lists: vec![top], range: range.start.min(end)..end })
    }

    /// Reads all of a blob and checks that it is what it was.
    pub fn check_blob(&self, blob: &Blob) -> Result<(), ReplicaError> {
        let mut hasher = blake3::Hasher::new();
        let mut reader = self.read_blob(blob, 0..u64::MAX)?;
        while let Some(bytes) = reader.next_chunk()? {
            hasher.update(&bytes);
        }
        if *hasher.finalize().as_bytes() != blob.hash {
            return Err(Damage::Record("manifests").into());
        }
        Ok(())
    }
}

impl BlobReader {
    /// The blob.
    pub fn blob(&self) -> &Blob {
        &self.blob
    }

    /// The next bytes, at most those of a chunk; `None` at the end.
    pub fn next_chunk(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, ReplicaError> {
        while self.range.start < self.range.end {
            let Some(list) = self.lists.last_mut() else { return Err(Damage::Record("manifests").into()) };
            let Some(entry) = list.entries.next() else {
                self.lists.pop();
                continue;
            };
            let at = list.at;
            list.at += entry.length;
            if list.at <= self.range.start {
                continue;
            }
            if list.levels > 0 {
                let levels = list.levels - 1;
                let entries = self.replica.list(&entry)?.into_iter();
                self.lists.push(List { entries, at, levels });
                continue;
            }
            let mut bytes = self.replica.chunk(Made::Leaf, &entry)?;
            // A chunk fits into memory, so its length fits into a `usize`.
            let end = (self.range.end - at).min(entry.length) as usize;
            let from = (self.range.start - at) as usize;
            bytes.truncate(end);
            bytes.drain(..from);
            self.range.start = at + end as u64;
            return Ok(Some(bytes));
        }
        Ok(None)
    }
}
