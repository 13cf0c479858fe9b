//! What the next backup has to write: everything that is in no pack of the last one, and again whatever lies in a pack that
//! is missing, holds something that was erased since, or is of other events than are here now.
//!
//! What lies in the folder and is not taken over is looked at before it may go, see `earlier.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::{BadPack, ChunkPack, EventPack, Name, Pack, Point, chunks::Wanted, earlier::Earlier, events::Made};
use crate::{Replica, ReplicaError, format::FOLD_VERSION, read::Snapshot};

/// Packs below this length are put together when there are [`MANY`] of them: each backup leaves one.
const SMALL: u64 = 256 << 10;
const MANY: usize = 32;

/// Things that are damaged and are named; the rest is counted.
const NAMED: usize = 100;

/// A backup that is being made.
pub struct Plan {
    replica: Replica,
    events: Vec<EventPack>,
    chunks: Vec<ChunkPack>,
    /// After this place and up to that one.
    ranges: VecDeque<(u64, u64)>,
    wanted: Wanted,
    earlier: Earlier,
    /// What is damaged here, by place.
    damaged: BTreeMap<u64, String>,
    newest: u64,
    erasures: u64,
    erased_meanwhile: bool,
}

/// What is to be done next for a backup.
pub enum Next {
    /// This is to be written.
    Write(Pack),
    /// This lies there and stays.
    Keep(Name),
    /// This lies there and is to be given to [`Plan::look`] if it can be read; what is needed of it is written anew.
    Show(Name),
    /// All is packed.
    Nothing,
}

/// What of a backup is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Events that are damaged here.
    pub events: u64,
    /// Chunks that are damaged here.
    pub chunks: u64,
    /// Of these events, those that are whole in no pack.
    pub lost: u64,
    /// Of these chunks, those that are whole in no pack.
    pub lost_chunks: u64,
    /// Some of what is damaged, in words.
    pub named: Vec<String>,
    /// Events that the backup has and this archive has not, though nothing has erased them.
    pub elsewhere: u64,
}

impl Plan {
    /// Compares the last point with what lies in the folder (names and lengths) and with what is here.
    pub fn new(replica: &Replica, last: Option<Point>, there: &HashMap<Name, u64>) -> Result<Plan, ReplicaError> {
        let mut last = last.filter(|point| point.device == replica.device()).unwrap_or_default();
        let is_there = |name: &Name, length: u64| there.get(name) == Some(&length);
        last.events.retain(|pack| is_there(&pack.name, pack.length));
        last.chunks.retain(|pack| is_there(&pack.name, pack.length));
        let apart_events = apart(last.events.iter().map(|pack| (pack.name, pack.length)));
        let apart_chunks = apart(last.chunks.iter().map(|pack| (pack.name, pack.length)));
        let snapshot = replica.snapshot()?;
        let mut plan = Plan {
            replica: replica.clone(),
            events: Vec::new(),
            chunks: Vec::new(),
            ranges: VecDeque::new(),
            wanted: Wanted::default(),
            earlier: Earlier::new(there.keys().copied()),
            damaged: BTreeMap::new(),
            newest: snapshot.newest_place()?,
            erasures: snapshot.statistics()?.erasures,
            erased_meanwhile: false,
        };
        for pack in last.events {
            plan.compare(&snapshot, pack, &apart_events)?;
        }
        let here = snapshot.all_chunks()?;
        for pack in last.chunks {
            if !apart_chunks.contains(&pack.name) && pack.names().iter().all(|name| here.contains(name)) {
                plan.earlier.takes_over(&pack.name);
                plan.chunks.push(pack);
            } else {
                plan.earlier.has_chunks(pack);
            }
        }
        plan.wanted.look(&snapshot, &plan.chunks)?;
        drop(snapshot);
        plan.find_ranges();
        Ok(plan)
    }

