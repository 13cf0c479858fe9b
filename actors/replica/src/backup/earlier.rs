//! What earlier backups have left in the folder and this one does not take over.
//!
//! **Architecture Invariant:** nothing that was backed up and is not erased leaves the backup because the archive does not
//! have it: an older copy of the archive may have been put in its place, or a disk may have forgotten it. So a pack goes
//! only if all that is in it was packed again, whole, or was erased. What is left of it otherwise is packed beside.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::{BadPack, ChunkPack, EventPack, Inside, Name, chunks, pack::Events, plan::Next};
use crate::{
    Replica, ReplicaError,
    parcel::{Carried, Parcel},
    read::Snapshot,
    tables::Table,
};

/// See the module.
pub(super) struct Earlier {
    /// Packs that lie there and have not been decided on.
    left: BTreeSet<Name>,
    /// Of these, those of which it is known that their events are those that are here now.
    same: HashMap<Name, EventPack>,
    /// Of these, those of which it is known which chunks they have.
    chunks: Vec<ChunkPack>,
    keep: VecDeque<Name>,
    /// Places of events that say nothing here though nothing is known to have erased them.
    pub(super) silent: BTreeSet<u64>,
    /// Packs of what is not whole here.
    pub(super) others: Vec<EventPack>,
    /// What is in them and in `next`.
    taken: HashSet<[u8; 32]>,
    next: Events,
    full: VecDeque<Events>,
    /// Events in them that are not here at all.
    pub(super) elsewhere: u64,
    /// Whether a pack cannot be opened though it is as it was written.
    is_strange: bool,
}

impl Earlier {
    pub(super) fn new(there: impl Iterator<Item = Name>) -> Earlier {
        Earlier {
            left: there.collect(),
            same: HashMap::new(),
            chunks: Vec::new(),
            keep: VecDeque::new(),
            silent: BTreeSet::new(),
            others: Vec::new(),
            taken: HashSet::new(),
            next: Events::new(),
            full: VecDeque::new(),
            elsewhere: 0,
            is_strange: false,
        }
    }

    /// A pack is one of the new backup.
    pub(super) fn takes_over(&mut self, name: &Name) {
        self.left.remove(name);
    }

    /// A pack has the events that are here now, and is to be packed again.
    pub(super) fn has_events(&mut self, pack: EventPack) {
        self.same.insert(pack.name, pack);
    }

    /// A pack has these chunks, and is not taken over.
    pub(super) fn has_chunks(&mut self, pack: ChunkPack) {
        self.left.remove(&pack.name);
        self.chunks.push(pack);
    }

    /// What comes next. Everything that is here has been packed: in `events` and `chunks`.
    pub(super) fn next(
        &mut self,
        replica: &Replica,
        events: &[EventPack],
        chunks: &mut Vec<ChunkPack>,
        is_whole: bool,
    ) -> Result<Next, ReplicaError> {
        if let Some(full) = self.full.pop_front() {
            return self.seal(replica, full);
        }
        while let Some(name) = self.left.pop_first() {
            if !self.same.remove(&name).is_some_and(|pack| self.is_packed_again(&pack, events)) {
                return Ok(Next::Show(name));
            }
        }
        if self.next.count > 0 {
            let next = std::mem::replace(&mut self.next, Events::new());
            return self.seal(replica, next);
        }
        if !self.chunks.is_empty() {
            let left = std::mem::take(&mut self.chunks);
            let is_whole = is_whole && self.others.is_empty() && !self.is_strange;
            for pack in chunks::still_needed(replica, left, chunks, is_whole)? {
                self.keep.push_back(pack.name);
                chunks.push(pack);
            }
        }
        Ok(self.keep.pop_front().map_or(Next::Nothing, Next::Keep))
    }

    pub(super) fn is_done(&self) -> bool {
        let none = self.left.is_empty() && self.chunks.is_empty() && self.keep.is_empty();
        none && self.next.count == 0 && self.full.is_empty()
    }

    fn seal(&mut self, replica: &Replica, events: Events) -> Result<Next, ReplicaError> {
        let count = events.count;
        let pack = events.seal(replica, 0, 0)?;
        let length = pack.file.len() as u64;
        self.others.push(beside(pack.name, length, count));
        Ok(Next::Write(pack))
    }

