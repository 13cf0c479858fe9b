//! Where everything lies in the file of wrapped keys, and what its headers say.
//!
//! ```text
//! bank A at 0, bank B at 49664; each, from its beginning:
//!      0  512 B       header
//!    512  64 × 256 B  places of passwords
//!  16896  64 × 256 B  places of recovery kits
//!  33280  64 × 256 B  places of remembered unlocking
//!
//! a header:
//!      0  8 B   "LAMOSKEY"
//!      8  u32   version, 2
//!     12  u32   Argon2id memory in KiB
//!     16  u32   Argon2id passes
//!     20  u32   Argon2id lanes
//!     24  32 B  salt of the installation
//!     56  u32   spaces in use
//!     60  u32   generation, counted 0, 1, 2, 0, …: it says which bank is newer, and not how many changes there were
//!     64  32 B  BLAKE3 of the places of this bank
//!     96  ...   zeros
//!    480  32 B  BLAKE3 of bytes 0 to 480
//! ```
//!
//! Version 1 was a header without generation and places' checksum, and the places of passwords alone, as bank A begins now.

use crate::derive::Cost;

/// Spaces that fit.
pub(crate) const PLACES: usize = 64;
/// Length of a place in bytes.
pub(crate) const PLACE_LEN: usize = 256;
/// Length of a header in bytes.
pub(crate) const HEADER_LEN: usize = 512;
/// Length of the places of one kind in bytes.
pub(crate) const REGION_LEN: usize = PLACES * PLACE_LEN;
/// Length of all places of a bank in bytes.
pub(crate) const PLACES_LEN: usize = 3 * REGION_LEN;
/// Length of a bank in bytes.
pub(crate) const BANK_LEN: usize = HEADER_LEN + PLACES_LEN;
/// Length of the file in bytes.
pub(crate) const FILE_LEN: usize = 2 * BANK_LEN;
/// Length of a file of version 1 in bytes.
pub(crate) const FIRST_LEN: usize = HEADER_LEN + REGION_LEN;

const MAGIC: &[u8; 8] = b"LAMOSKEY";

/// In its place while the file is made.
pub(crate) const UNFINISHED: &[u8; 8] = b"LAMOSNEW";

/// The first version, against whose header every place is sealed: so places stay what they are when the file is brought to
/// another version.
const FIRST: u32 = 1;
const VERSION: u32 = 2;

const DIGEST_AT: usize = 64;
/// Where the checksum of a header begins.
pub(crate) const CHECKSUM_AT: usize = 480;

/// What opens a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// A name and a password.
    Password,
    /// The 24 words of a kit.
    Recovery,
    /// What a device keeps for its person.
    Remembered,
}

impl Region {
    /// What begins the associated data of its places.
    const fn tag(self) -> &'static [u8; 8] {
        match self {
            Region::Password => MAGIC,
            Region::Recovery => b"LAMOSREC",
            Region::Remembered => b"LAMOSREM",
        }
    }
}

/// Tag of the part of a place of recovery in which the key of the device lies.
pub(crate) const DEVICE_TAG: &[u8; 8] = b"LAMOSDEV";

/// Where a bank begins.
pub(crate) const fn bank_at(bank: usize) -> u64 {
    (bank * BANK_LEN) as u64
}

/// Where a place begins in its bank.
pub(crate) const fn within(region: Region, index: usize) -> usize {
    HEADER_LEN + region as usize * REGION_LEN + index * PLACE_LEN
}

/// A header, whole or not.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Header(pub(crate) [u8; HEADER_LEN]);

impl Header {
    /// That of a new file.
    pub(crate) fn new(cost: Cost, salt: &[u8; 32]) -> Header {
        let mut header = Header([0; HEADER_LEN]);
        header.0[..8].copy_from_slice(MAGIC);
        header.put(8, VERSION);
        header.put(12, cost.memory);
        header.put(16, cost.passes);
        header.put(20, cost.lanes);
        header.0[24..56].copy_from_slice(salt);
        header
    }

    /// The next one: so many spaces, these places.
    pub(crate) fn next(&self, used: usize, digest: &blake3::Hash) -> Header {
        let mut header = Header::new(self.cost(), &self.salt());
        header.put(56, used as u32);
        header.put(60, (self.generation() + 1) % 3);
        header.0[DIGEST_AT..DIGEST_AT + 32].copy_from_slice(digest.as_bytes());
        let checksum = blake3::hash(&header.0[..CHECKSUM_AT]);
        header.0[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
        header
    }

    fn put(&mut self, at: usize, number: u32) {
        self.0[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|index| self.0[at + index]))
    }

    /// Why it cannot be used, if it cannot.
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        if self.0[..8] != *MAGIC {
            return Some("it is another file");
        }
        if !matches!(self.number(8), FIRST | VERSION) {
            return Some("it is of a version this program does not know");
        }
        if blake3::hash(&self.0[..CHECKSUM_AT]) != self.0[CHECKSUM_AT..] {
            return Some("its checksum does not match");
        }
        if !self.cost().is_sane() || self.used() > PLACES || self.number(60) > 2 {
            return Some("its numbers cannot be");
        }
        None
    }

    /// It is of the first version.
    pub(crate) fn is_first(&self) -> bool {
        self.number(8) == FIRST
    }

    /// Cost of a derivation in this installation.
    pub(crate) fn cost(&self) -> Cost {
        Cost { memory: self.number(12), passes: self.number(16), lanes: self.number(20) }
    }

    /// Salt of this installation.
    pub(crate) fn salt(&self) -> [u8; 32] {
        std::array::from_fn(|index| self.0[24 + index])
    }

    /// Spaces in use.
    pub(crate) fn used(&self) -> usize {
        self.number(56) as usize
    }

    fn generation(&self) -> u32 {
        self.number(60)
    }

    /// It was written after the other. They are never more than one change apart.
    pub(crate) fn is_newer_than(&self, other: &Header) -> bool {
        self.generation() == (other.generation() + 1) % 3
    }

    /// Whether these are the places it was written for.
    pub(crate) fn is_of(&self, places: &[u8]) -> bool {
        blake3::hash(places) == self.0[DIGEST_AT..DIGEST_AT + 32]
    }

    /// What a place is sealed together with: what the first version said in its header of salt and cost, and, but for
    /// passwords, which were before, what the place is for and which it is.
    pub(crate) fn associated(&self, region: Region, index: usize) -> Associated {
        self.tagged(region.tag(), (region != Region::Password).then_some(index))
    }

    /// The same for the key of a device in a place of recovery.
    pub(crate) fn associated_device(&self, index: usize) -> Associated {
        self.tagged(DEVICE_TAG, Some(index))
    }

    fn tagged(&self, tag: &[u8; 8], index: Option<usize>) -> Associated {
        let mut associated = Associated { bytes: [0; 60], length: if index.is_some() { 60 } else { 56 } };
        associated.bytes[..8].copy_from_slice(tag);
        associated.bytes[8..12].copy_from_slice(&FIRST.to_le_bytes());
        associated.bytes[12..56].copy_from_slice(&self.0[12..56]);
        associated.bytes[56..].copy_from_slice(&(index.unwrap_or(0) as u32).to_le_bytes());
        associated
    }
}

/// What is sealed together with a place.
pub(crate) struct Associated {
    bytes: [u8; 60],
    length: usize,
}

impl Associated {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
