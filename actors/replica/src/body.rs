//! What events say. These types are on disk for ever: a field is added with a new number and may be missing in what was
//! written before, a number is never used twice, and a kind that is not known is kept and carried.
//!
//! CBOR with numbered fields (`minicbor`), because bincode cannot read yesterday's record with today's type.

use minicbor::{Decode, Encode};

pub use crate::branches::{Merge, OnBranch};
use crate::{blobs::Blob, branches::BranchBody, state::Change};

mod experience;
mod right;
#[cfg(test)]
mod tests;

pub use experience::{Bundle, Bundled, Experience, Success, TraceId, bundle_id, experience_id, memory_of};
pub use right::{Granted, Grantee, Link, Right, Said};

/// A conversation begins.
pub const CONVERSATION: u16 = 1;
/// Something is said in it.
pub const MESSAGE: u16 = 2;
/// It is called otherwise.
pub const TITLE: u16 = 3;
/// What a turn did.
pub const TRACE: u16 = 4;
/// A file that goes with a message.
pub const ATTACHMENT: u16 = 5;
/// A file of a volume is written.
pub const FILE: u16 = 6;
/// A file of a volume is removed.
pub const FILE_REMOVED: u16 = 7;
/// What the memory keeps of some traces.
pub const EXPERIENCE: u16 = 12;
/// Experiences of one month, together.
pub const BUNDLE: u16 = 13;
/// Something is erased for good. It is about [`ERASURES`], whatever it erases.
pub const ERASE: u16 = 20;
/// The state of an entity changes.
pub const CHANGE: u16 = 21;
/// A branch of a volume begins, is merged or ends.
pub const BRANCH: u16 = 22;
/// Who is a member, and who may have what. It is about [`RIGHTS`], and nothing erases it.
pub const RIGHT: u16 = 23;

/// What erasures are about: an entity of their own, so that what they erase cannot take their own key with it. It and
/// what is kept under [`ERASE`] cannot be erased.
pub const ERASURES: [u8; 16] = *b"lamos/erasures\0\0";

/// What all that is said about rights is about.
pub const RIGHTS: [u8; 16] = *b"lamos/rights\0\0\0\0";

/// The body of [`CONVERSATION`] and of [`TITLE`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Title {
    /// What it is called.
    #[n(0)]
    pub title: String,
}

/// The body of [`MESSAGE`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    /// Chosen by its writer.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// The turn it is part of.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub turn: [u8; 16],
    /// Who speaks.
    #[n(2)]
    pub author: Author,
    /// What is said and done, in order.
    #[n(3)]
    pub parts: Vec<Part>,
    /// What was given with it.
    #[n(4)]
    pub attachments: Vec<Attached>,
    /// Whether it is all there is.
    #[n(5)]
    pub status: Status,
    /// The model or skill that made it.
    #[n(6)]
    pub made_by: String,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Author {
    /// The person.
    #[n(0)]
    Person,
    /// A model or a skill.
    #[n(1)]
    Assistant,
}

/// Whether a message is all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// It is.
    #[n(0)]
    Complete,
    /// The person stopped it.
    #[n(1)]
    Stopped,
    /// Something broke.
    #[n(2)]
    Interrupted,
}

/// One thing a message is made of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Part {
    /// Words.
    #[n(0)]
    Text(#[n(0)] String),
    /// Thinking and the provider's seal on it.
    #[n(1)]
    Thinking(#[n(0)] String, #[n(1)] String),
    /// A tool call: id, name, arguments as JSON.
    #[n(2)]
    Call(#[n(0)] String, #[n(1)] String, #[n(2)] String),
    /// Its result: id of the call, whether it did what it should, text.
    #[n(3)]
    Result(#[n(0)] String, #[n(1)] bool, #[n(2)] String),
}

/// A file that goes with a message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Attached {
    /// Its content.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// Its name.
    #[n(1)]
    pub name: String,
    /// Its length.
    #[n(2)]
    pub length: u64,
}

/// The body of [`TRACE`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Trace {
    /// The turn.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub turn: [u8; 16],
    /// What was asked for.
    #[n(1)]
    pub goal: String,
    /// The skill that answered, or empty.
    #[n(2)]
    pub skill: String,
    /// The model that answered, or empty.
    #[n(3)]
    pub model: String,
    /// The tools that were used, in order.
    #[n(4)]
    pub steps: Vec<Step>,
    /// How it ended.
    #[n(5)]
    pub outcome: Outcome,
    /// Milliseconds.
    #[n(6)]
    pub millis: u64,
    /// Tokens read.
    #[n(7)]
    pub tokens_in: u64,
    /// Tokens written.
    #[n(8)]
    pub tokens_out: u64,
}

/// One use of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Step {
    /// Which.
    #[n(0)]
    pub tool: String,
    /// What it was given.
    #[n(1)]
    pub input: String,
    /// What it gave.
    #[n(2)]
    pub output: String,
    /// Whether it did what it should.
    #[n(3)]
    pub ok: bool,
    /// Milliseconds.
    #[n(4)]
    pub millis: u64,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// With an answer.
    #[n(0)]
    Answered,
    /// The person stopped it.
    #[n(1)]
    Stopped,
    /// With an error.
    #[n(2)]
    Failed,
}

