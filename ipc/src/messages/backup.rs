//! Keeping what is kept: erasing for good, looking at everything, backups, restoring and exporting. The methods are listed
//! with the archive's own in `storage.rs`.
//!
//! Who asks carries sealed files between the archive and the place of the backups, and sees nothing of what is in them.

use bincode::{Decode, Encode};

use crate::id::ConversationId;

/// Most files of one backup that are told of.
pub const MAX_PACKS: usize = 1 << 20;

/// Largest file of a point, in bytes.
pub const MAX_POINT: u64 = 256 << 20;

/// Erase this for good: what it says, its keys and its large content. It stays known that there was something.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Erase {
    /// What.
    pub what: EraseWhat,
}

/// What is erased.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EraseWhat {
    /// A conversation, with everything that was said and given in it; its id is never used again.
    Conversation(ConversationId),
    /// A file with all its versions, by its whole path; the path can be used again.
    File(String),
}

/// It is erased.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Erased {
    /// Events that said something and say nothing now.
    pub events: u64,
    /// Of those, events that could not be read any more: they are damaged, and gone with the rest.
    pub damaged: u64,
    /// Chunks of large content that nothing else had.
    pub chunks: u64,
    /// Something else is damaged that may name the same large content, so that all of it stays, sealed, until that is put
    /// right.
    pub chunks_stay: bool,
    /// Paths that the file was moved away from, 32 at most: what it was there is in their histories still.
    pub earlier_names: Vec<String>,
}

/// Look at everything: every id, signature, place in a chain, key, seal and digest, every view, every chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifyAll;

/// Make everything that is derived anew from the events: views, indexes, what is known of the memory; and have the search
/// index made again after it. What is damaged of the events themselves stays as it is, and named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rebuild;

/// Something is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DamageFound {
    /// What is wrong.
    pub what: String,
    /// The event, as far as anything still tells.
    pub event: Option<[u8; 32]>,
    /// Its place in this archive.
    pub position: Option<u64>,
    /// The conversation, file or other thing it is about.
    pub entity: Option<[u8; 16]>,
    /// What that is called: the title of a conversation, the path of a file.
    pub name: Option<String>,
    /// The file of the archive that holds it, and its first byte there.
    pub lies: Option<(String, u64)>,
    /// It is derived: [`Rebuild`] makes it anew.
    pub derived: bool,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifiedAll {
    /// Events.
    pub events: u64,
    /// Of those, erased ones.
    pub erased: u64,
    /// Of those, without a signature yet.
    pub unsigned: u64,
    /// Views.
    pub views: u64,
    /// Chunks of large content.
    pub chunks: u64,
    /// Things that are damaged, all of which were named.
    pub damaged: u64,
}

/// Where do this archive's backups lie? Everything is signed before this is answered, as far as it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FindBackup;

/// There.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BackupFolder {
    /// The name of a folder, which tells nobody whose it is.
    pub name: [u8; 16],
}

/// Begin a backup, in place of one that was begun before. What follows is what is known of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BeginBackup;

/// What is known of the last backup.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BackupPiece {
    /// A part of the file of its point; the parts come in order.
    Point(Vec<u8>),
    /// A pack that is there.
    Pack {
        /// What it is called.
        name: [u8; 16],
        /// Its length.
        length: u64,
    },
}

/// What a file of a backup is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PackName(pub [u8; 16]);

/// A backup was begun. The packs that it takes over were named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BackupBegun {
    /// Whether there was a last one that can be read and is this device's.
    pub goes_on: bool,
}

/// Make the next pack of the backup that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NextPack;

/// What comes next in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Packed {
    /// The pack; nothing if all is packed.
    pub name: Option<PackName>,
    /// Bytes of the file that was given out.
    pub length: u64,
    /// What is to be done with it.
    pub what: PackedWhat,
}

/// What is to be done with a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PackedWhat {
    /// It was made and given out, and is to be written.
    Made,
    /// It lies there already and stays.
    Stays,
    /// It lies there, and is to be given here with [`TakeHow::Sifting`] before it may go.
    Sift,
}

/// Make the point of the backup that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndBackup {
    /// Make it of what is packed, though there is more.
    pub last: bool,
}

