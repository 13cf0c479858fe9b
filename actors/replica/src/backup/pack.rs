//! One pack: made from what is here, and opened again.

use std::{io, ops::Bound};

use super::{Name, name_of};
use crate::{
    Damage, Replica, ReplicaError, log,
    parcel::{Carried, Form, MAX_BODY, Parcel},
    read::Snapshot,
    sealed,
    tables::Table,
};

const MAGIC: &[u8; 13] = b"lamos-pack/1\n";

const EVENTS: u8 = 0;
const CHUNKS: u8 = 1;

/// A pack is closed when it holds so much, in bytes.
const ENOUGH: usize = 8 << 20;

/// Events read at once.
const PAGE: usize = 256;

/// Largest file that is taken for a pack, in bytes: what is enough, one event more, and what surrounds them.
pub const MAX_PACK: u64 = (ENOUGH + MAX_BODY + (1 << 20)) as u64;

/// A pack.
pub struct Pack {
    /// What it is called.
    pub name: Name,
    /// The file.
    pub file: Vec<u8>,
    /// What it holds.
    pub packed: Packed,
}

/// What a pack holds, for the list of packs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packed {
    /// All events from one place to another, both included.
    Events {
        /// The first place.
        first: u64,
        /// The last.
        last: u64,
        /// A digest of the places whose bodies are in it. Another one means that something was erased since.
        present: [u8; 16],
        /// Events.
        count: u64,
    },
    /// These chunks.
    Chunks(Vec<[u8; 16]>),
}

/// What came out of a pack.
pub enum Inside {
    /// Events, in the order in which they were taken in.
    Events(Vec<Parcel>),
    /// Sealed chunks under their names.
    Chunks(Vec<([u8; 16], Vec<u8>)>),
}

/// Why a file is not a pack, or not a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPack {
    /// Its bytes are not those that its name tells of.
    #[error("it was changed or cut since it was made")]
    Changed,
    /// It was sealed by another space.
    #[error("it belongs to another space")]
    Seal,
    /// What is in it cannot be read.
    #[error("a newer Lamos made it, or none did")]
    Content,
}

impl Snapshot<'_> {
    /// Packs the events after a place, up to and with `to`, or up to the first of this device that has no signature yet;
    /// nothing if there is none.
    ///
    /// What another device left unsigned when it took a new key can be checked by nobody and is left out.
    pub fn event_pack(&self, after: u64, to: u64) -> Result<Option<Pack>, ReplicaError> {
        let mut plain = MAGIC.to_vec();
        plain.push(EVENTS);
        let range_at = plain.len();
        plain.extend_from_slice(&[0; 16]);
        let (mut last, mut count) = (after, 0);
        'full: loop {
            let events = self.after(last, PAGE)?;
            if events.is_empty() {
                break;
            }
            for event in events {
                if event.position > to {
                    break 'full;
                }
                match self.parcel(&event, Form::Sealed)? {
                    Some(parcel) => {
                        append(&mut plain, &parcel)?;
                        count += 1;
                    }
                    None if event.header.author == self.replica.keys.device => break 'full,
                    None => {}
                }
                last = event.position;
                if plain.len() >= ENOUGH {
                    break 'full;
                }
            }
        }
        if last == after {
            return Ok(None);
        }
        let first = after + 1;
        plain[range_at..range_at + 8].copy_from_slice(&first.to_le_bytes());
        plain[range_at + 8..range_at + 16].copy_from_slice(&last.to_le_bytes());
        let packed = Packed::Events { first, last, present: self.present(first, last)?, count };
        self.replica.sealed_pack(&plain, packed).map(Some)
    }

    /// A digest of the places between these two, both included, that have a body.
    pub(super) fn present(&self, first: u64, last: u64) -> Result<[u8; 16], ReplicaError> {
        let (first, last) = (first.to_be_bytes(), last.to_be_bytes());
        let mut hasher = blake3::Hasher::new();
        for row in self.txn.range(Table::Body, Bound::Included(&first), Bound::Included(&last))? {
            hasher.update(row?.0);
        }
        let hash = hasher.finalize();
        Ok(std::array::from_fn(|index| hash.as_bytes()[index]))
    }

    /// The newest place.
    pub fn newest_place(&self) -> Result<u64, ReplicaError> {
        let last = self.txn.range_back(Table::Event, Bound::Unbounded, Bound::Unbounded)?.next().transpose()?;
        last.map_or(Ok(0), |(key, _)| log::position(key, "events"))
    }

    /// Names of chunks that are here, those after a name.
    pub fn chunk_names(&self, after: Option<&[u8; 16]>, limit: usize) -> Result<Vec<[u8; 16]>, ReplicaError> {
        let lower = after.map_or(Bound::Unbounded, |name| Bound::Excluded(&name[..]));
        let rows = self.txn.range(Table::Chunk, lower, Bound::Unbounded)?.take(limit);
        rows.map(|row| Ok(row?.0.try_into().map_err(|_| Damage::Record("chunks"))?)).collect()
    }
}

