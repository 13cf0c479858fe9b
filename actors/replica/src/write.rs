//! The one writer: events in, one synced transaction out.

use std::collections::{BTreeSet, HashMap};

use ipc::event::{Clock, EventHeader, MAX_SEEN};
use zeroize::Zeroizing;

use crate::{
    Damage, Replica, ReplicaError,
    body::{self, Body},
    engine::{Overwritten, Writing, all},
    fold::HeldViews,
    log::{self, Recorded, hex},
    parcel::MAX_BODY,
    rebuild, sealed,
    tables::Table,
};

/// Something to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it is about.
    pub entity: [u8; 16],
    /// What it says.
    pub body: Body,
    /// What makes it the same as one that was kept before.
    pub once: Option<Once>,
}

/// The identity under which something is kept once.
pub type Once = [u8; 16];

/// It is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its place.
    pub position: u64,
    /// The event's id.
    pub id: [u8; 32],
    /// Its kind.
    pub kind: u16,
    /// What it is about.
    pub entity: [u8; 16],
    /// It had been kept before.
    pub again: bool,
}

/// Why a draft is not kept. Others of the same transaction are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something else was kept under this identity.
    #[error("something else was kept under this id before")]
    Conflict,
    /// It belongs to a conversation that was never begun.
    #[error("there is no such conversation")]
    NoConversation,
    /// There is no such file to be removed.
    #[error("there is no such file")]
    NoFile,
    /// It is larger than any store takes.
    #[error("it is larger than anything that can be kept")]
    TooLarge,
    /// What it is about, or it itself, was erased for good.
    #[error("it was erased, and what is erased does not come back")]
    Erased,
}

/// An author's newest event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) clock: Clock,
    pub(crate) id: [u8; 32],
}

/// Writes. It remembers where it is, so that it reads nothing it wrote itself.
pub struct Writer {
    pub(crate) replica: Replica,
    place: Place,
}

/// Where writing goes on.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The newest event of this device.
    pub(crate) head: Head,
    /// The latest clock of any event.
    pub(crate) latest: Clock,
    /// The last place that is taken.
    pub(crate) position: u64,
}

/// A transaction in progress.
pub struct Batch<'t> {
    pub(crate) replica: &'t Replica,
    pub(crate) txn: Box<dyn Writing + 't>,
    pub(crate) place: Place,
    /// Entities whose views are folded anew before the transaction ends.
    pub(crate) dirty: BTreeSet<[u8; 16]>,
    /// Conversations that changed and are put back when the transaction ends: once, however much was said in them.
    pub(crate) held: HeldViews,
    /// Keys that were unwrapped in this transaction.
    unwrapped: HashMap<[u8; 16], Zeroizing<[u8; 32]>>,
}

/// Keys that a transaction remembers unwrapped.
const MAX_UNWRAPPED: usize = 256;

impl Writer {
    pub(crate) fn new(replica: Replica) -> Result<Writer, ReplicaError> {
        let place = {
            let txn = replica.read()?;
            let last = txn.range_back(Table::Event, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded)?.next();
            let position = last.transpose()?.map_or(Ok(0), |(key, _)| log::position(key, "events"))?;
            let head = match txn.get(Table::Head, &replica.keys.device)? {
                Some(value) => Head::read(value)?,
                None => Head::default(),
            };
            let mut latest = head.clock;
            for row in all(&*txn, Table::Head)? {
                latest = latest.max(Head::read(row?.1)?.clock);
            }
            Place { head, latest, position }
        };
        Ok(Writer { replica, place })
    }