    /// Takes a pack of events over if it holds what is here and nothing else.
    fn compare(&mut self, snapshot: &Snapshot<'_>, pack: EventPack, apart: &BTreeSet<Name>) -> Result<(), ReplicaError> {
        let follows = self.events.last().map_or(0, |before| before.last) < pack.first && pack.last <= self.newest;
        if !follows || pack.ids != Some(snapshot.ids(pack.first, pack.last, &pack.skipped)?) {
            return Ok(());
        }
        let mut damaged = Vec::new();
        for position in &pack.skipped {
            damaged.extend(snapshot.is_damaged(*position)?.map(|what| (*position, what)));
        }
        let is_as_it_was = damaged.len() == pack.skipped.len() && snapshot.present(pack.first, pack.last)? == pack.present;
        if is_as_it_was && !apart.contains(&pack.name) {
            self.earlier.takes_over(&pack.name);
            self.damaged.extend(damaged);
            self.events.push(pack);
        } else {
            // Its events are those that are here. Whether they are whole here is seen when they are packed.
            self.earlier.has_events(pack);
        }
        Ok(())
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

    /// What comes next: first what is here is packed, and then what lies there is looked at.
    pub fn next_step(&mut self) -> Result<Next, ReplicaError> {
        while let Some((after, to)) = self.ranges.pop_front() {
            let Some(Made { pack, entry, damaged, silent }) = self.replica.snapshot()?.event_pack(after, to)? else { continue };
            self.damaged.extend(damaged);
            self.earlier.silent.extend(silent);
            if entry.last < to {
                self.ranges.push_front((entry.last, to));
            }
            let at = self.events.partition_point(|other| other.first < entry.first);
            self.events.insert(at, entry);
            return Ok(Next::Write(pack));
        }
        if let Some((pack, entry)) = self.wanted.pack(&self.replica)? {
            self.chunks.push(entry);
            return Ok(Next::Write(pack));
        }
        let is_whole = self.damaged.is_empty() && self.wanted.damaged.is_empty();
        self.earlier.next(&self.replica, &self.events, &mut self.chunks, is_whole)
    }

    /// Looks at a pack that lies there, and takes what is not erased and not whole in the packs of this backup.
    pub fn look(&mut self, name: &Name, file: &[u8]) -> Result<Result<(), BadPack>, ReplicaError> {
        self.earlier.look(&self.replica, &self.events, name, file)
    }

    /// The point of what is packed. Nothing if more has been kept meanwhile: then there are more packs to make; with `last`
    /// it is made all the same, of what is packed.
    pub fn finish(&mut self, now: u64, last: bool) -> Result<Option<Point>, ReplicaError> {
        let replica = self.replica.clone();
        let snapshot = replica.snapshot()?;
        let newest = snapshot.newest_place()?;
        let statistics = snapshot.statistics()?;
        if statistics.erasures != self.erasures {
            self.erased_meanwhile = true;
        }
        let packed = self.events.last().map_or(0, |pack| pack.last);
        let whole = packed >= newest && self.ranges.is_empty() && self.wanted.is_empty() && self.earlier.is_done();
        if !whole && !last {
            self.newest = newest;
            self.wanted.look(&snapshot, &self.chunks)?;
            self.find_ranges();
            return Ok(None);
        }
        let is_known = whole && !self.erased_meanwhile && self.damaged.is_empty() && statistics.unsigned == 0;
        let fingerprint = match is_known.then(|| snapshot.fingerprint()).transpose() {
            // What is made of the events is damaged. The events are not.
            Err(ReplicaError::Damaged(_)) => None,
            other => other?,
        };
        let trouble = self.trouble()?;
        Ok(Some(Point {
            device: replica.device(),
            made: now,
            newest: packed,
            fingerprint,
            events: self.events.clone(),
            chunks: self.chunks.clone(),
            whole,
            others: self.earlier.others.clone(),
            lost: trouble.lost,
            lost_chunks: trouble.lost_chunks,
            missing: if whole { snapshot.missing()? } else { 0 },
            folds: FOLD_VERSION,
        }))
    }

    /// What is not as it should be, as far as it was found until now.
    pub fn trouble(&self) -> Result<Trouble, ReplicaError> {
        let snapshot = self.replica.snapshot()?;
        let saved = self.earlier.places(&snapshot)?;
        let is_packed = |name: &[u8; 16]| self.chunks.iter().any(|pack| pack.names().binary_search(name).is_ok());
        let count = |many: usize| many as u64;
        let events = self.damaged.iter().map(|(position, what)| format!("the event at place {position}: {what}"));
        let chunks = self.wanted.damaged.values().cloned();
        Ok(Trouble {
            events: count(self.damaged.len()),
            chunks: count(self.wanted.damaged.len()),
            lost: count(self.damaged.keys().filter(|position| !saved.contains(position)).count()),
            lost_chunks: count(self.wanted.damaged.keys().filter(|name| !is_packed(name)).count()),
            named: events.chain(chunks).take(NAMED).collect(),
            elsewhere: self.earlier.elsewhere,
        })
    }

    /// Events that are packed.
    pub fn packed_events(&self) -> u64 {
        self.events.iter().chain(&self.earlier.others).map(|pack| pack.count).sum()
    }

    /// Chunks that are packed.
    pub fn packed_chunks(&self) -> u64 {
        self.chunks.iter().map(|pack| pack.names().len() as u64).sum()
    }

    /// Bytes of all packs.
    pub fn packed_bytes(&self) -> u64 {
        let events = self.events.iter().chain(&self.earlier.others).map(|pack| pack.length);
        events.chain(self.chunks.iter().map(|pack| pack.length)).sum()
    }
}

/// The small packs where there are many, so that what is in them is packed again.
fn apart(packs: impl Iterator<Item = (Name, u64)>) -> BTreeSet<Name> {
    let small: BTreeSet<Name> = packs.filter(|(_, length)| *length < SMALL).map(|(name, _)| name).collect();
    if small.len() >= MANY { small } else { BTreeSet::new() }
}
