//! What the memory keeps of what was done, and what it finds. The methods are listed with the archive's own in
//! `storage.rs`.

use bincode::{Decode, Encode};

use crate::id::ConversationId;

/// Longest question to the memory, in bytes.
pub const MAX_MEMORY_QUESTION: usize = 8 << 10;

/// What is in a part of the memory, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListMemory {
    /// Which part.
    pub part: MemoryPart,
    /// Leave out so many.
    pub skip: u32,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// A part of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MemoryPart {
    /// Traces that nothing was made of yet.
    Short,
    /// Live entries of the log.
    Long,
    /// Entries that are archived, compressed ones too.
    Archived,
}

/// A page of a part of the memory.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemoryListed {
    /// Newest first.
    pub items: Vec<Remembered>,
    /// How many to skip for the next page, if there is one.
    pub next: Option<u32>,
    /// How much there is of everything.
    pub counts: MemoryCounts,
}

/// How much there is in the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MemoryCounts {
    /// Traces nothing was made of yet.
    pub active: u64,
    /// Traces that entries were made of.
    pub consolidated: u64,
    /// Those of them whose conversation was idle, archived.
    pub archived: u64,
    /// Live entries.
    pub live: u64,
    /// Archived entries.
    pub archived_entries: u64,
    /// Archived entries that are compressed.
    pub compressed_entries: u64,
}

/// Where something is in the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MemoryTier {
    /// A trace that nothing was made of yet.
    Active,
    /// A trace that an entry was made of.
    Consolidated,
    /// A trace of a conversation that was idle since.
    ArchivedTrace,
    /// A live entry.
    Live,
    /// An archived entry.
    Archived,
    /// An archived entry that is compressed.
    Compressed,
}

/// How well something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MemoryResult {
    /// Every turn was answered.
    Success,
    /// Some were.
    Partial,
    /// None was.
    Failure,
}

/// One thing in the memory, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Remembered {
    /// The entry, or the first half of the id of the event that keeps the trace.
    pub id: [u8; 16],
    /// Where it was made.
    pub conversation: ConversationId,
    /// What that conversation is called now.
    pub title: String,
    /// What was asked for.
    pub goal: String,
    /// How it went.
    pub result: MemoryResult,
    /// Where it is.
    pub tier: MemoryTier,
    /// Traces it was made of.
    pub traces: u32,
    /// Milliseconds since 1970 of the last of them.
    pub at_ms: u64,
}

/// What in the log is like this.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct QueryMemory {
    /// What is wanted, in any words; at most [`MAX_MEMORY_QUESTION`] bytes.
    pub question: String,
}

/// The few live entries that are most like it, the most alike first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemoryFound {
    /// These; there may be none.
    pub items: Vec<MemoryHit>,
}

/// An entry that is like what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemoryHit {
    /// The entry.
    pub entry: Remembered,
    /// How alike, in thousandths: 1000 is the same words.
    pub similarity: u16,
    /// The line of it that is.
    pub line: String,
    /// What went wrong then.
    pub learnings: Vec<String>,
}

/// Show an entry or a trace.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShowMemory {
    /// The beginning of its id, in hexadecimal digits.
    pub digits: String,
}

/// An entry with all it says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemoryShown {
    /// As lists show it.
    pub entry: Remembered,
    /// Models, skills and tools.
    pub components: Vec<String>,
    /// Files that were written.
    pub files: Vec<String>,
    /// A line for each trace.
    pub summary: Vec<String>,
    /// What went wrong.
    pub learnings: Vec<String>,
    /// Milliseconds of work.
    pub millis: u64,
    /// Milliseconds since 1970 of the first trace.
    pub since_ms: u64,
    /// The events of the traces.
    pub events: Vec<[u8; 32]>,
}

/// Do now what is done every hour: move what is due from one part to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunMemory;

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MemoryMoved {
    /// Events of the memory that were erased, because of what the person erased.
    pub forgotten: u64,
    /// Entries that were made.
    pub made: u64,
    /// Traces they were made of.
    pub consolidated: u64,
    /// Traces that were archived.
    pub archived: u64,
    /// Entries that were archived.
    pub archived_entries: u64,
    /// Entries that were compressed.
    pub compressed_entries: u64,
}