    /// Does some work in one transaction. When this returns well, all of it is on disk and synced; otherwise nothing of it
    /// is there.
    pub fn write<T>(&mut self, work: impl FnOnce(&mut Batch<'_>) -> Result<T, ReplicaError>) -> Result<T, ReplicaError> {
        let txn = self.replica.engine.write()?;
        let (dirty, held, unwrapped) = (BTreeSet::new(), HeldViews::new(), HashMap::new());
        let mut batch = Batch { replica: &self.replica, txn, place: self.place, dirty, held, unwrapped };
        let result = work(&mut batch)?;
        batch.settle()?;
        let Batch { txn, place, .. } = batch;
        txn.commit()?;
        self.place = place;
        Ok(result)
    }

    /// Makes everything that is derived from the events anew. What is read meanwhile may be incomplete.
    pub fn rebuild(&mut self) -> Result<(), ReplicaError> {
        rebuild::rebuild(self)
    }

    /// Overwrites what was removed from the tables and still lies on free pages. To be done after an erasure, when there
    /// is time: it writes as many bytes as are free. Returns how many those were.
    pub fn overwrite_free(&mut self) -> Result<u64, ReplicaError> {
        self.replica.engine.overwrite_free()
    }

    /// Some of that, in a transaction that ends soon, so that others can write in between; whether there is more to do.
    pub fn overwrite_some(&mut self, done: &mut Overwritten) -> Result<bool, ReplicaError> {
        self.replica.engine.overwrite_some(done)
    }
}

impl Batch<'_> {
    /// Keeps a draft as an event of this device, unless it was kept before.
    pub fn append(&mut self, draft: &Draft) -> Result<Result<Kept, Refused>, ReplicaError> {
        let plain = draft.body.to_bytes();
        if plain.len() > MAX_BODY || matches!(&draft.body, Body::Change(change) if !change.is_bounded()) {
            return Ok(Err(Refused::TooLarge));
        }
        let kind = draft.body.kind();
        // An erasure has a key that no erasure takes away.
        let entity = match kind {
            body::ERASE => body::ERASURES,
            body::RIGHT => body::RIGHTS,
            _ => draft.entity,
        };
        let digest = self.replica.keys.blind("once", &[&plain]);
        if let Some(once) = draft.once
            && let Some(value) = self.txn.get(Table::Once, &once_key(kind, &once))?
        {
            let (position, before) = value.split_first_chunk::<8>().ok_or(Damage::Record("identities"))?;
            let same = before == digest;
            let gone = before == ERASED_DIGEST;
            let position = u64::from_be_bytes(*position);
            let event = self.replica.event(self.txn.reading(), position)?;
            let kept = Kept { position, id: event.id, kind, entity: event.header.entity, again: true };
            return Ok(match (same, gone) {
                (true, _) => Ok(kept),
                (_, true) => Err(Refused::Erased),
                _ => Err(Refused::Conflict),
            });
        }
        let clock = self.replica.wall.next(self.place.latest);
        if self.is_entity_erased(&entity, kind, clock)? {
            return Ok(Err(Refused::Erased));
        }
        if let Err(refused) = self.check(draft)? {
            return Ok(Err(refused));
        }
        let event = self.write_own(entity, kind, clock, &plain)?;
        if let Some(once) = draft.once {
            let value = [&event.position.to_be_bytes()[..], &digest].concat();
            self.txn.put(Table::Once, &once_key(kind, &once), &value)?;
        }
        self.fold(&event, &draft.body)?;
        Ok(Ok(Kept { position: event.position, id: event.id, kind, entity, again: false }))
    }

    /// Adds the signature of an event.
    pub fn sign(&mut self, position: u64, signature: &[u8; 64]) -> Result<(), ReplicaError> {
        let key = position.to_be_bytes();
        let value = self.txn.get(Table::Event, &key)?.ok_or(Damage::Record("events"))?;
        let header = log::header_bytes(value).ok_or(Damage::Record("events"))?;
        let signed = log::value(header, Some(signature));
        self.txn.put(Table::Event, &key, &signed)?;
        self.txn.delete(Table::Unsigned, &key)
    }