impl Replica {
    /// Packs as many of these chunks as fit, from the end of the list; nothing if none of them is here any more. What
    /// cannot be read is left out and counted.
    pub fn chunk_pack(&self, names: &mut Vec<[u8; 16]>, unreadable: &mut u64) -> Result<Option<Pack>, ReplicaError> {
        let mut plain = MAGIC.to_vec();
        plain.push(CHUNKS);
        let mut packed = Vec::new();
        while let Some(name) = names.pop() {
            match self.sealed_chunk(&name)? {
                Found::Yes(sealed) => {
                    plain.extend_from_slice(&name);
                    plain.extend_from_slice(&length(sealed.len())?);
                    plain.extend_from_slice(&sealed);
                    packed.push(name);
                }
                Found::Gone => {}
                Found::Unreadable => *unreadable += 1,
            }
            if plain.len() >= ENOUGH {
                break;
            }
        }
        if packed.is_empty() {
            return Ok(None);
        }
        packed.sort_unstable();
        self.sealed_pack(&plain, Packed::Chunks(packed)).map(Some)
    }

    fn sealed_chunk(&self, name: &[u8; 16]) -> Result<Found, ReplicaError> {
        let mut before = None;
        loop {
            let txn = self.read()?;
            let place = match self.place(&*txn, name) {
                Ok(Some(place)) => place,
                Ok(None) => return Ok(Found::Gone),
                Err(ReplicaError::Damaged(_)) => return Ok(Found::Unreadable),
                Err(error) => return Err(error),
            };
            drop(txn);
            match self.blobs.packs.read(place) {
                Ok(sealed) => return Ok(Found::Yes(sealed)),
                // Its file may have been written anew just now; then it stands elsewhere.
                Err(error) if error.kind() == io::ErrorKind::NotFound && before != Some(place) => before = Some(place),
                Err(_) => return Ok(Found::Unreadable),
            }
        }
    }

    fn sealed_pack(&self, plain: &[u8], packed: Packed) -> Result<Pack, ReplicaError> {
        let file = sealed::seal(&self.keys.packs, &[b"pack", &self.keys.space], plain)?;
        Ok(Pack { name: name_of(&file), file, packed })
    }

    /// What is in a pack.
    pub fn open_pack(&self, name: &Name, file: &[u8]) -> Result<Inside, BadPack> {
        if name_of(file) != *name {
            return Err(BadPack::Changed);
        }
        let plain = sealed::open(&self.keys.packs, &[b"pack", &self.keys.space], file).ok_or(BadPack::Seal)?;
        let (kind, mut rest) = plain.strip_prefix(MAGIC).and_then(<[u8]>::split_first).ok_or(BadPack::Content)?;
        match *kind {
            EVENTS => {
                let mut parcels = Vec::new();
                rest.split_off(..16).ok_or(BadPack::Content)?;
                while !rest.is_empty() {
                    parcels.push(next_event(&mut rest).ok_or(BadPack::Content)?);
                }
                Ok(Inside::Events(parcels))
            }
            CHUNKS => {
                let mut chunks = Vec::new();
                while !rest.is_empty() {
                    chunks.push(next_chunk(&mut rest).ok_or(BadPack::Content)?);
                }
                Ok(Inside::Chunks(chunks))
            }
            _ => Err(BadPack::Content),
        }
    }
}

enum Found {
    Yes(Vec<u8>),
    /// It was removed meanwhile.
    Gone,
    Unreadable,
}

const ERASED: u8 = 0;
const SEALED: u8 = 1;
const OPEN: u8 = 2;

fn length(bytes: usize) -> Result<[u8; 4], ReplicaError> {
    let length = u32::try_from(bytes).map_err(|_| ReplicaError::Engine("a part of a pack of more than 4 GiB".to_owned()))?;
    Ok(length.to_le_bytes())
}

fn append(plain: &mut Vec<u8>, parcel: &Parcel) -> Result<(), ReplicaError> {
    let (form, body): (u8, &[u8]) = match &parcel.body {
        Carried::Erased => (ERASED, &[]),
        Carried::Sealed(body) => (SEALED, body),
        Carried::Open(body) => (OPEN, body),
    };
    let header = u16::try_from(parcel.header.len()).map_err(|_| Damage::Record("events"))?;
    plain.extend_from_slice(&header.to_le_bytes());
    plain.extend_from_slice(&parcel.header);
    plain.extend_from_slice(&parcel.signature);
    plain.push(form);
    plain.extend_from_slice(&length(body.len())?);
    plain.extend_from_slice(body);
    Ok(())
}

fn next_event(rest: &mut &[u8]) -> Option<Parcel> {
    let length = usize::from(u16::from_le_bytes(*rest.split_off(..2)?.first_chunk()?));
    let header = rest.split_off(..length)?.to_vec();
    let signature = *rest.split_off(..64)?.first_chunk()?;
    let form = *rest.split_off_first()?;
    let body = next_bytes(rest)?;
    let body = match form {
        ERASED if body.is_empty() => Carried::Erased,
        SEALED => Carried::Sealed(body),
        OPEN => Carried::Open(body),
        _ => return None,
    };
    Some(Parcel { header, signature, body })
}

fn next_chunk(rest: &mut &[u8]) -> Option<([u8; 16], Vec<u8>)> {
    let name = *rest.split_off(..16)?.first_chunk()?;
    Some((name, next_bytes(rest)?))
}

fn next_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(u32::from_le_bytes(*rest.split_off(..4)?.first_chunk()?)).ok()?;
    Some(rest.split_off(..length)?.to_vec())
}
