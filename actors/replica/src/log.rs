//! Events as they lie in their tables.

use std::ops::Bound;

use ipc::event::{Clock, EventHeader};
use zeroize::Zeroizing;

use crate::{
    Damage, Replica, ReplicaError,
    body::Body,
    engine::{Reading, all, prefix},
    sealed,
    tables::Table,
    write::HEAD,
};

/// An event without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in this store.
    pub position: u64,
    /// BLAKE3 of its header.
    pub id: [u8; 32],
    /// Its header.
    pub header: EventHeader,
    /// The author's signature, once there is one.
    pub signature: Option<[u8; 64]>,
}

/// An event with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The event.
    pub event: Recorded,
    /// What it says.
    pub body: Body,
}

/// Some of the log, as whoever walks it finds it.
///
/// An event whose header cannot be read stops nobody: its place is named and the walk goes on behind it. Whoever keeps a
/// cursor puts it to `last`. What is made of the log then lacks that event until an intact copy is put back
/// ([`crate::Writer::mend`]), after which whatever is derived must be made anew, whatever its cursor says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// The events that can be read, oldest first.
    pub events: Vec<Recorded>,
    /// Places of those that cannot be, which [`crate::Snapshot::verify`] names.
    pub damaged: Vec<u64>,
    /// The last place that was looked at; `None` where there are no more.
    pub last: Option<u64>,
}

const SIGNATURE_LEN: usize = 64;
const UNSIGNED: u8 = 0;
const SIGNED: u8 = 1;

/// The value of an event whose header is `header`.
pub(crate) fn value(header: &[u8], signature: Option<&[u8; 64]>) -> Vec<u8> {
    let mut value = Vec::with_capacity(1 + SIGNATURE_LEN + header.len());
    value.push(if signature.is_some() { SIGNED } else { UNSIGNED });
    value.extend_from_slice(signature.unwrap_or(&[0; SIGNATURE_LEN]));
    value.extend_from_slice(header);
    value
}

/// The header's bytes of a value.
pub(crate) fn header_bytes(value: &[u8]) -> Option<&[u8]> {
    value.get(1 + SIGNATURE_LEN..)
}

/// The id that a value's header makes, be it what was written or not.
pub(crate) fn id_of(value: &[u8]) -> [u8; 32] {
    *blake3::hash(header_bytes(value).unwrap_or_default()).as_bytes()
}

/// Whether a value says that it has a signature.
pub(crate) fn is_signed(value: &[u8]) -> bool {
    value.first() == Some(&SIGNED)
}

impl Recorded {
    pub(crate) fn read(position: u64, value: &[u8]) -> Result<Recorded, ReplicaError> {
        let damaged = || Damage::Event(format!("at place {position}"));
        let bytes = header_bytes(value).ok_or_else(damaged)?;
        let header = EventHeader::decode(bytes).map_err(|_| damaged())?;
        let signature = match value[0] {
            SIGNED => Some(std::array::from_fn(|index| value[1 + index])),
            _ => None,
        };
        Ok(Recorded { position, id: *blake3::hash(bytes).as_bytes(), header, signature })
    }