    /// What must be there for a draft to make sense.
    fn check(&mut self, draft: &Draft) -> Result<Result<(), Refused>, ReplicaError> {
        if self.dirty.remove(&draft.entity) {
            self.refold(&draft.entity)?;
        }
        let there = match draft.body {
            Body::Message(_) | Body::Title(_) | Body::Trace(_) | Body::Attachment(_) => {
                self.has_conversation(&draft.entity)?.then_some(()).ok_or(Refused::NoConversation)
            }
            // On a branch, what is removed may lie in its base.
            Body::FileRemoved(ref removed) if removed.branch.is_none() => {
                let there = self.file(&draft.entity)?.is_some_and(|file| file.position != 0);
                there.then_some(()).ok_or(Refused::NoFile)
            }
            _ => Ok(()),
        };
        Ok(there)
    }

    /// Makes the next event of this device and writes it.
    fn write_own(&mut self, entity: [u8; 16], kind: u16, clock: Clock, plain: &[u8]) -> Result<Recorded, ReplicaError> {
        let keys = &self.replica.keys;
        let body = sealed::Body::new(plain)?;
        let header = EventHeader {
            space: keys.space,
            author: keys.device,
            sequence: self.place.head.sequence + 1,
            previous: self.place.head.id,
            clock,
            kind,
            entity,
            body_len: body.length,
            body_digest: body.digest,
            seen: self.newest_of(&entity)?,
        };
        let bytes = header.encode();
        let id = *blake3::hash(&bytes).as_bytes();
        let entity_key = self.entity_key(&entity)?;
        let sealed = body.seal(&entity_key, &id)?;
        self.store(Recorded { position: 0, id, header, signature: None }, &bytes, Some(&sealed))
    }

    /// Writes an event at the next place, with its indexes, and moves the author's head and the clock.
    pub(crate) fn store(&mut self, event: Recorded, bytes: &[u8], sealed: Option<&[u8]>) -> Result<Recorded, ReplicaError> {
        self.place.position += 1;
        let event = Recorded { position: self.place.position, ..event };
        let position = event.position.to_be_bytes();
        self.txn.append(Table::Event, &position, &log::value(bytes, event.signature.as_ref()))?;
        if let Some(sealed) = sealed {
            self.txn.append(Table::Body, &position, sealed)?;
        }
        if event.signature.is_none() {
            self.txn.append(Table::Unsigned, &position, &[])?;
        }
        self.index(&event)?;
        let header = &event.header;
        let head = Head { sequence: header.sequence, clock: header.clock, id: event.id };
        // What this device writes is always its newest; what fills a gap is not.
        let before = if event.signature.is_none() { None } else { self.txn.get(Table::Head, &header.author)? };
        if before.map(Head::read).transpose()?.is_none_or(|before| before.sequence < head.sequence) {
            self.txn.put(Table::Head, &header.author, &head.value())?;
        }
        if header.author == self.replica.keys.device {
            self.place.head = head;
        }
        self.place.latest = self.place.latest.max(header.clock);
        Ok(event)
    }

    /// Writes the indexes of an event that has none.
    pub(crate) fn index(&mut self, event: &Recorded) -> Result<(), ReplicaError> {
        self.index_again(event)?;
        self.tip(event)
    }

    /// Writes the rows that lead to an event, which may be there.
    pub(crate) fn index_again(&mut self, event: &Recorded) -> Result<(), ReplicaError> {
        let header = &event.header;
        let position = event.position.to_be_bytes();
        let clock = header.clock.0.to_be_bytes();
        self.txn.put(Table::Id, &event.id, &position)?;
        self.txn.put(Table::Entity, &[&header.entity[..], &clock, &header.author[..16], &position].concat(), &[])?;
        self.txn.put(Table::Kind, &[&header.kind.to_be_bytes()[..], &position].concat(), &[])?;
        self.txn.put(Table::Sequence, &log::sequence_key(&header.author, header.sequence), &position)?;
        self.txn.put(Table::Time, &[&clock[..], &event.id].concat(), &position)
    }

