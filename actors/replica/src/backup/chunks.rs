//! Packing chunks: each is opened as its manifest says before it goes into a pack. What no manifest names cannot be opened
//! and belongs to nothing that could be put back; it is left out.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Bound,
};

use super::{
    ChunkPack,
    pack::{Chunks, Pack},
};
use crate::{Damage, Replica, ReplicaError, blobs::Named, read::Snapshot, tables::Table};

/// Names looked at in one transaction.
const PAGE: usize = 8192;

/// The chunks that are in no pack.
#[derive(Default)]
pub(super) struct Wanted {
    /// Those whose manifests are not found yet.
    new: HashSet<[u8; 16]>,
    /// Those that are packed next, from the end, as they are named.
    next: Vec<[u8; 16]>,
    named: Option<Named>,
    /// What is wrong with those that cannot be packed.
    pub(super) damaged: BTreeMap<[u8; 16], String>,
}

impl Wanted {
    /// Wants what is here and not in these packs.
    pub(super) fn look(&mut self, snapshot: &Snapshot<'_>, packs: &[ChunkPack]) -> Result<(), ReplicaError> {
        let packed: HashSet<_> = packs.iter().flat_map(|pack| pack.names()).collect();
        let is_new = |name: &[u8; 16]| !packed.contains(name) && !self.damaged.contains_key(name);
        self.new = snapshot.all_chunks()?.into_iter().filter(is_new).collect();
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.next.is_empty()
    }

    /// Packs as many as fit; nothing when none is left.
    pub(super) fn pack(&mut self, replica: &Replica) -> Result<Option<(Pack, ChunkPack)>, ReplicaError> {
        if !self.new.is_empty() {
            let named = replica.named_chunks(&self.new)?;
            self.new.clear();
            self.next = named.found.keys().copied().collect();
            self.next.sort_unstable();
            self.named = Some(named);
        }
        let Some(named) = &self.named else { return Ok(None) };
        let mut chunks = Chunks::new();
        while !chunks.is_full()
            && let Some(name) = self.next.pop()
        {
            let Some((made, entry)) = named.found.get(&name) else { continue };
            match replica.sealed_chunk(*made, entry) {
                Ok(sealed) => chunks.push(&name, &sealed)?,
                Err(error @ (ReplicaError::Damaged(_) | ReplicaError::Io(_))) => {
                    // It may have been removed meanwhile.
                    if replica.has_chunk(&name)? {
                        self.damaged.insert(name, error.to_string());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if chunks.names.is_empty() {
            return Ok(None);
        }
        let pack = chunks.seal(replica)?;
        chunks.names.sort_unstable();
        let names = chunks.names.as_flattened().to_vec();
        let entry = ChunkPack { name: pack.name, length: pack.file.len() as u64, chunks: names };
        Ok(Some((pack, entry)))
    }
}

impl Snapshot<'_> {
    /// Names of all chunks that are here.
    pub(super) fn all_chunks(&self) -> Result<HashSet<[u8; 16]>, ReplicaError> {
        let (mut here, mut after) = (HashSet::new(), None);
        loop {
            let names = self.chunk_names(after.as_ref(), PAGE)?;
            let Some(name) = names.last() else { return Ok(here) };
            after = Some(*name);
            here.extend(names);
        }
    }

    /// Names of chunks that are here, those after a name.
    pub fn chunk_names(&self, after: Option<&[u8; 16]>, limit: usize) -> Result<Vec<[u8; 16]>, ReplicaError> {
        let lower = after.map_or(Bound::Unbounded, |name| Bound::Excluded(&name[..]));
        let rows = self.txn.range(Table::Chunk, lower, Bound::Unbounded)?.take(limit);
        rows.map(|row| Ok(row?.0.try_into().map_err(|_| Damage::Record("chunks"))?)).collect()
    }
}

/// Of packs that are not taken over, those that have a chunk which no other has and which was not removed on purpose.
///
/// `whole`: everything here can be read, and nothing is known of another history. Only then does it say something that
/// nothing here names a chunk.
pub(super) fn still_needed(
    replica: &Replica,
    left: Vec<ChunkPack>,
    packed: &[ChunkPack],
    whole: bool,
) -> Result<Vec<ChunkPack>, ReplicaError> {
    let packed: HashSet<_> = packed.iter().flat_map(|pack| pack.names()).copied().collect();
    let here = replica.snapshot()?.all_chunks()?;
    let alone = |pack: ChunkPack| {
        let alone: Vec<[u8; 16]> = pack.names().iter().filter(|name| !packed.contains(*name)).copied().collect();
        (pack, alone)
    };
    let left: Vec<_> = left.into_iter().map(alone).collect();
    let gone: HashSet<[u8; 16]> =
        left.iter().flat_map(|(_, alone)| alone).filter(|name| !here.contains(*name)).copied().collect();
    let named = if whole && !gone.is_empty() { Some(replica.named_chunks(&gone)?) } else { None };
    let is_needed = |name: &[u8; 16]| {
        here.contains(name) || named.as_ref().is_none_or(|named| !named.complete || named.found.contains_key(name))
    };
    Ok(left.into_iter().filter(|(_, alone)| alone.iter().any(is_needed)).map(|(pack, _)| pack).collect())
}