    /// Whether all of a pack whose events are those that are here was found whole when it was packed again.
    fn is_packed_again(&self, pack: &EventPack, events: &[EventPack]) -> bool {
        if events.last().is_none_or(|packed| packed.last < pack.last) {
            return false;
        }
        let skipped = events.iter().flat_map(|pack| &pack.skipped);
        !skipped.chain(&self.silent).any(|position| pack.has(*position))
    }

    /// See [`Plan::look`](super::Plan::look).
    pub(super) fn look(
        &mut self,
        replica: &Replica,
        events: &[EventPack],
        name: &Name,
        file: &[u8],
    ) -> Result<Result<(), BadPack>, ReplicaError> {
        let parcels = match replica.open_pack(name, file) {
            Ok(Inside::Events(parcels)) => parcels,
            Ok(Inside::Chunks(chunks)) => {
                let mut names: Vec<_> = chunks.into_iter().map(|(name, _)| name).collect();
                names.sort_unstable();
                let chunks = names.as_flattened().to_vec();
                self.chunks.push(ChunkPack { name: *name, length: file.len() as u64, chunks });
                return Ok(Ok(()));
            }
            Err(BadPack::Changed) => return Ok(Err(BadPack::Changed)),
            Err(bad) => {
                // Whoever made it can open it.
                self.is_strange = true;
                self.keep.push_back(*name);
                return Ok(Err(bad));
            }
        };
        let snapshot = replica.snapshot()?;
        let (count, mut is_as_it_was, mut needed) = (parcels.len() as u64, true, Vec::new());
        for parcel in parcels {
            match self.needs(&snapshot, events, &parcel)? {
                Need::Nothing => is_as_it_was = false,
                Need::Header => {
                    is_as_it_was &= parcel.body == Carried::Erased;
                    needed.push(Parcel { body: Carried::Erased, ..parcel });
                }
                Need::All => needed.push(parcel),
            }
        }
        if is_as_it_was && count > 0 {
            let length = file.len() as u64;
            self.keep.push_back(*name);
            self.others.push(beside(*name, length, count));
            return Ok(Ok(()));
        }
        for parcel in &needed {
            self.next.push(parcel)?;
            if self.next.is_full() {
                self.full.push_back(std::mem::replace(&mut self.next, Events::new()));
            }
        }
        Ok(Ok(()))
    }

    /// What of an event of an earlier pack is in none of the packs of what is here.
    fn needs(&mut self, snapshot: &Snapshot<'_>, events: &[EventPack], parcel: &Parcel) -> Result<Need, ReplicaError> {
        let Ok(verified) = snapshot.replica.intact(parcel) else { return Ok(Need::Nothing) };
        let (header, id) = (&verified.header, verified.id);
        let is_erased = parcel.body == Carried::Erased || snapshot.is_erased(header, &id)?;
        let place = snapshot.replica.position_of(&*snapshot.txn, &id)?;
        if let Some(position) = place {
            let key = position.to_be_bytes();
            let at = events.partition_point(|pack| pack.last < position);
            let is_packed =
                events.get(at).is_some_and(|pack| pack.has(position)) && snapshot.txn.get(Table::Unsigned, &key)?.is_none();
            if is_packed && (is_erased || snapshot.txn.get(Table::Body, &key)?.is_some()) {
                return Ok(Need::Nothing);
            }
        }
        if !self.taken.insert(id) {
            return Ok(Need::Nothing);
        }
        self.elsewhere += u64::from(place.is_none());
        Ok(if is_erased { Need::Header } else { Need::All })
    }

    /// Places here of what is in other packs.
    pub(super) fn places(&self, snapshot: &Snapshot<'_>) -> Result<BTreeSet<u64>, ReplicaError> {
        let mut places = BTreeSet::new();
        for id in &self.taken {
            places.extend(snapshot.replica.position_of(&*snapshot.txn, id)?);
        }
        Ok(places)
    }
}

/// What is needed of an event.
enum Need {
    Nothing,
    /// That there was one: what it said is erased.
    Header,
    All,
}

/// A pack of what is at no places here.
fn beside(name: Name, length: u64, count: u64) -> EventPack {
    EventPack { name, length, first: 0, last: 0, present: [0; 16], count, ids: None, skipped: Vec::new() }
}
