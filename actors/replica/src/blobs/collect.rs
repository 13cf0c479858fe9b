//! Freeing the room of chunks that no manifest names: mark and sweep, beside everything else that goes on.
//!
//! What is marked is what the manifests of all events name, of those that were erased none, and what unfinished uploads
//! have put down. What an upload has put or relied on since the collection began is held by `Held`, which every upload
//! tells *before* it looks whether a chunk is there; and each step of the sweep holds the lock on it until its
//! transaction has ended. So a chunk is either seen to be held, or seen to be gone.
//!
//! Room is freed by packs: one without any chunk is removed; of one with much waste the rest moves into another first.
//! Sealed chunks are bound to their name and not to their place, so they move as they are.
//!
//! Where anything cannot be read, or is of a kind that only a newer program knows, nothing is removed.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Bound,
};

use super::{
    Blob,
    chunks::{place_of, place_value},
    keys::Name,
    manifest::{self, Entry, TOP},
    packs::Place,
};
use crate::{
    Damage, Replica, ReplicaError, Table, Writer,
    body::{Body, WITH_BLOBS},
    engine::{Reading, all},
};

/// Milliseconds for which an unfinished upload is kept after something last came: a week.
const KEPT: u64 = 7 * 24 * 60 * 60 * 1000;

/// Names that are marked at once. Where there are more, they are marked in several passes, each of a part of all names.
const MARKED: u64 = 4 << 20;

/// Rows that are looked at, or changed, in one transaction.
const ROWS: usize = 4096;

/// A pack is rewritten when more than a part of this of it is waste.
const WASTE: u64 = 4;

/// Packs below this length are put together when there are [`MANY`] of them.
const SMALL: u64 = 8 << 20;
const MANY: usize = 16;

/// What came of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Nothing was removed, because there are events of a kind that this program does not know.
    pub unknown_kinds: bool,
    /// Blobs that events refer to.
    pub blobs: u64,
    /// Bytes of these blobs.
    pub bytes: u64,
    /// How often they name chunks of content.
    pub uses: u64,
    /// Unfinished uploads that were given up.
    pub uploads: u64,
    /// Chunks that were removed.
    pub chunks: u64,
    /// Packs that were removed.
    pub packs: u64,
    /// Chunks that were moved into other packs.
    pub moved: u64,
}

/// A collection in progress; there is one at a time.
pub struct Collection {
    replica: Replica,
    now: u64,
    collected: Collected,
}

/// A step that is for the one writer to do.
pub struct Sweep {
    replica: Replica,
    what: What,
}

enum What {
    Uploads(Vec<[u8; 16]>),
    Forget(Vec<Name>),
    Move(Vec<(Name, Place, Place)>),
}

/// How many rows a step has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept(u64);

/// Hands a step to the writer and waits for it.
type Work<'w> = &'w mut dyn FnMut(Sweep) -> Result<Swept, ReplicaError>;

impl Replica {
    /// Begins a collection, unless one is in progress. `now`: milliseconds since 1970.
    pub fn collect(&self, now: u64) -> Option<Collection> {
        let held = &mut *self.blobs.held();
        if held.touched.is_some() {
            return None;
        }
        held.touched = Some(held.chunks.keys().copied().collect());
        Some(Collection { replica: self.clone(), now, collected: Collected::default() })
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.replica.blobs.held().touched = None;
    }
}

impl Collection {
    /// Does it. `work` hands each step to whoever has the writer.
    pub fn run(mut self, work: Work<'_>) -> Result<Collected, ReplicaError> {
        self.uploads(work)?;
        if self.has_unknown_kinds()? {
            self.collected.unknown_kinds = true;
            return Ok(self.collected);
        }
        let chunks = self.replica.blob_usage()?.chunks;
        let passes = chunks.div_ceil(MARKED).clamp(1, 1 << 16).next_power_of_two();
        for pass in 0..passes {
            let mut marked = Marked { names: HashSet::new(), passes, pass };
            self.mark(&mut marked)?;
            self.sweep(&marked, work)?;
        }
        self.packs(work)?;
        Ok(self.collected)
    }

    fn step(&self, what: What, work: Work<'_>) -> Result<u64, ReplicaError> {
        work(Sweep { replica: self.replica.clone(), what }).map(|Swept(rows)| rows)
    }

    /// Gives up uploads that nobody goes on with.
    fn uploads(&mut self, work: Work<'_>) -> Result<(), ReplicaError> {
        let mut left = Vec::new();
        let snapshot = self.replica.snapshot()?;
        for row in all(&*snapshot.txn, Table::Upload)? {
            let (id, row) = row?;
            let (entity, state) = snapshot.read_upload(id, row)?;
            let goes_on = state.is_some_and(|state| {
                let state = state.told(entity);
                state.resumable && state.touched.saturating_add(KEPT) > self.now
            });
            if !goes_on {
                left.push(id.try_into().map_err(|_| Damage::Record("uploads"))?);
            }
        }
        drop(snapshot);
        if !left.is_empty() {
            self.collected.uploads = self.step(What::Uploads(left), work)?;
        }
        Ok(())
    }