    /// Brings the heads of the event's entity up to date: it is one unless one that came before has seen it, and what it
    /// has seen is none. The order in which events come makes no difference.
    fn tip(&mut self, event: &Recorded) -> Result<(), ReplicaError> {
        let entity = &event.header.entity;
        for seen in &event.header.seen {
            let key = [&entity[..], seen].concat();
            match self.txn.get(Table::Tip, &key)? {
                Some([HEAD]) => self.txn.delete(Table::Tip, &key)?,
                Some(_) => {}
                None if self.txn.get(Table::Id, seen)?.is_some() => {}
                None => self.txn.put(Table::Tip, &key, &[AWAITED])?,
            }
        }
        let key = [&entity[..], &event.id].concat();
        if self.txn.get(Table::Tip, &key)?.is_some() {
            self.txn.delete(Table::Tip, &key)
        } else {
            self.txn.put(Table::Tip, &key, &[HEAD])
        }
    }

    /// The heads of an entity, newest first, as many as a header may name.
    fn newest_of(&self, entity: &[u8; 16]) -> Result<Vec<[u8; 32]>, ReplicaError> {
        let mut heads = self.replica.heads_of(self.txn.reading(), entity)?;
        if heads.len() > MAX_SEEN {
            let mut timed = Vec::with_capacity(heads.len());
            for id in heads {
                if let Some(event) = self.replica.find(self.txn.reading(), &id)? {
                    timed.push((event.header.clock, event.header.author, id));
                }
            }
            timed.sort_unstable();
            heads = timed.into_iter().rev().take(MAX_SEEN).map(|(_, _, id)| id).collect();
        }
        Ok(heads)
    }

    /// The key of an entity, made when it is first needed.
    pub(crate) fn entity_key(&mut self, entity: &[u8; 16]) -> Result<Zeroizing<[u8; 32]>, ReplicaError> {
        if let Some(key) = self.unwrapped.get(entity) {
            return Ok(key.clone());
        }
        let key = match self.replica.entity_key(self.txn.reading(), entity)? {
            Some(key) => key,
            None => {
                let mut key = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *key).map_err(|error| ReplicaError::Io(error.into()))?;
                let wrapped = sealed::wrap(&self.replica.keys, entity, &key)?;
                self.txn.put(Table::Key, entity, &wrapped)?;
                key
            }
        };
        if self.unwrapped.len() >= MAX_UNWRAPPED {
            self.unwrapped.clear();
        }
        self.unwrapped.insert(*entity, key.clone());
        Ok(key)
    }

    /// A key that is gone opens nothing any more.
    pub(crate) fn forget_key(&mut self, entity: &[u8; 16]) {
        self.unwrapped.remove(entity);
    }
}

/// In the table of heads: this is one.
pub(crate) const HEAD: u8 = 1;
/// In the table of heads: an event has seen this one, which has not come yet.
pub(crate) const AWAITED: u8 = 2;

/// Where the digest of a body was that is erased.
pub(crate) const ERASED_DIGEST: [u8; 16] = [0; 16];

impl Head {
    fn value(self) -> Vec<u8> {
        [&self.sequence.to_le_bytes()[..], &self.clock.0.to_le_bytes(), &self.id].concat()
    }

    pub(crate) fn read(value: &[u8]) -> Result<Head, ReplicaError> {
        let read = |value: &[u8]| {
            let (sequence, rest) = value.split_first_chunk::<8>()?;
            let (clock, id) = rest.split_first_chunk::<8>()?;
            let clock = Clock(u64::from_le_bytes(*clock));
            Some(Head { sequence: u64::from_le_bytes(*sequence), clock, id: id.try_into().ok()? })
        };
        Ok(read(value).ok_or(Damage::Record("heads"))?)
    }
}

pub(crate) fn once_key(kind: u16, once: &Once) -> Vec<u8> {
    [&kind.to_be_bytes()[..], once].concat()
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", hex(&self.id), self.position)
    }
}