/// The body of [`ATTACHMENT`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Attachment {
    /// Its content.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// What messages call it; missing in what was written before it was needed elsewhere.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub id: Option<[u8; 16]>,
    /// Its content if it is large; then there are no bytes here.
    #[n(2)]
    pub blob: Option<Blob>,
}

/// Several changes of files that were made together, and why. It stands in each of them, so that what a change is called
/// goes with the file it tells about when that is erased.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Commit {
    /// The same in all of them.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 16],
    /// What the person says about it; may be empty.
    #[n(1)]
    pub message: String,
    /// What it was merged from, if it was.
    #[n(2)]
    pub merge: Option<Merge>,
}

/// The body of [`FILE`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FileBody {
    /// Its path.
    #[n(0)]
    pub path: String,
    /// Its content.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// Its content if it is large; then there are no bytes here.
    #[n(2)]
    pub blob: Option<Blob>,
    /// What it was written with.
    #[n(6)]
    pub commit: Option<Commit>,
    /// Where it stands on a branch.
    #[n(7)]
    pub branch: Option<OnBranch>,
}

/// What a file or an attachment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What these chunks hold; [`Replica::read_blob`](crate::Replica::read_blob) gives it.
    Blob(Blob),
}

impl Content {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Blob(blob) => blob.length,
        }
    }

    fn of(bytes: Vec<u8>, blob: Option<Blob>) -> Content {
        blob.map_or(Content::Bytes(bytes), Content::Blob)
    }

    fn parts(self) -> (Vec<u8>, Option<Blob>) {
        match self {
            Content::Bytes(bytes) => (bytes, None),
            Content::Blob(blob) => (Vec::new(), Some(blob)),
        }
    }
}

impl FileBody {
    /// A file with this content, written by itself.
    pub fn new(path: String, content: Content) -> FileBody {
        let (bytes, blob) = content.parts();
        FileBody { path, bytes, blob, commit: None, branch: None }
    }

    /// What it holds.
    pub fn content(self) -> Content {
        Content::of(self.bytes, self.blob)
    }

    /// Bytes of what it holds.
    pub fn length(&self) -> u64 {
        self.blob.as_ref().map_or(self.bytes.len() as u64, |blob| blob.length)
    }
}

impl Attachment {
    /// An attachment with this content.
    pub fn new(id: Option<[u8; 16]>, content: Content) -> Attachment {
        let (bytes, blob) = content.parts();
        Attachment { bytes, id, blob }
    }

    /// Bytes of what it holds.
    pub fn length(&self) -> u64 {
        self.blob.as_ref().map_or(self.bytes.len() as u64, |blob| blob.length)
    }

    /// What it holds.
    pub fn content(self) -> Content {
        Content::of(self.bytes, self.blob)
    }
}

/// The body of [`FILE_REMOVED`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FileRemoved {
    /// Its path.
    #[n(0)]
    pub path: String,
    /// What it was removed with.
    #[n(6)]
    pub commit: Option<Commit>,
    /// Where it stands on a branch.
    #[n(7)]
    pub branch: Option<OnBranch>,
}

impl FileRemoved {
    /// A file that is removed by itself.
    pub fn new(path: String) -> FileRemoved {
        FileRemoved { path, commit: None, branch: None }
    }
}

/// The body of [`ERASE`]: one event, or an entity with all its events.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Erase {
    /// What is erased, or what the erased event is about.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub entity: [u8; 16],
    /// The one event that is erased; all of the entity if there is none.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub event: Option<[u8; 32]>,
    /// The last clock that is erased of an entity, so that it can be used again, as the path of a file is; for ever if
    /// there is none.
    #[n(2)]
    pub until: Option<u64>,
}

