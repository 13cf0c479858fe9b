//! One chunk: sealed, found by its name, opened and checked.
//!
//! A sealed chunk holds `how it is kept u8 ‖ bytes`, the bytes plain or compressed, under a key of its own, bound to its
//! name. Where it lies stands in the table of chunks, sealed under the key of the views.

use std::io;

use zeroize::Zeroizing;
use zstd::bulk::Compressor;

use super::{
    chunker,
    keys::{Made, Name},
    manifest::{self, Entry, FANOUT},
    packs::{self, Place},
};
use crate::{Damage, Replica, ReplicaError, StoreKeys, Table, engine::Reading, log::hex, sealed};

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Compression must keep up with a disk; what it saves must be worth undoing it.
const COMPRESSION_LEVEL: i32 = 1;
const WORTH_COMPRESSING: usize = 16;

/// The most a list has in bytes.
const LIST: usize = FANOUT * 40;

/// Seals chunks one after the other, with what is costly to make or to overwrite made once.
pub(crate) struct Sealer {
    compressor: Compressor<'static>,
    /// `how it is kept ‖ bytes` of the chunk in progress.
    kept: Zeroizing<Vec<u8>>,
}

impl Sealer {
    pub(crate) fn new() -> Result<Sealer, ReplicaError> {
        let kept = Zeroizing::new(vec![0; 1 + zstd::zstd_safe::compress_bound(chunker::MAX)]);
        Ok(Sealer { compressor: Compressor::new(COMPRESSION_LEVEL)?, kept })
    }

    /// Seals a chunk of at most [`chunker::MAX`] bytes.
    pub(crate) fn seal(&mut self, keys: &StoreKeys, entry: &Entry, plain: &[u8]) -> Result<Vec<u8>, ReplicaError> {
        let name = keys.blobs.name(&entry.digest);
        let (how, bytes) =
            self.kept.split_first_mut().ok_or_else(|| ReplicaError::Engine("there is no room for a chunk".to_owned()))?;
        let mut length = self.compressor.compress_to_buffer(plain, bytes)?;
        *how = ZSTD;
        if length + plain.len() / WORTH_COMPRESSING >= plain.len() {
            *how = PLAIN;
            length = plain.len();
            bytes[..length].copy_from_slice(plain);
        }
        sealed::seal(&keys.blobs.key(&entry.digest), &[b"chunk", &name], &self.kept[..1 + length])
    }
}

/// Opens a sealed chunk and checks that it is what the entry says; otherwise says what is wrong with it.
fn open(keys: &StoreKeys, made: Made, entry: &Entry, name: &Name, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let most = match made {
        Made::Leaf => usize::try_from(entry.length).ok().filter(|length| (1..=chunker::MAX).contains(length)),
        Made::Node => Some(LIST),
    };
    let most = most.ok_or("is said to have a length that no chunk has")?;
    let mut kept = sealed::open(&keys.blobs.key(&entry.digest), &[b"chunk", name], sealed).ok_or("is damaged")?;
    let plain = match kept.split_first() {
        Some((&PLAIN, _)) => {
            kept.remove(0);
            kept
        }
        Some((&ZSTD, bytes)) => Zeroizing::new(zstd::bulk::decompress(bytes, most).map_err(|_| "does not unpack")?),
        _ => return Err("is kept in a way this program does not know"),
    };
    if keys.blobs.digest(made, &plain) != entry.digest {
        return Err("has another content than its name says");
    }
    if made == Made::Leaf && plain.len() != most {
        return Err("has another length than its manifest says");
    }
    Ok(plain)
}

/// A place as it stands in the table.
pub(crate) fn place_value(keys: &StoreKeys, name: &Name, place: Place) -> Result<Vec<u8>, ReplicaError> {
    sealed::seal(&keys.views, &[b"chunk", name], &place.to_bytes())
}

/// A place as it was.
pub(crate) fn place_of(keys: &StoreKeys, name: &Name, value: &[u8]) -> Result<Place, ReplicaError> {
    let plain = sealed::open(&keys.views, &[b"chunk", name], value).ok_or(Damage::Record("chunks"))?;
    Ok(Place::from_bytes(&plain).ok_or(Damage::Record("chunks"))?)
}

impl Replica {
    /// Where a chunk lies.
    pub(crate) fn place(&self, txn: &dyn Reading, name: &Name) -> Result<Option<Place>, ReplicaError> {
        let value = txn.get(Table::Chunk, name)?;
        value.map(|value| place_of(&self.keys, name, value)).transpose()
    }

    /// Whether it stands in the table where a chunk lies.
    pub(crate) fn has_chunk(&self, name: &Name) -> Result<bool, ReplicaError> {
        let txn = self.read()?;
        Ok(txn.get(Table::Chunk, name)?.is_some())
    }

    /// A chunk as it was, or what is wrong with it.
    pub(crate) fn chunk(&self, made: Made, entry: &Entry) -> Result<Zeroizing<Vec<u8>>, ReplicaError> {
        Ok(self.sealed_and_plain(made, entry)?.1)
    }

    /// A chunk as it lies here, of which it is known that it opens and is what it was.
    pub(crate) fn sealed_chunk(&self, made: Made, entry: &Entry) -> Result<Vec<u8>, ReplicaError> {
        Ok(self.sealed_and_plain(made, entry)?.0)
    }

    fn sealed_and_plain(&self, made: Made, entry: &Entry) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), ReplicaError> {
        let name = self.keys.blobs.name(&entry.digest);
        let mut before = None;
        loop {
            let txn = self.read()?;
            let place = self.place(&*txn, &name)?;
            drop(txn);
            let Some(place) = place else {
                return Err(Damage::Chunk { chunk: hex(&name), what: "is not there", pack: None }.into());
            };
            match self.blobs.packs.read(place) {
                Ok(sealed) => {
                    let pack = || Some(packs::file_name(place.pack));
                    let damage = |what| Damage::Chunk { chunk: hex(&name), what, pack: pack() };
                    let plain = open(&self.keys, made, entry, &name, &sealed).map_err(damage)?;
                    return Ok((sealed, plain));
                }
                // Its pack may have been rewritten just now; then it stands elsewhere.
                Err(error) if error.kind() == io::ErrorKind::NotFound && before != Some(place) => before = Some(place),
                Err(error) => {
                    return Err(packs::damage(&error, hex(&name), place.pack).map_or_else(|| error.into(), ReplicaError::from));
                }
            }
        }
    }

    /// A list of a manifest. What it says about lengths must come to what the entry says.
    pub(crate) fn list(&self, entry: &Entry) -> Result<Vec<Entry>, ReplicaError> {
        let bytes = self.chunk(Made::Node, entry)?;
        let list = manifest::decode(&bytes, FANOUT).filter(|list| adds_up(list, entry.length));
        let damage = || Damage::Chunk { chunk: hex(&self.keys.blobs.name(&entry.digest)), what: "is not a list", pack: None };
        Ok(list.ok_or_else(damage)?)
    }
}

/// Whether entries have as many bytes as is said, and none of them nothing.
pub(crate) fn adds_up(entries: &[Entry], length: u64) -> bool {
    let sum = entries.iter().try_fold(0u64, |sum, entry| sum.checked_add(entry.length));
    sum == Some(length) && entries.iter().all(|entry| entry.length > 0)
}
