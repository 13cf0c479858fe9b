//! A replica in memory that judges as a real one does: ids, signatures, chains, clocks and bodies. A `take` is all or
//! nothing, so throwing a session away is what a kill leaves behind.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ed25519_dalek::{Signature, Signer as _, SigningKey};
use ipc::event::{Clock, EventHeader, SIGNING_TAG};
use replica::chum::{Author, BadParcel, Carried, Head, Id, Link, Parcel, Side, SideError, Taken};

/// How far ahead a clock may be.
pub(crate) const BORNE: u64 = 10 * 60 * 1000;

/// When the tests begin.
pub(crate) const NOON: u64 = 1_800_000_000_000;

pub(crate) struct Memory {
    pub(crate) space: [u8; 16],
    /// It holds a window, not whole chains.
    pub(crate) sparse: bool,
    /// Milliseconds, by its own clock.
    pub(crate) now: u64,
    /// It fails when it is asked to take.
    pub(crate) broken: bool,
    /// Events that were kept, and kept again.
    pub(crate) kept: u64,
    /// Parcels that were handed to it.
    pub(crate) handed: u64,
    me: SigningKey,
    events: HashMap<Id, (Parcel, EventHeader)>,
    chains: BTreeMap<Author, BTreeMap<u64, Id>>,
    time: BTreeSet<(u64, Id)>,
    cursors: BTreeMap<Author, Head>,
}

impl Memory {
    pub(crate) fn new(key: u8) -> Memory {
        Memory {
            space: [7; 16],
            sparse: false,
            now: NOON,
            broken: false,
            kept: 0,
            handed: 0,
            me: SigningKey::from_bytes(&[key; 32]),
            events: HashMap::new(),
            chains: BTreeMap::new(),
            time: BTreeSet::new(),
            cursors: BTreeMap::new(),
        }
    }

    pub(crate) fn window(key: u8) -> Memory {
        Memory { sparse: true, ..Memory::new(key) }
    }

    pub(crate) fn author(&self) -> Author {
        self.me.verifying_key().to_bytes()
    }

    /// Makes an event of its own.
    pub(crate) fn write(&mut self, kind: u16, entity: u8, text: &[u8]) -> Id {
        let parcel = self.compose(kind, entity, text);
        let id = parcel.id();
        let header = parcel.header().unwrap();
        self.put(id, parcel, header);
        id
    }

    /// The next event of its own, signed and not kept.
    pub(crate) fn compose(&self, kind: u16, entity: u8, text: &[u8]) -> Parcel {
        let author = self.author();
        let last = self.chains.get(&author).and_then(|chain| chain.last_key_value());
        let newest = self.time.last().map_or(0, |(clock, _)| *clock);
        let header = EventHeader {
            space: self.space,
            author,
            sequence: last.map_or(0, |(sequence, _)| *sequence) + 1,
            previous: last.map_or([0; 32], |(_, id)| *id),
            clock: Clock::from_millis(self.now).max(Clock(newest + 1)),
            kind,
            entity: [entity; 16],
            body_len: text.len() as u32,
            body_digest: *blake3::keyed_hash(&[entity; 32], text).as_bytes(),
            seen: self.entity(&[entity; 16], u64::MAX, 2).unwrap(),
        };
        sign(&self.me, &header, [&[entity; 32], text].concat())
    }

    /// Forgets an event, as a window does and as a damaged archive has.
    pub(crate) fn forget(&mut self, id: &Id) {
        let (_, header) = self.events.remove(id).unwrap();
        self.time.remove(&(header.clock.0, *id));
        self.chains.get_mut(&header.author).unwrap().remove(&header.sequence);
    }

    pub(crate) fn ids(&self) -> BTreeSet<Id> {
        self.time.iter().map(|(_, id)| *id).collect()
    }

    pub(crate) fn body(&self, id: &Id) -> Option<&Carried> {
        self.events.get(id).map(|(parcel, _)| &parcel.body)
    }

    pub(crate) fn holds(&self, id: &Id) -> bool {
        self.events.contains_key(id)
    }

    /// No event is here without the one before it and without those it had seen.
    pub(crate) fn check_no_hole(&self) {
        for (id, (_, header)) in &self.events {
            let parents = header.seen.iter().chain((header.sequence > 1).then_some(&header.previous));
            for parent in parents {
                assert!(self.holds(parent), "{} of {:?} is here without its parent", header.sequence, &id[..4]);
            }
        }
    }

    fn put(&mut self, id: Id, parcel: Parcel, header: EventHeader) {
        self.time.insert((header.clock.0, id));
        self.chains.entry(header.author).or_default().insert(header.sequence, id);
        assert!(self.events.insert(id, (parcel, header)).is_none(), "it is kept twice");
        self.kept += 1;
    }