/// Any body that this program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// See [`CONVERSATION`].
    Conversation(Title),
    /// See [`MESSAGE`].
    Message(Message),
    /// See [`TITLE`].
    Title(Title),
    /// See [`TRACE`].
    Trace(Trace),
    /// See [`ATTACHMENT`].
    Attachment(Attachment),
    /// See [`FILE`].
    File(FileBody),
    /// See [`FILE_REMOVED`].
    FileRemoved(FileRemoved),
    /// See [`EXPERIENCE`].
    Experience(Experience),
    /// See [`BUNDLE`].
    Bundle(Bundle),
    /// See [`ERASE`].
    Erase(Erase),
    /// See [`CHANGE`].
    Change(Change),
    /// See [`BRANCH`].
    Branch(BranchBody),
    /// See [`RIGHT`].
    Right(Right),
    /// A kind that a newer program wrote.
    Unknown(u16),
}

impl Body {
    /// The large content it refers to. What is not named here is removed from disk: a kind that refers to a blob must be.
    pub fn blob(&self) -> Option<&Blob> {
        match self {
            Body::Attachment(attachment) => attachment.blob.as_ref(),
            Body::File(file) => file.blob.as_ref(),
            Body::Conversation(_)
            | Body::Message(_)
            | Body::Title(_)
            | Body::Trace(_)
            | Body::FileRemoved(_)
            | Body::Experience(_)
            | Body::Bundle(_)
            | Body::Change(_)
            | Body::Branch(_)
            | Body::Right(_)
            | Body::Erase(_)
            | Body::Unknown(_) => None,
        }
    }
}

/// Kinds whose bodies may refer to a blob.
pub(crate) const WITH_BLOBS: &[u16] = &[ATTACHMENT, FILE];

macro_rules! bodies {
    ($($variant:ident = $kind:ident;)*) => {
        /// What a kind is called; `None` if a newer program made it.
        pub fn name(kind: u16) -> Option<&'static str> {
            match kind {
                $($kind => Some(stringify!($variant)),)*
                _ => None,
            }
        }

        /// The kind that is called so, however it is written.
        pub fn kind_called(name: &str) -> Option<u16> {
            $(if stringify!($variant).eq_ignore_ascii_case(name) {
                return Some($kind);
            })*
            None
        }

        impl Body {
            /// The number of its kind.
            pub fn kind(&self) -> u16 {
                match self {
                    $(Body::$variant(_) => $kind,)*
                    Body::Unknown(kind) => *kind,
                }
            }

            /// Whether this program knows what such events say.
            pub fn is_known(kind: u16) -> bool {
                matches!(kind, $($kind)|*)
            }

            /// The bytes on disk. An unknown kind is never made here, so it has none.
            pub fn to_bytes(&self) -> Vec<u8> {
                match self {
                    // Writing to a vector cannot fail.
                    $(Body::$variant(body) => minicbor::to_vec(body).unwrap_or_default(),)*
                    Body::Unknown(_) => Vec::new(),
                }
            }

            /// Reads a body of this kind; `None` if the bytes are not one.
            pub fn from_bytes(kind: u16, bytes: &[u8]) -> Option<Body> {
                match kind {
                    $($kind => minicbor::decode(bytes).ok().map(Body::$variant),)*
                    other => Some(Body::Unknown(other)),
                }
            }
        }
    };
}

bodies! {
    Conversation = CONVERSATION;
    Message = MESSAGE;
    Title = TITLE;
    Trace = TRACE;
    Attachment = ATTACHMENT;
    File = FILE;
    FileRemoved = FILE_REMOVED;
    Experience = EXPERIENCE;
    Bundle = BUNDLE;
    Erase = ERASE;
    Change = CHANGE;
    Branch = BRANCH;
    Right = RIGHT;
}

impl Body {
    /// Reads a body that is what was written, whoever wrote it: one that this program cannot read is of a newer one.
    pub(crate) fn read(kind: u16, bytes: &[u8]) -> Body {
        Body::from_bytes(kind, bytes).unwrap_or(Body::Unknown(kind))
    }

    /// The identity under which it is kept once, where it says so itself.
    pub(crate) fn identity(&self, entity: &[u8; 16]) -> Option<[u8; 16]> {
        match self {
            Body::Conversation(_) => Some(*entity),
            Body::Message(message) => Some(message.id),
            Body::Attachment(attachment) => attachment.id,
            Body::Experience(experience) => Some(experience.id),
            Body::Bundle(bundle) => Some(bundle.id),
            _ => None,
        }
    }
}
