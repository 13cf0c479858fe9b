//! Events as they lie in their tables.

use std::ops::Bound;

use ipc::event::{Clock, EventHeader};
use zeroize::Zeroizing;

use crate::{
    Damage, Replica, ReplicaError,
    body::Body,
    engine::{Reading, prefix},
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
