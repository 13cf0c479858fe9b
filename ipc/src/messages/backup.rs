//! Backups, checks and exports of the archive. A pack is a sealed file that never changes; who carries it to where it is
//! kept sees nothing of what is in it.

use bincode::{Decode, Encode};

/// Most names in one question.
pub const MAX_NAMES: usize = 500;

/// Where does a backup stand? Everything is signed before this is answered, as far as it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BackupState;

/// Where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BackupPoint {
    /// The folder of this archive's packs, which tells nobody whose it is.
    pub folder: String,
    /// The place of the newest event that can be packed.
    pub newest: u64,
    /// What everything comes to, sealed: another archive that holds the same says so (see [`CompareState`]).
    pub seal: Vec<u8>,
}

/// Pack what is after one place, up to another, and give the file out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MakePack {
    /// After this place; 0 for the first.
    pub after: u64,
    /// Up to this place and with it.
    pub to: u64,
}

/// A pack was made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Packed {
    /// What it is called; `None` if there was nothing to pack, and then nothing was sent.
    pub name: Option<String>,
    /// Bytes of the file, all of which have been sent.
    pub length: u64,
}

/// Which of these packs hold something that has been erased since?
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FindStalePacks {
    /// Their names, at most [`MAX_NAMES`].
    pub names: Vec<String>,
}

/// These do, and must be made anew.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StalePacks {
    /// Their names.
    pub names: Vec<String>,
}

/// Take in what is in a pack. What is there already is there once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TakePack {
    /// What it is called.
    pub name: String,
    /// Bytes of the file, all of which follow.
    pub length: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct TookPack {
    /// Events that were not there.
    pub new: u64,
    /// Events that were.
    pub known: u64,
    /// Events that wait for others of their author, which are in another pack.
    pub waiting: u64,
    /// Damaged events that were made whole by it.
    pub mended: u64,
    /// Events that were not taken, and why the first of them was not.
    pub refused: u64,
    /// See `refused`.
    pub why: String,
}

/// Does this archive come to the same as the one that made this seal?
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CompareState {
    /// As it was in [`BackupPoint`].
    pub seal: Vec<u8>,
}

/// Whether it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Compared {
    /// Every event, view and erasure is the same.
    pub same: bool,
}

/// Look at everything that is kept: ids, signatures, seals, digests and views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifyAll;

/// Something is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DamageFound {
    /// Its place; 0 for what has none.
    pub position: u64,
    /// The id of the event, if it can be told.
    pub event: Option<[u8; 32]>,
    /// What is wrong with it.
    pub what: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifiedAll {
    /// Events.
    pub events: u64,
    /// Bodies that were opened.
    pub bodies: u64,
    /// Events that are not signed yet.
    pub unsigned: u64,
    /// Things that are damaged, all of which have been named.
    pub damaged: u64,
}

/// Give everything out as it can be read by anybody: a line of JSON for each thing, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Export;

/// Everything was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exported {
    /// Things.
    pub items: u64,
    /// Things that cannot be read, and are missing.
    pub damaged: u64,
}
