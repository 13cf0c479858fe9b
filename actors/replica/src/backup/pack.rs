//! One pack: how it is put together, and opened again. What goes into it is decided elsewhere.

use super::{Name, name_of};
use crate::{
    Damage, Replica, ReplicaError,
    parcel::{Carried, MAX_BODY, Parcel},
    sealed,
};

const MAGIC: &[u8; 13] = b"lamos-pack/1\n";

const EVENTS: u8 = 0;
const CHUNKS: u8 = 1;

/// A pack is closed when it holds so much, in bytes.
const ENOUGH: usize = 8 << 20;

/// Largest file that is taken for a pack, in bytes: what is enough, one event more, and what surrounds them.
pub const MAX_PACK: u64 = (ENOUGH + MAX_BODY + (1 << 20)) as u64;

/// A pack.
pub struct Pack {
    /// What it is called.
    pub name: Name,
    /// The file.
    pub file: Vec<u8>,
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

/// Events on their way into a pack.
pub(super) struct Events {
    plain: Vec<u8>,
    pub(super) count: u64,
}

/// Where the range of places stands in a pack of events.
const RANGE: usize = MAGIC.len() + 1;

impl Events {
    pub(super) fn new() -> Events {
        let mut plain = MAGIC.to_vec();
        plain.push(EVENTS);
        plain.extend_from_slice(&[0; 16]);
        Events { plain, count: 0 }
    }

    pub(super) fn push(&mut self, parcel: &Parcel) -> Result<(), ReplicaError> {
        append(&mut self.plain, parcel)?;
        self.count += 1;
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.plain.len() >= ENOUGH
    }

    /// The pack; the places are 0 where it holds what is at no places here.
    pub(super) fn seal(mut self, replica: &Replica, first: u64, last: u64) -> Result<Pack, ReplicaError> {
        self.plain[RANGE..RANGE + 8].copy_from_slice(&first.to_le_bytes());
        self.plain[RANGE + 8..RANGE + 16].copy_from_slice(&last.to_le_bytes());
        replica.sealed_pack(&self.plain)
    }
}

/// Chunks on their way into a pack.
pub(super) struct Chunks {
    plain: Vec<u8>,
    pub(super) names: Vec<[u8; 16]>,
}

impl Chunks {
    pub(super) fn new() -> Chunks {
        let mut plain = MAGIC.to_vec();
        plain.push(CHUNKS);
        Chunks { plain, names: Vec::new() }
    }

    pub(super) fn push(&mut self, name: &[u8; 16], sealed: &[u8]) -> Result<(), ReplicaError> {
        self.plain.extend_from_slice(name);
        self.plain.extend_from_slice(&length(sealed.len())?);
        self.plain.extend_from_slice(sealed);
        self.names.push(*name);
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.plain.len() >= ENOUGH
    }

    pub(super) fn seal(&self, replica: &Replica) -> Result<Pack, ReplicaError> {
        replica.sealed_pack(&self.plain)
    }
}

impl Replica {
    fn sealed_pack(&self, plain: &[u8]) -> Result<Pack, ReplicaError> {
        let file = sealed::seal(&self.keys.packs, &[b"pack", &self.keys.space], plain)?;
        Ok(Pack { name: name_of(&file), file })
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
