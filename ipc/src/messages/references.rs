//! What refers to what in the archive. The methods are listed with the archive's own in `storage.rs`.

use bincode::{Decode, Encode};

/// What a thing refers to, or what refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListReferences {
    /// Of what.
    pub of: Referent,
    /// In which direction.
    pub direction: Direction,
    /// Continue after this cursor.
    pub after: Option<ReferenceCursor>,
    /// At most so many, and at most [`MAX_REFERENCES`].
    pub limit: u16,
}

/// Most references in one page.
pub const MAX_REFERENCES: u16 = 100;

/// Something that can be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Referent {
    /// An event.
    Event([u8; 32]),
    /// What events are about: a conversation, a file or another thing.
    Entity([u8; 16]),
}

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Direction {
    /// What it refers to.
    From,
    /// What refers to it.
    To,
}

/// A place in a list of references: the last one seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReferenceCursor {
    /// The entity that refers.
    pub source: [u8; 16],
    /// By which of its events; by its state if there is none.
    pub event: Option<[u8; 32]>,
    /// By what name it refers to the other.
    pub target: [u8; 16],
}

/// A page of references.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct References {
    /// What was asked about.
    pub of: Thing,
    /// What is at the other end of each.
    pub items: Vec<Reference>,
    /// Where the next page begins, if there is one.
    pub next: Option<ReferenceCursor>,
}

/// One thing refers to another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reference {
    /// What is at the other end.
    pub other: Thing,
    /// Which event says so; a state does if there is none.
    pub event: Option<[u8; 32]>,
}

/// A thing, as lists of references show it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Thing {
    /// By what name it is referred to: the id of an entity, the first half of the id of an event, or the identity under
    /// which an attachment or an entry of the memory is kept once.
    pub name: [u8; 16],
    /// Its id if it is an event.
    pub event: Option<[u8; 32]>,
    /// What it is about if it is an event, and itself if it is not; `None` if that is not known.
    pub entity: Option<[u8; 16]>,
    /// What kind of thing it is; empty if that is not known.
    pub kind: String,
    /// What people call it: a title, a path, the first words; cut, and empty if it has none.
    pub title: String,
    /// Whether it is there.
    pub presence: Presence,
}

/// Whether a thing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Presence {
    /// It is.
    Here,
    /// It was erased.
    Erased,
    /// It is not here: it has not come, or nothing is left that says what it was.
    Absent,
}