    /// The clock of the event.
    pub fn clock(&self) -> Clock {
        self.header.clock
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was read; nothing where it is damaged, which `verify` names.
pub(crate) fn readable<T>(read: Result<T, ReplicaError>) -> Result<Option<T>, ReplicaError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(ReplicaError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The place that a key ends with.
pub(crate) fn position(bytes: &[u8], what: &'static str) -> Result<u64, ReplicaError> {
    Ok(bytes.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(Damage::Record(what))?)
}

/// The key of an author's event by its number.
pub(crate) fn sequence_key(author: &[u8; 32], sequence: u64) -> Vec<u8> {
    [&author[..], &sequence.to_be_bytes()].concat()
}

impl Replica {
    /// The event at a place.
    pub(crate) fn event(&self, txn: &dyn Reading, position: u64) -> Result<Recorded, ReplicaError> {
        let value = txn.get(Table::Event, &position.to_be_bytes())?;
        Recorded::read(position, value.ok_or(Damage::Record("events"))?)
    }

    /// Where the event with this id is.
    pub(crate) fn position_of(&self, txn: &dyn Reading, id: &[u8; 32]) -> Result<Option<u64>, ReplicaError> {
        txn.get(Table::Id, id)?.map(|value| position(value, "ids")).transpose()
    }

    /// The event with this id.
    pub(crate) fn find(&self, txn: &dyn Reading, id: &[u8; 32]) -> Result<Option<Recorded>, ReplicaError> {
        self.position_of(txn, id)?.map(|position| self.event(txn, position)).transpose()
    }

    /// Events after a place, oldest first.
    pub(crate) fn after(&self, txn: &dyn Reading, position: u64, limit: usize) -> Result<Vec<Recorded>, ReplicaError> {
        let from = position.saturating_add(1).to_be_bytes();
        let mut events = Vec::new();
        for row in txn.range(Table::Event, Bound::Included(&from), Bound::Unbounded)?.take(limit) {
            let (key, value) = row?;
            events.push(Recorded::read(self::position(key, "events")?, value)?);
        }
        Ok(events)
    }

    /// Events after a place, oldest first, and the places of those that cannot be read.
    pub(crate) fn walk(&self, txn: &dyn Reading, after: u64, limit: usize) -> Result<Walked, ReplicaError> {
        let from = after.saturating_add(1).to_be_bytes();
        let mut walked = Walked::default();
        for row in txn.range(Table::Event, Bound::Included(&from), Bound::Unbounded)?.take(limit) {
            let (key, value) = row?;
            let position = self::position(key, "events")?;
            walked.last = Some(position);
            match readable(Recorded::read(position, value))? {
                Some(event) => walked.events.push(event),
                None => walked.damaged.push(position),
            }
        }
        Ok(walked)
    }

    /// What the index of an entity tells of its events, by clock: the clock and the place of each. It is there where a
    /// header cannot be read.
    pub(crate) fn clocks_of(&self, txn: &dyn Reading, entity: &[u8; 16]) -> Result<Vec<(Clock, u64)>, ReplicaError> {
        let read = |key: &[u8]| {
            let clock = key.get(16..)?.first_chunk::<8>()?;
            Some((Clock(u64::from_be_bytes(*clock)), position(key, "entities").ok()?))
        };
        prefix(txn, Table::Entity, entity)?.map(|row| Ok(read(row?.0).ok_or(Damage::Record("entities"))?)).collect()
    }

    /// What the event at a place is about, though its header cannot be read. It looks through all, which is done only for a
    /// damaged one.
    pub(crate) fn entity_of(&self, txn: &dyn Reading, position: u64) -> Result<Option<[u8; 16]>, ReplicaError> {
        for row in all(txn, Table::Entity)? {
            let key = row?.0;
            if key.ends_with(&position.to_be_bytes()) {
                return Ok(key.first_chunk::<16>().copied());
            }
        }
        Ok(None)
    }

    /// Whether the index of a kind has the event at a place, which its header may not tell any more.
    pub(crate) fn is_of_kind(&self, txn: &dyn Reading, position: u64, kind: u16) -> Result<bool, ReplicaError> {
        Ok(txn.get(Table::Kind, &[&kind.to_be_bytes()[..], &position.to_be_bytes()].concat())?.is_some())
    }

    /// The places of an entity's events, by clock.
    pub(crate) fn places_of(&self, txn: &dyn Reading, entity: &[u8; 16]) -> Result<Vec<u64>, ReplicaError> {
        prefix(txn, Table::Entity, entity)?.map(|row| position(row?.0, "entities")).collect()
    }

    /// The heads of an entity: its events that no other has seen.
    pub(crate) fn heads_of(&self, txn: &dyn Reading, entity: &[u8; 16]) -> Result<Vec<[u8; 32]>, ReplicaError> {
        let mut heads = Vec::new();
        for row in prefix(txn, Table::Tip, entity)? {
            let (key, value) = row?;
            if value == [HEAD] {
                heads.push(*key.last_chunk::<32>().ok_or(Damage::Record("heads of entities"))?);
            }
        }
        Ok(heads)
    }

    /// The plain body of an event, as it was given; `None` if it is not there.
    pub(crate) fn kept(&self, txn: &dyn Reading, event: &Recorded) -> Result<Option<sealed::Opened>, ReplicaError> {
        let Some(sealed) = txn.get(Table::Body, &event.position.to_be_bytes())? else { return Ok(None) };
        let damaged = || Damage::Event(hex(&event.id));
        let key = self.entity_key(txn, &event.header.entity)?.ok_or_else(damaged)?;
        Ok(Some(sealed::Opened::open(&key, &event.id, &event.header, sealed).ok_or_else(damaged)?))
    }

    /// The event at a place with what it says; `None` if it was erased.
    pub(crate) fn record(&self, txn: &dyn Reading, position: u64) -> Result<Option<Record>, ReplicaError> {
        let event = self.event(txn, position)?;
        let Some(opened) = self.kept(txn, &event)? else { return Ok(None) };
        let body = Body::read(event.header.kind, &opened.plain);
        Ok(Some(Record { event, body }))
    }

    /// The key of an entity; `None` if it has none yet.
    pub(crate) fn entity_key(&self, txn: &dyn Reading, entity: &[u8; 16]) -> Result<Option<Zeroizing<[u8; 32]>>, ReplicaError> {
        let Some(wrapped) = txn.get(Table::Key, entity)? else { return Ok(None) };
        let key = sealed::unwrap(&self.keys, entity, wrapped).ok_or(Damage::Record("keys"))?;
        Ok(Some(key))
    }
}