    fn judge(&self, id: &Id, parcel: &Parcel, header: &EventHeader) -> Taken {
        if let Some((held, _)) = self.events.get(id) {
            let fills = held.body == Carried::Withheld && parcel.body != Carried::Withheld;
            return if fills { Taken::New } else { Taken::Known };
        }
        let signed = ed25519_dalek::VerifyingKey::from_bytes(&header.author).is_ok_and(|key| {
            key.verify_strict(&[&SIGNING_TAG[..], id].concat(), &Signature::from_bytes(&parcel.signature)).is_ok()
        });
        if !signed {
            return Taken::Bad(BadParcel::Signature);
        }
        if !body_fits(parcel, header) {
            return Taken::Bad(BadParcel::Body);
        }
        let millis = header.clock.millis().saturating_sub(self.now);
        if millis > BORNE {
            return Taken::Ahead { millis };
        }
        let chain = self.chains.get(&header.author);
        if chain.is_some_and(|chain| chain.contains_key(&header.sequence)) {
            return Taken::Forked;
        }
        let before = chain.and_then(|chain| chain.get(&(header.sequence.wrapping_sub(1))));
        match before {
            Some(before) if *before != header.previous => Taken::Bad(BadParcel::Parent),
            Some(before) if self.events[before].1.clock >= header.clock => Taken::Bad(BadParcel::Clock),
            None if header.sequence != 1 && !self.sparse => Taken::Waits,
            None if header.sequence == 1 && header.previous != [0; 32] => Taken::Bad(BadParcel::Parent),
            _ => Taken::New,
        }
    }
}

/// Signs an event whose body is this.
pub(crate) fn sign(key: &SigningKey, header: &EventHeader, body: Vec<u8>) -> Parcel {
    let bytes = header.encode();
    let id = blake3::hash(&bytes);
    let signature = key.sign(&[&SIGNING_TAG[..], id.as_bytes()].concat()).to_bytes();
    Parcel { header: bytes, signature, body: Carried::Here(body) }
}

fn body_fits(parcel: &Parcel, header: &EventHeader) -> bool {
    match &parcel.body {
        Carried::Erased | Carried::Withheld => true,
        Carried::Here(body) => body.split_first_chunk::<32>().is_some_and(|(key, text)| {
            text.len() == header.body_len as usize && *blake3::keyed_hash(key, text).as_bytes() == header.body_digest
        }),
    }
}

impl Side for Memory {
    fn space(&self) -> [u8; 16] {
        self.space
    }

    fn heads(&self) -> Result<Vec<Head>, SideError> {
        if self.sparse {
            return Ok(self.cursors.values().copied().collect());
        }
        let head = |(author, chain): (&Author, &BTreeMap<u64, Id>)| {
            // Where something is missing, the chain that is held ends. (A hole is for the audit.)
            chain.last_key_value().map(|(sequence, id)| Head { author: *author, sequence: *sequence, id: *id })
        };
        Ok(self.chains.iter().filter_map(head).collect())
    }

    fn chain(&self, author: &Author, after: u64, upto: u64, limit: usize) -> Result<Vec<Link>, SideError> {
        let Some(chain) = self.chains.get(author) else { return Ok(Vec::new()) };
        let mut links = Vec::new();
        for (sequence, id) in chain.range(after + 1..=upto).take(limit) {
            if *sequence != after + 1 + links.len() as u64 {
                break;
            }
            links.push(Link { sequence: *sequence, clock: self.events[id].1.clock.0, id: *id });
        }
        Ok(links)
    }

    fn window(&self, from: u64, to: u64) -> Result<Vec<(u64, Id)>, SideError> {
        Ok(self.time.range((from, [0; 32])..(to, [0; 32])).copied().collect())
    }

    fn entity(&self, entity: &[u8; 16], before: u64, limit: usize) -> Result<Vec<Id>, SideError> {
        let older = self.time.range(..(before, [0; 32])).rev().map(|(_, id)| id);
        Ok(older.filter(|id| self.events[*id].1.entity == *entity).take(limit).copied().collect())
    }

    fn headers(&self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, SideError> {
        Ok(ids.iter().map(|id| self.events.get(id).map(|(parcel, _)| parcel.header.clone())).collect())
    }

    fn parcels(&self, ids: &[Id], budget: usize) -> Result<Vec<Option<Parcel>>, SideError> {
        let (mut found, mut total) = (Vec::new(), 0);
        for id in ids {
            let parcel = self.events.get(id).map(|(parcel, _)| parcel.clone());
            total += parcel.as_ref().map_or(0, Parcel::weight);
            if total > budget && !found.is_empty() {
                break;
            }
            found.push(parcel);
        }
        Ok(found)
    }

    fn take(&mut self, parcels: Vec<Parcel>) -> Result<Vec<Taken>, SideError> {
        if self.broken {
            return Err(Arc::new(std::io::Error::other("the disk is full")));
        }
        let mut results = Vec::new();
        for parcel in parcels {
            self.handed += 1;
            let id = parcel.id();
            let header = parcel.header().unwrap();
            let taken = self.judge(&id, &parcel, &header);
            if taken == Taken::New {
                if let Some((held, _)) = self.events.get_mut(&id) {
                    held.body = parcel.body;
                } else {
                    self.put(id, parcel, header);
                }
            }
            results.push(taken);
        }
        Ok(results)
    }

    fn reached(&mut self, heads: &[Head]) -> Result<(), SideError> {
        self.cursors.extend(heads.iter().map(|head| (head.author, *head)));
        Ok(())
    }
}