/// A point was made and given out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BackupEnded {
    /// What it is called; nothing if more has been kept meanwhile: there are more packs to make.
    pub name: Option<PackName>,
    /// Bytes of the file.
    pub length: u64,
    /// Whether everything is in it. One that is made on the way is there for the next backup to go on from.
    pub whole: bool,
    /// Events in the backup.
    pub events: u64,
    /// Chunks in it.
    pub chunks: u64,
    /// Bytes of its packs.
    pub bytes: u64,
    /// Events that are damaged here.
    pub damaged_events: u64,
    /// Chunks that are damaged here.
    pub damaged_chunks: u64,
    /// Of these events and chunks, those that are whole in no pack either.
    pub lost: u64,
    /// Some of what is damaged, each in words that say nothing of what is in it.
    pub damaged: Vec<String>,
    /// Events that are in the backup and not here, though nothing has erased them.
    pub elsewhere: u64,
}

/// Read a point. Its file follows; without one, what is told of it is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpenPoint {
    /// What for.
    pub why: PointFor,
}

/// What a point is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PointFor {
    /// To know which it is.
    Looking,
    /// To put everything back into this archive, which must be empty, or have been so when it was begun.
    Restoring,
    /// The same, and of two histories of it the one that is not the newest.
    RestoringOther,
    /// To put back what the last [`VerifyAll`] found damaged.
    Mending,
}

/// What is in a point. The packs that are needed were named, in the order in which they are to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PointOpened {
    /// Whether it can be read and is of this space.
    pub readable: bool,
    /// Whether everything is in it that was there then.
    pub whole: bool,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: u64,
    /// Events in it.
    pub events: u64,
    /// Chunks in it.
    pub chunks: u64,
    /// Bytes of its packs.
    pub bytes: u64,
    /// So many of the packs, the last that were named, have what the archive did not have whole when this was made, and
    /// earlier backups had: damaged since, or of another history of it.
    pub others: u64,
    /// Events that were damaged then and are whole in no pack.
    pub lost: u64,
    /// Chunks of which the same holds.
    pub lost_chunks: u64,
}

/// Take in what is in a pack, whose file follows. What is there already is there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TakePack {
    /// What it is called.
    pub name: PackName,
    /// How.
    pub how: TakeHow,
}

/// How a pack is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TakeHow {
    /// Each author's events one after the other; what has no place yet waits for another pack.
    Whole,
    /// What there is, though something before it is lost.
    WithGaps,
    /// Only what is damaged here.
    Mending,
    /// Nothing: the backup that is being made takes of it what is not whole here.
    Sifting,
}

/// What came of a pack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct TookPack {
    /// Why nothing of it was taken, if it is not a pack.
    pub bad: Option<String>,
    /// Events that were put where they were missing.
    pub events: u64,
    /// Events that wait for others, which must be in another pack.
    pub waiting: u64,
    /// Events that were refused.
    pub refused: u64,
    /// Why the first of them was.
    pub why: String,
    /// Events that were left out because other events of their authors have their numbers.
    pub other_history: u64,
    /// Chunks that were put where they were missing.
    pub chunks: u64,
}

/// Everything that can be put back is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndRestore;

/// How what is here now compares to the point.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Restored {
    /// Whether everything is what it was; nothing if the point does not say what it was.
    pub same: Option<bool>,
    /// Events that are here.
    pub events: u64,
    /// Conversations.
    pub conversations: u64,
    /// Events that are missing between others of their authors and were there when the point was made.
    pub missing: u64,
    /// The first of the gaps in which events are missing.
    pub gaps: Vec<Missing>,
    /// Chunks of large content that are named here and are not here, or not as they were.
    pub damaged_chunks: u64,
}

/// Events of one author that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Missing {
    /// Whose.
    pub author: [u8; 32],
    /// The number of the first.
    pub from: u64,
    /// The number of the last.
    pub to: u64,
}

/// Give everything out as anybody can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Export {
    /// Only this conversation.
    pub conversation: Option<ConversationId>,
}

/// A piece of an export.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ExportPiece {
    /// Bytes of the lines.
    Lines(Vec<u8>),
    /// A file of large content begins, under the hash of what is in it.
    File([u8; 32]),
    /// Bytes of it.
    Bytes(Vec<u8>),
}

/// Everything was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exported {
    /// Events.
    pub events: u64,
    /// Files of large content.
    pub files: u64,
    /// Things that cannot be read and are missing.
    pub damaged: u64,
}