    fn has_unknown_kinds(&self) -> Result<bool, ReplicaError> {
        let txn = self.replica.read()?;
        let mut from = Some(0u16);
        while let Some(kind) = from {
            let begin = kind.to_be_bytes();
            let next = txn.range(Table::Kind, Bound::Included(&begin), Bound::Unbounded)?.next();
            let Some((key, _)) = next.transpose()? else { break };
            let kind = u16::from_be_bytes(*key.first_chunk().ok_or(Damage::Record("kinds"))?);
            if !Body::is_known(kind) {
                return Ok(true);
            }
            from = kind.checked_add(1);
        }
        Ok(false)
    }

    /// Marks what manifests and uploads name.
    fn mark(&mut self, marked: &mut Marked) -> Result<(), ReplicaError> {
        let replica = self.replica.clone();
        let counts = marked.pass == 0;
        for kind in WITH_BLOBS {
            let mut after = 0;
            loop {
                let blobs = replica.blobs_of(*kind, &mut after)?;
                let Some(blobs) = blobs else { break };
                for blob in blobs {
                    let entries = manifest::decode(&blob.entries, TOP).ok_or(Damage::Record("manifests"))?;
                    let mut uses = 0;
                    entries.iter().try_for_each(|entry| marked.mark(&replica, blob.levels, entry, &mut uses))?;
                    if counts {
                        self.collected.blobs += 1;
                        self.collected.bytes += blob.length;
                        self.collected.uses += uses;
                    }
                }
            }
        }
        let mut uploads = Vec::new();
        let snapshot = replica.snapshot()?;
        for row in all(&*snapshot.txn, Table::Upload)? {
            let (id, row) = row?;
            if let (_, Some(state)) = snapshot.read_upload(id, row)? {
                uploads.push(state.lists().ok_or(Damage::Record("uploads"))?);
            }
        }
        drop(snapshot);
        uploads
            .iter()
            .flat_map(|lists| lists.entries())
            .try_for_each(|(level, entry)| marked.mark(&replica, level, &entry, &mut 0))
    }

    /// Forgets where chunks lie that were not marked.
    fn sweep(&mut self, marked: &Marked, work: Work<'_>) -> Result<(), ReplicaError> {
        let mut after = None;
        while let Some(page) = self.replica.chunk_page(&mut after)? {
            let unmarked = page.into_iter().map(|(name, _)| name);
            let unmarked: Vec<Name> = unmarked.filter(|name| marked.is_of_pass(name) && !marked.names.contains(name)).collect();
            if !unmarked.is_empty() {
                self.collected.chunks += self.step(What::Forget(unmarked), work)?;
            }
        }
        Ok(())
    }

    /// Frees the room of what was forgotten.
    fn packs(&mut self, work: Work<'_>) -> Result<(), ReplicaError> {
        if self.collected.chunks > 0 {
            self.replica.blobs.packs.close()?;
        }
        // Of these packs nothing new is ever entered, so what the table says of them from here on is all there is.
        let at_rest = self.replica.blobs.packs.at_rest()?;
        let mut used: BTreeMap<u64, u64> = BTreeMap::new();
        let mut after = None;
        while let Some(page) = self.replica.chunk_page(&mut after)? {
            for (_, place) in page {
                *used.entry(place.pack).or_default() += u64::from(place.length);
            }
        }
        let small = at_rest.values().filter(|length| **length < SMALL).count() >= MANY;
        let mut rewritten = HashSet::new();
        for (pack, length) in at_rest {
            match used.get(&pack) {
                None => {
                    self.replica.blobs.packs.remove(pack)?;
                    self.collected.packs += 1;
                }
                Some(used) if (length - length / WASTE) > *used || (small && length < SMALL) => {
                    rewritten.insert(pack);
                }
                Some(_) => {}
            }
        }
        if rewritten.is_empty() { Ok(()) } else { self.rewrite(&rewritten, work) }
    }

    /// Moves what is left in these packs elsewhere and removes them.
    fn rewrite(&mut self, packs: &HashSet<u64>, work: Work<'_>) -> Result<(), ReplicaError> {
        let mut after = None;
        let mut stay: HashSet<u64> = HashSet::new();
        while let Some(page) = self.replica.chunk_page(&mut after)? {
            let there: Vec<_> = page.into_iter().filter(|(_, place)| packs.contains(&place.pack)).collect();
            if there.is_empty() {
                continue;
            }
            let mut moves = Vec::new();
            let moved = self.copy(&there, &mut moves, &mut stay).and_then(|()| {
                self.replica.blobs.packs.sync(moves.iter().map(|(_, _, to): &(Name, Place, Place)| to.pack))?;
                self.step(What::Move(moves.clone()), work)
            });
            moves.iter().for_each(|(_, _, to)| self.replica.blobs.packs.settle(to.pack));
            self.collected.moved += moved?;
        }
        for pack in packs.difference(&stay) {
            self.replica.blobs.packs.remove(*pack)?;
            self.collected.packs += 1;
        }
        Ok(())
    }

