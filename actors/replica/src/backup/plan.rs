//! What the next backup has to write: everything that is in no pack of the last one, and again whatever lies in a pack that
//! is missing or holds something that was erased since.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::{ChunkPack, EventPack, Name, Pack, Packed, Point};
use crate::{Replica, ReplicaError};

/// Names looked at in one transaction.
const PAGE: usize = 8192;

/// Packs below this length are put together when there are [`MANY`] of them: each backup leaves one.
const SMALL: u64 = 256 << 10;
const MANY: usize = 32;

/// A backup that is being made.
pub struct Plan {
    replica: Replica,
    events: Vec<EventPack>,
    chunks: Vec<ChunkPack>,
    /// After this place and up to that one.
    ranges: VecDeque<(u64, u64)>,
    /// Chunks in no pack.
    wanted: Vec<[u8; 16]>,
    newest: u64,
    erasures: u64,
    erased_meanwhile: bool,
    /// Chunks that could not be read.
    pub unreadable: u64,
}

impl Plan {
    /// Compares the last point with what lies in the folder (names and lengths) and with what is here.
    pub fn new(replica: &Replica, last: Option<Point>, there: &HashMap<Name, u64>) -> Result<Plan, ReplicaError> {
        let mut last = last.filter(|point| point.device == replica.device()).unwrap_or_default();
        put_together(&mut last.events, |pack| pack.length);
        put_together(&mut last.chunks, |pack| pack.length);
        let is_there = |name: &Name, length: u64| there.get(name) == Some(&length);
        let snapshot = replica.snapshot()?;
        let (newest, erasures) = (snapshot.newest_place()?, snapshot.statistics()?.erasures);
        let mut events: Vec<EventPack> = Vec::new();
        for pack in last.events {
            let follows = events.last().map_or(0, |before| before.last) < pack.first && pack.last <= newest;
            let keeps = follows && is_there(&pack.name, pack.length);
            if keeps && snapshot.present(pack.first, pack.last)? == pack.present {
                events.push(pack);
            }
        }
        let mut here = HashSet::new();
        let mut after = None;
        loop {
            let names = snapshot.chunk_names(after.as_ref(), PAGE)?;
            let Some(name) = names.last() else { break };
            after = Some(*name);
            here.extend(names);
        }
        drop(snapshot);
        let keeps = |pack: &ChunkPack| is_there(&pack.name, pack.length) && pack.names().iter().all(|name| here.contains(name));
        let chunks: Vec<ChunkPack> = last.chunks.into_iter().filter(keeps).collect();
        for pack in &chunks {
            for name in pack.names() {
                here.remove(name);
            }
        }
        let mut wanted: Vec<_> = here.into_iter().collect();
        wanted.sort_unstable();
        let mut plan = Plan {
            replica: replica.clone(),
            events,
            chunks,
            ranges: VecDeque::new(),
            wanted,
            newest,
            erasures,
            erased_meanwhile: false,
            unreadable: 0,
        };
        plan.find_ranges();
        Ok(plan)
    }

    fn find_ranges(&mut self) {
        self.ranges.clear();
        let mut after = 0;
        for pack in &self.events {
            if pack.first > after + 1 {
                self.ranges.push_back((after, pack.first - 1));
            }
            after = pack.last;
        }
        if after < self.newest {
            self.ranges.push_back((after, self.newest));
        }
    }

    /// Packs it takes over from the last backup.
    pub fn kept(&self) -> BTreeSet<Name> {
        self.events.iter().map(|pack| pack.name).chain(self.chunks.iter().map(|pack| pack.name)).collect()
    }

    /// Makes the next pack; nothing when all is packed.
    pub fn next_pack(&mut self) -> Result<Option<Pack>, ReplicaError> {
        while let Some((after, to)) = self.ranges.pop_front() {
            let Some(pack) = self.replica.snapshot()?.event_pack(after, to)? else { continue };
            if let Packed::Events { first, last, present, count } = pack.packed {
                let length = pack.file.len() as u64;
                let entry = EventPack { name: pack.name, length, first, last, present, count };
                let at = self.events.partition_point(|other| other.first < first);
                self.events.insert(at, entry);
                if last < to {
                    self.ranges.push_front((last, to));
                }
            }
            return Ok(Some(pack));
        }
        let pack = self.replica.chunk_pack(&mut self.wanted, &mut self.unreadable)?;
        if let Some(pack) = &pack
            && let Packed::Chunks(names) = &pack.packed
        {
            let chunks = names.as_flattened().to_vec();
            self.chunks.push(ChunkPack { name: pack.name, length: pack.file.len() as u64, chunks });
        }
        Ok(pack)
    }

    /// The point of what is packed. Nothing if more has been kept meanwhile: then there are more packs to make; with `last`
    /// it is made all the same, of what is packed.
    pub fn finish(&mut self, now: u64, last: bool) -> Result<Option<Point>, ReplicaError> {
        let replica = self.replica.clone();
        let snapshot = replica.snapshot()?;
        let newest = snapshot.newest_place()?;
        if snapshot.statistics()?.erasures != self.erasures {
            self.erased_meanwhile = true;
        }
        let packed = self.events.last().map_or(0, |pack| pack.last);
        let whole = packed >= newest && self.ranges.is_empty() && self.wanted.is_empty();
        if !whole && !last {
            self.newest = newest;
            let packed = self.chunks.iter().flat_map(|pack| pack.names().iter().copied());
            let known: HashSet<[u8; 16]> = packed.chain(self.wanted.iter().copied()).collect();
            let mut after = None;
            loop {
                let names = snapshot.chunk_names(after.as_ref(), PAGE)?;
                let Some(name) = names.last() else { break };
                after = Some(*name);
                self.wanted.extend(names.into_iter().filter(|name| !known.contains(name)));
            }
            self.find_ranges();
            return Ok(None);
        }
        let fingerprint = if whole && !self.erased_meanwhile { Some(snapshot.fingerprint()?) } else { None };
        Ok(Some(Point {
            device: replica.device(),
            made: now,
            newest: packed,
            fingerprint,
            events: self.events.clone(),
            chunks: self.chunks.clone(),
            whole,
        }))
    }

    /// Events that are packed.
    pub fn packed_events(&self) -> u64 {
        self.events.iter().map(|pack| pack.count).sum()
    }

    /// Chunks that are packed.
    pub fn packed_chunks(&self) -> u64 {
        self.chunks.iter().map(|pack| pack.names().len() as u64).sum()
    }

    /// Bytes of all packs.
    pub fn packed_bytes(&self) -> u64 {
        let events = self.events.iter().map(|pack| pack.length);
        events.chain(self.chunks.iter().map(|pack| pack.length)).sum()
    }
}

/// Forgets small packs where there are many, so that what is in them is packed again.
fn put_together<T>(packs: &mut Vec<T>, length: impl Fn(&T) -> u64) {
    if packs.iter().filter(|pack| length(pack) < SMALL).count() >= MANY {
        packs.retain(|pack| length(pack) >= SMALL);
    }
}
