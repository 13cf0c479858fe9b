//! Looking at the archive itself: its events, and how much room they take. The methods are listed with the archive's own in
//! `storage.rs`.

use bincode::{Decode, Encode};

/// Events of the archive, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListObjects {
    /// Which.
    pub which: WhichObjects,
    /// Continue at this cursor.
    pub next: u64,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum WhichObjects {
    /// All.
    All,
    /// Those of a kind, by its name or its number.
    Kind(String),
    /// Those about this conversation, file or other thing.
    Entity([u8; 16]),
}

/// A page of events.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Objects {
    /// Newest first.
    pub items: Vec<Object>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

/// An event as it lies in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Object {
    /// Its id.
    pub event: [u8; 32],
    /// Its place in this archive.
    pub position: u64,
    /// The number of its kind.
    pub kind: u16,
    /// The name of its kind; empty if a newer program made it.
    pub kind_name: String,
    /// What it is about.
    pub entity: [u8; 16],
    /// The public key of the device that made it.
    pub author: [u8; 32],
    /// Its number among that device's events.
    pub sequence: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Whether it has its signature.
    pub signed: bool,
    /// Bytes of its body as it was said.
    pub plain: u64,
    /// Bytes of its body on disk; `None` if it was erased.
    pub sealed: Option<u64>,
}

/// What begins with these digits.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FindObjects {
    /// Hexadecimal digits of the id of an event, or of what events are about.
    pub digits: String,
}

/// What was found, at most [`MAX_FOUND`] of each.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ObjectsFound {
    /// Events.
    pub events: Vec<[u8; 32]>,
    /// What events are about.
    pub entities: Vec<[u8; 16]>,
}

/// Most events and most entities in [`ObjectsFound`].
pub const MAX_FOUND: usize = 16;

/// All that is known of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShowObject {
    /// Its id.
    pub event: [u8; 32],
}

/// All that is known of an event.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ObjectShown {
    /// The event.
    pub object: Object,
    /// The author's event before it; zeros for the first.
    pub previous: [u8; 32],
    /// The newest events of its entity that its author had seen.
    pub seen: Vec<[u8; 32]>,
    /// The signature, once it has one.
    pub signature: Option<Vec<u8>>,
    /// What it says: names and values, long values cut.
    pub fields: Vec<(String, String)>,
}

/// Where each author stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListHeads;

/// Where each author stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Heads {
    /// One for each author.
    pub items: Vec<Head>,
}

/// Where an author stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// The public key of the device.
    pub author: [u8; 32],
    /// The number of its newest event.
    pub sequence: u64,
    /// Milliseconds since 1970 by its clock.
    pub at_ms: u64,
    /// Its newest event.
    pub event: [u8; 32],
}

/// Count everything. Takes seconds for millions of events, and keeps nobody else waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Measure;

/// How much of everything there is, counted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Measured {
    /// By kind.
    pub kinds: Vec<KindMeasured>,
    /// By table.
    pub tables: Vec<TableMeasured>,
    /// Conversations.
    pub conversations: u64,
    /// Files of volumes that are there now.
    pub files: u64,
    /// Bytes of the database file.
    pub database: u64,
    /// Of those, in pages that hold something. The rest is used again before the file grows.
    pub used: u64,
    /// The most that the database file may grow to.
    pub reserved: u64,
    /// Bytes of everything in the space's directory, the database included.
    pub directory: u64,
    /// Bytes that are free on its disk for this person.
    pub disk_free: u64,
    /// Bytes of its disk.
    pub disk: u64,
}

/// The events of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KindMeasured {
    /// Its number.
    pub kind: u16,
    /// Its name; empty if a newer program made them.
    pub name: String,
    /// Events.
    pub events: u64,
    /// Of those, without a signature yet.
    pub unsigned: u64,
    /// Of those, erased.
    pub erased: u64,
    /// Bytes of their bodies as they were said.
    pub plain: u64,
    /// Bytes of their bodies on disk, compressed and sealed.
    pub sealed: u64,
}

/// One table of the database.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TableMeasured {
    /// Its name.
    pub name: String,
    /// Rows in it.
    pub entries: u64,
    /// Bytes of its pages.
    pub bytes: u64,
}
