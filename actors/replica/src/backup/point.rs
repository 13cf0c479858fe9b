//! A point: the list of the packs that are everything there was at one moment, and what everything came to.

use minicbor::{Decode, Encode};

use super::{BadPack, Name, name_of};
use crate::{Replica, ReplicaError, sealed};

/// See the module. Fields are never renumbered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Point {
    /// The device whose places are told of.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub device: [u8; 32],
    /// When it was made, in milliseconds since 1970.
    #[n(1)]
    pub made: u64,
    /// The newest place that is in it.
    #[n(2)]
    pub newest: u64,
    /// What everything in it comes to, as [`Snapshot::fingerprint`](crate::Snapshot::fingerprint) has it; `None` if something
    /// was erased while it was made.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub fingerprint: Option<[u8; 32]>,
    /// Packs of events, in the order of their places.
    #[n(4)]
    pub events: Vec<EventPack>,
    /// Packs of chunks.
    #[n(5)]
    pub chunks: Vec<ChunkPack>,
    /// Whether everything up to `newest` is in it. One that is made on the way is there for the next backup to go on from.
    #[n(6)]
    pub whole: bool,
}

/// A pack of events in a list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EventPack {
    /// What it is called.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub name: Name,
    /// Bytes of the file.
    #[n(1)]
    pub length: u64,
    /// Its first place.
    #[n(2)]
    pub first: u64,
    /// Its last.
    #[n(3)]
    pub last: u64,
    /// See [`Packed`](super::Packed).
    #[cbor(n(4), with = "minicbor::bytes")]
    pub present: [u8; 16],
    /// Events in it.
    #[n(5)]
    pub count: u64,
}

/// A pack of chunks in a list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChunkPack {
    /// What it is called.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub name: Name,
    /// Bytes of the file.
    #[n(1)]
    pub length: u64,
    /// Names of its chunks, sorted, 16 bytes each.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub chunks: Vec<u8>,
}

impl ChunkPack {
    /// Its chunks.
    pub fn names(&self) -> &[[u8; 16]] {
        self.chunks.as_chunks().0
    }
}

impl Replica {
    /// The file of a point, and what it is called.
    pub fn seal_point(&self, point: &Point) -> Result<(Name, Vec<u8>), ReplicaError> {
        let plain = minicbor::to_vec(point).map_err(|error| ReplicaError::Engine(error.to_string()))?;
        let file = sealed::seal(&self.keys.packs, &[b"point", &self.keys.space], &plain)?;
        Ok((name_of(&file), file))
    }

    /// What is in the file of a point.
    pub fn open_point(&self, file: &[u8]) -> Result<Point, BadPack> {
        let plain = sealed::open(&self.keys.packs, &[b"point", &self.keys.space], file).ok_or(BadPack::Seal)?;
        minicbor::decode(&plain).map_err(|_| BadPack::Content)
    }

    /// The name of the folder in which this device's backups of this space lie: it tells nobody whose they are.
    pub fn backup_folder(&self) -> [u8; 16] {
        self.keys.blind("backup", &[&self.keys.space, &self.keys.device])
    }

    /// The public key of this device.
    pub fn device(&self) -> [u8; 32] {
        self.keys.device
    }

    /// The space.
    pub fn space(&self) -> [u8; 16] {
        self.keys.space
    }
}
