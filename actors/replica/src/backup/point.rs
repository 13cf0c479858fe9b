//! A point: the list of the packs that are everything there was at one moment, and what everything came to.

use minicbor::{Decode, Encode};

use super::{BadPack, Name, name_of};
use crate::{Replica, ReplicaError, format::FOLD_VERSION, sealed};

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
    /// What `events` come to, as [`Snapshot::fingerprint`](crate::Snapshot::fingerprint) has it; `None` if that is not
    /// known, because something was erased while it was made or was damaged.
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
    /// Packs of events that the archive did not have whole when the point was made, and that earlier backups have: of
    /// another history of it, or damaged in it since. In no order of places.
    #[cbor(n(7), default)]
    pub others: Vec<EventPack>,
    /// Events that were damaged when it was made and are whole in no pack.
    #[cbor(n(8), default)]
    pub lost: u64,
    /// Chunks of which the same holds.
    #[cbor(n(9), default)]
    pub lost_chunks: u64,
    /// Events that were missing between others of their authors.
    #[cbor(n(10), default)]
    pub missing: u64,
    /// How the program that made it folds; 0 where it did not say. What is folded otherwise has another fingerprint.
    #[cbor(n(11), default)]
    pub folds: u32,
}

impl Point {
    /// What its events come to, if that can be compared with what they come to here.
    pub fn comparable(&self) -> Option<[u8; 32]> {
        self.fingerprint.filter(|_| self.folds == FOLD_VERSION)
    }
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
    /// A digest of the places in it that had a body. Another one means that something was erased since.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub present: [u8; 16],
    /// Events in it.
    #[n(5)]
    pub count: u64,
    /// A digest of the places and ids of the events in it, each of which was opened before it was packed. Older programs
    /// gave none and opened nothing.
    #[cbor(n(6), with = "minicbor::bytes", default)]
    pub ids: Option<[u8; 16]>,
    /// Places between its first and its last whose events were damaged and are not in it.
    #[cbor(n(7), default)]
    pub skipped: Vec<u64>,
}

impl EventPack {
    /// Whether the event at a place was there when it was packed.
    pub(super) fn has(&self, position: u64) -> bool {
        (self.first..=self.last).contains(&position) && self.skipped.binary_search(&position).is_err()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A point as programs wrote it that knew of no other histories.
    #[derive(Encode)]
    struct Before {
        #[cbor(n(0), with = "minicbor::bytes")]
        device: [u8; 32],
        #[n(1)]
        made: u64,
        #[n(2)]
        newest: u64,
        #[cbor(n(3), with = "minicbor::bytes")]
        fingerprint: Option<[u8; 32]>,
        #[n(4)]
        events: Vec<PackBefore>,
        #[n(5)]
        chunks: Vec<ChunkPack>,
        #[n(6)]
        whole: bool,
    }

    #[derive(Encode)]
    struct PackBefore {
        #[cbor(n(0), with = "minicbor::bytes")]
        name: Name,
        #[n(1)]
        length: u64,
        #[n(2)]
        first: u64,
        #[n(3)]
        last: u64,
        #[cbor(n(4), with = "minicbor::bytes")]
        present: [u8; 16],
        #[n(5)]
        count: u64,
    }

    #[test]
    fn a_point_of_an_older_program_is_read() {
        let pack = PackBefore { name: [1; 16], length: 2, first: 3, last: 4, present: [5; 16], count: 6 };
        let before = Before {
            device: [7; 32],
            made: 8,
            newest: 9,
            fingerprint: Some([10; 32]),
            events: vec![pack],
            chunks: vec![ChunkPack { name: [11; 16], length: 12, chunks: vec![13; 16] }],
            whole: true,
        };
        let read: Point = minicbor::decode(&minicbor::to_vec(&before).expect("bytes")).expect("a point");
        assert_eq!((read.device, read.whole, read.fingerprint), ([7; 32], true, Some([10; 32])));
        // Whether its views were those of this program is not known.
        assert_eq!((read.folds, read.comparable()), (0, None));
        assert_eq!(Point { folds: FOLD_VERSION, ..read.clone() }.comparable(), Some([10; 32]));
        assert_eq!((read.others.len(), read.lost, read.events[0].ids, &read.events[0].skipped), (0, 0, None, &vec![]));
        assert_eq!((read.events[0].name, read.chunks[0].names()), ([1; 16], &[[13; 16]][..]));
    }
}
