//! Looking at every chunk of a blob, and going on where one is damaged: which it is, and in which file.

use std::collections::HashSet;

use super::{
    Blob,
    keys::Made,
    manifest::{self, Entry, TOP},
    packs::file_name,
};
use crate::{Damage, Replica, ReplicaError};

/// A chunk that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedChunk {
    /// Its name.
    pub name: [u8; 16],
    /// What is wrong.
    pub what: String,
    /// The file it lies in, below the directory of the store, and its first byte there.
    pub place: Option<(String, u64)>,
}

impl Replica {
    /// The chunks of a blob that are not what was written, those aside that are in `seen`; all that were looked at are put
    /// there.
    pub fn damaged_chunks(&self, blob: &Blob, seen: &mut HashSet<[u8; 16]>) -> Result<Vec<DamagedChunk>, ReplicaError> {
        let mut damaged = Vec::new();
        let entries = manifest::decode(&blob.entries, TOP).ok_or(Damage::Record("manifests"))?;
        self.look(&entries, blob.levels, seen, &mut damaged)?;
        Ok(damaged)
    }

    fn look(
        &self,
        entries: &[Entry],
        levels: u8,
        seen: &mut HashSet<[u8; 16]>,
        damaged: &mut Vec<DamagedChunk>,
    ) -> Result<(), ReplicaError> {
        for entry in entries {
            let name = self.keys.blobs.name(&entry.digest);
            if !seen.insert(name) {
                continue;
            }
            let looked = match levels {
                0 => self.chunk(Made::Leaf, entry).map(|_| Vec::new()),
                _ => self.list(entry),
            };
            match looked {
                Ok(below) => self.look(&below, levels.saturating_sub(1), seen, damaged)?,
                Err(ReplicaError::Damaged(damage)) => {
                    let place = self.read().and_then(|txn| self.place(&*txn, &name)).ok().flatten();
                    let place = place.map(|place| (format!("blobs/{}", file_name(place.pack)), u64::from(place.offset)));
                    damaged.push(DamagedChunk { name, what: damage.to_string(), place });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
