//! Events as they lie in their tables.

use heed::RoTxn;
use ipc::event::{Clock, EventHeader};
use zeroize::Zeroizing;

use crate::{Damage, Replica, ReplicaError, body::Body, sealed};

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

impl Replica {
    /// The event at a place.
    pub(crate) fn event(&self, txn: &RoTxn<'_>, position: u64) -> Result<Recorded, ReplicaError> {
        let value = self.tables.event.get(txn, &position.to_be_bytes())?;
        Recorded::read(position, value.ok_or(Damage::Record("events"))?)
    }

    /// The event at a place with what it says; `None` if it was erased.
    pub(crate) fn record(&self, txn: &RoTxn<'_>, position: u64) -> Result<Option<Record>, ReplicaError> {
        let event = self.event(txn, position)?;
        let Some(sealed) = self.tables.body.get(txn, &position.to_be_bytes())? else { return Ok(None) };
        let damaged = || Damage::Event(hex(&event.id));
        let key = self.entity_key(txn, &event.header.entity)?.ok_or_else(damaged)?;
        let plain =
            sealed::Body::open(&key, &event.id, event.header.body_len, &event.header.body_digest, sealed).ok_or_else(damaged)?;
        let body = Body::from_bytes(event.header.kind, &plain).ok_or_else(damaged)?;
        Ok(Some(Record { event, body }))
    }

    /// The key of an entity; `None` if it has none yet.
    pub(crate) fn entity_key(&self, txn: &RoTxn<'_>, entity: &[u8; 16]) -> Result<Option<Zeroizing<[u8; 32]>>, ReplicaError> {
        let Some(wrapped) = self.tables.key.get(txn, entity)? else { return Ok(None) };
        let key = sealed::unwrap(&self.keys, entity, wrapped).ok_or(Damage::Record("keys"))?;
        Ok(Some(key))
    }
}