    fn copy(
        &self,
        chunks: &[(Name, Place)],
        moves: &mut Vec<(Name, Place, Place)>,
        stay: &mut HashSet<u64>,
    ) -> Result<(), ReplicaError> {
        for (name, place) in chunks {
            match self.replica.blobs.packs.read(*place) {
                Ok(sealed) => moves.push((*name, *place, self.replica.blobs.packs.append(&sealed)?)),
                // What cannot be read stays where it is, to be found and named by whoever reads it.
                Err(_) => drop(stay.insert(place.pack)),
            }
        }
        Ok(())
    }
}

/// Names that are named by something.
struct Marked {
    names: HashSet<Name>,
    passes: u64,
    pass: u64,
}

impl Marked {
    fn is_of_pass(&self, name: &Name) -> bool {
        let first = u64::from(u16::from_be_bytes([name[0], name[1]]));
        (first * self.passes) >> 16 == self.pass
    }

    fn mark(&mut self, replica: &Replica, levels: u8, entry: &Entry, uses: &mut u64) -> Result<(), ReplicaError> {
        let name = replica.keys.blobs.name(&entry.digest);
        if self.is_of_pass(&name) {
            self.names.insert(name);
        }
        match levels.checked_sub(1) {
            None => *uses += 1,
            Some(levels) => replica.list(entry)?.iter().try_for_each(|entry| self.mark(replica, levels, entry, uses))?,
        }
        Ok(())
    }
}

impl Sweep {
    /// Does the step.
    pub fn apply(&self, writer: &mut Writer) -> Result<Swept, ReplicaError> {
        // Held until the transaction has ended: an upload that comes later sees what is gone.
        let held = self.replica.blobs.held();
        let mut rows = 0;
        writer.write(|batch| {
            match &self.what {
                What::Uploads(ids) => {
                    for id in ids.iter().filter(|id| !held.uploads.contains(*id)) {
                        rows += 1;
                        batch.txn.delete(Table::Upload, id)?;
                    }
                }
                What::Forget(names) => {
                    let touched = |name: &Name| held.touched.as_ref().is_none_or(|touched| touched.contains(name));
                    for name in names.iter().filter(|name| !held.chunks.contains_key(*name) && !touched(name)) {
                        rows += u64::from(batch.txn.get(Table::Chunk, name)?.is_some());
                        batch.txn.delete(Table::Chunk, name)?;
                    }
                }
                What::Move(moves) => {
                    for (name, from, to) in moves {
                        if self.replica.place(batch.txn.reading(), name)? == Some(*from) {
                            batch.txn.put(Table::Chunk, name, &place_value(&self.replica.keys, name, *to)?)?;
                            rows += 1;
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(Swept(rows))
    }
}

impl Replica {
    /// Some chunks and their places, those after a name; `None` at the end.
    fn chunk_page(&self, after: &mut Option<Name>) -> Result<Option<Vec<(Name, Place)>>, ReplicaError> {
        let txn = self.read()?;
        let lower = after.as_ref().map_or(Bound::Unbounded, |name| Bound::Excluded(&name[..]));
        let mut page = Vec::new();
        for row in txn.range(Table::Chunk, lower, Bound::Unbounded)?.take(ROWS) {
            let (name, value) = row?;
            let name: Name = name.try_into().map_err(|_| Damage::Record("chunks"))?;
            page.push((name, place_of(&self.keys, &name, value)?));
        }
        *after = page.last().map(|(name, _)| *name);
        Ok((!page.is_empty()).then_some(page))
    }

    /// The blobs of some events of a kind, those after a place; `None` at the end.
    fn blobs_of(&self, kind: u16, after: &mut u64) -> Result<Option<Vec<Blob>>, ReplicaError> {
        let txn = self.read()?;
        let positions = positions_of(&*txn, kind, *after)?;
        let Some(last) = positions.last() else { return Ok(None) };
        *after = *last;
        let mut blobs = Vec::new();
        for position in positions {
            // One that was erased says nothing any more, be its header readable or not.
            if txn.get(Table::Body, &position.to_be_bytes())?.is_some()
                && let Some(record) = self.record(&*txn, position)?
            {
                blobs.extend(record.body.blob().cloned());
            }
        }
        Ok(Some(blobs))
    }
}

/// Places of events of a kind, those after a place.
fn positions_of(txn: &dyn Reading, kind: u16, after: u64) -> Result<Vec<u64>, ReplicaError> {
    let key = |position: u64| [&kind.to_be_bytes()[..], &position.to_be_bytes()].concat();
    let (lower, upper) = (key(after), key(u64::MAX));
    let mut positions = Vec::new();
    for row in txn.range(Table::Kind, Bound::Excluded(&lower), Bound::Included(&upper))?.take(ROWS / 16) {
        let position = row?.0.last_chunk::<8>().ok_or(Damage::Record("kinds"))?;
        positions.push(u64::from_be_bytes(*position));
    }
    Ok(positions)
}
