//! What the archive keeps and gives back.

use bincode::{Decode, Encode};

pub use super::{audit::*, backup::*, branches::*, inspect::*, memory::*};
use super::{
    chat::{Attached, Author, Message, Usage},
    common::{Chunk, Done},
};
pub use super::{references::*, rights::*, secrets::*, sync::*, volumes::*};
use crate::id::{AttachmentId, ConversationId, MessageId, TurnId, UploadId};

crate::service! {
    Storage {
        1 CreateConversation -> Conversation;
        2 AppendMessage -> Appended;
        3 ListConversations -> Conversations;
        4 ReadConversation -> Transcript;
        5 SetTitle -> Appended;
        6 Journal -> Journalled;
        7 AppendTrace -> Appended;
        8 ListTraces -> Traces;
        9 PutAttachment -> Attached, up Chunk;
        10 GetAttachment -> AttachmentFound, down Chunk;
        11 WriteFile -> Appended, up Chunk;
        12 ReadFile -> FileFound, down Chunk;
        13 ListFiles -> Files;
        14 RemoveFile -> Appended;
        15 Follow -> Done, down Change;
        16 Statistics -> Counts;
        17 BindAgent -> Done;
        18 ReleaseAgent -> Done;
        19 Search -> Found;
        20 Reindex -> Reindexed;
        40 UploadStatus -> Uploaded;
        41 CommitFiles -> Committed, up CommitPiece;
        42 ListVersions -> Versions;
        43 ReadVersion -> FileFound, down Chunk;
        44 RollBack -> Appended;
        45 FindFile -> Layers;
        46 GlobFiles -> FilesFound;
        47 ListFolder -> FilesFound;
        48 ListObjects -> Objects;
        49 FindObjects -> ObjectsFound;
        50 ShowObject -> ObjectShown;
        51 ListHeads -> Heads;
        52 Measure -> Measured;
        53 Sync -> Done, up Chunk, down Chunk;
        54 Carry -> Carried;
        58 Erase -> Erased;
        59 VerifyAll -> VerifiedAll, down DamageFound;
        60 FindBackup -> BackupFolder;
        61 BeginBackup -> BackupBegun, up BackupPiece, down PackName;
        62 NextPack -> Packed, down Chunk;
        63 EndBackup -> BackupEnded, down Chunk;
        64 OpenPoint -> PointOpened, up Chunk, down PackName;
        65 TakePack -> TookPack, up Chunk;
        66 EndRestore -> Restored;
        67 Export -> Exported, down ExportPiece;
        68 ListMemory -> MemoryListed;
        69 QueryMemory -> MemoryFound;
        70 ShowMemory -> MemoryShown;
        71 RunMemory -> MemoryMoved;
        72 ListRemoved -> Files;
        73 ListReferences -> References;
        74 PutSecret -> Done;
        75 ListSecrets -> Secrets;
        76 MakeBranch -> Appended;
        77 ListBranches -> Branches;
        78 CompareBranch -> Comparison;
        79 MergeBranch -> Merged, up MergePiece;
        80 EndBranch -> Appended;
        81 RemoveSecret -> SecretRemoved;
        85 Rebuild -> Done;
        87 AnchorAudit -> AuditAnchor;
        88 Provision -> Provisioned;
        89 KeepMember -> Member;
        90 ListMembers -> Members;
        91 ShowMember -> MemberShown;
        92 RevokeMember -> Appended;
        93 ChangeAccess -> Appended;
        94 ChangeGroup -> Appended;
        95 ListAccess -> Accesses;
    }
}

/// Most items in one page of anything.
pub const MAX_PAGE: u16 = 200;

/// Begin a conversation. Doing it twice with one id does it once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CreateConversation {
    /// Chosen by the caller.
    pub id: ConversationId,
    /// What it is called until somebody renames it.
    pub title: String,
}

/// A conversation as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Conversation {
    /// Which.
    pub id: ConversationId,
    /// The title that holds.
    pub title: String,
    /// Messages in it.
    pub messages: u32,
    /// Milliseconds since 1970 of its first event.
    pub created_ms: u64,
    /// Milliseconds since 1970 of its newest event.
    pub changed_ms: u64,
}

/// Keep a message. Doing it twice with one id and the same content keeps it once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AppendMessage {
    /// The message.
    pub message: Message,
    /// It is the answer that ends its turn, and has the turn's id for its own: the journal of the turn goes, and what
    /// cuts the turn short later finds it ended.
    pub ends_turn: bool,
}

/// It is on disk, synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Appended {
    /// The id of the event that keeps it.
    pub event: [u8; 32],
    /// Its place in this archive, rising.
    pub position: u64,
}

/// The conversations, newest change first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListConversations {
    /// Continue after this cursor.
    pub after: Option<Cursor>,
    /// At most so many, and at most [`MAX_PAGE`].
    pub limit: u16,
}

/// A place in the list of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cursor {
    /// The clock of the last one seen.
    pub clock: u64,
    /// The last one seen.
    pub id: ConversationId,
}

/// A page of conversations.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Conversations {
    /// Newest change first.
    pub items: Vec<Conversation>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// The messages of a conversation, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadConversation {
    /// Which.
    pub id: ConversationId,
    /// Leave out so many.
    pub skip: u32,
    /// At most so many, at most [`MAX_PAGE`], and fewer where they are large.
    pub limit: u16,
}

/// A page of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Transcript {
    /// The conversation.
    pub conversation: Conversation,
    /// Its messages, oldest first.
    pub messages: Vec<Message>,
    /// What a turn that has not ended has said so far, on the last page.
    pub unfinished: Vec<Unfinished>,
    /// How many to skip for the next page, if there is one.
    pub next: Option<u32>,
}

/// The journal of a turn that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Unfinished {
    /// Which turn.
    pub turn: TurnId,
    /// The text so far.
    pub text: String,
}

/// Call a conversation otherwise. The last one by clock holds, the others stay in its history.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetTitle {
    /// Which.
    pub id: ConversationId,
    /// The new title.
    pub title: String,
}

/// Keep a piece of an answer before anybody sees it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Journal {
    /// Where the answer belongs.
    pub conversation: ConversationId,
    /// The turn that speaks.
    pub turn: TurnId,
    /// Counts from 0 without gaps; a piece that was kept before is not kept again.
    pub index: u32,
    /// The words.
    pub text: String,
}

/// The piece is written: it survives the death of every process. It is synced within 50 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Journalled {
    /// The index the next piece must have.
    pub next: u32,
}

/// Keep what a turn did and whether it worked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AppendTrace {
    /// The trace.
    pub trace: Trace,
}

/// What a turn did and whether it worked, from what really happened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Trace {
    /// The turn; a turn has one trace.
    pub turn: TurnId,
    /// The conversation.
    pub conversation: ConversationId,
    /// What was asked for.
    pub goal: String,
    /// The skill that answered, or empty.
    pub skill: String,
    /// The model that answered, or empty.
    pub model: String,
    /// The tools that were used, in order.
    pub steps: Vec<Step>,
    /// How it ended.
    pub outcome: TraceOutcome,
    /// Milliseconds from question to end.
    pub millis: u64,
    /// Tokens.
    pub usage: Usage,
    /// Milliseconds since 1970 by the archive's clock; 0 when it is written.
    pub at_ms: u64,
}

/// One use of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Step {
    /// Which tool.
    pub tool: String,
    /// What it was given, cut to a few thousand characters.
    pub input: String,
    /// What it gave, cut likewise.
    pub output: String,
    /// Whether it did what it should.
    pub ok: bool,
    /// Milliseconds it took.
    pub millis: u64,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TraceOutcome {
    /// With an answer.
    Answered,
    /// The person stopped it.
    Stopped,
    /// With an error.
    Failed,
}

/// The newest traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListTraces {
    /// At most so many, and at most [`MAX_PAGE`].
    pub limit: u16,
}

/// Traces, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Traces {
    /// Newest first.
    pub items: Vec<Trace>,
}

/// Keep a file that goes with a message. Its bytes follow as a stream; equal bytes of one conversation are kept once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PutAttachment {
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// Its name, without a path.
    pub name: String,
    /// Its length; the stream must have as many bytes, those before the offset of `resume` left out.
    pub length: u64,
    /// Where the stream begins, if it may be gone on with after it broke.
    pub resume: Option<Resume>,
}

impl PutAttachment {
    /// One that is begun anew if it breaks.
    pub fn new(conversation: ConversationId, name: String, length: u64) -> PutAttachment {
        PutAttachment { conversation, name, length, resume: None }
    }
}

/// A stream that may break and be gone on with: what has come of it is kept under an id, through the death of any process,
/// until a week after something last came. It belongs to one path or conversation and to one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Resume {
    /// Chosen by the caller, at random.
    pub upload: UploadId,
    /// Where the stream begins: 0, or what [`UploadStatus`] says.
    pub offset: u64,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UploadStatus {
    /// Which.
    pub upload: UploadId,
}

/// How far an upload is. One that has ended, or was never begun, is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Uploaded {
    /// Bytes that are kept: the stream goes on after them.
    pub offset: u64,
    /// Bytes of the whole.
    pub length: u64,
}

/// Give a file back that went with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetAttachment {
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// Which.
    pub id: AttachmentId,
    /// Leave out so many bytes.
    pub offset: u64,
    /// At most so many bytes.
    pub length: u64,
}

impl GetAttachment {
    /// All of it.
    pub fn whole(conversation: ConversationId, id: AttachmentId) -> GetAttachment {
        GetAttachment { conversation, id, offset: 0, length: u64::MAX }
    }
}

/// The attachment has been streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AttachmentFound {
    /// The length of the whole.
    pub length: u64,
}

/// Keep a file of a volume. Its bytes follow as a stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WriteFile {
    /// `user/…`, `team/<id>/…` or `project/<id>/…`, parts separated by `/`, none of them `.`, `..` or empty.
    pub path: String,
    /// Its length; the stream must have as many bytes, those before the offset of `resume` left out.
    pub length: u64,
    /// Where the stream begins, if it may be gone on with after it broke.
    pub resume: Option<Resume>,
}

impl WriteFile {
    /// One that is begun anew if it breaks.
    pub fn new(path: String, length: u64) -> WriteFile {
        WriteFile { path, length, resume: None }
    }
}

/// Give a file of a volume back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadFile {
    /// Its path.
    pub path: String,
    /// Leave out so many bytes.
    pub offset: u64,
    /// At most so many bytes.
    pub length: u64,
}

impl ReadFile {
    /// All of it.
    pub fn whole(path: String) -> ReadFile {
        ReadFile { path, offset: 0, length: u64::MAX }
    }
}

/// The file has been streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FileFound {
    /// The length of the whole.
    pub length: u64,
}

/// The files of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListFiles {
    /// Only those whose path begins so.
    pub prefix: String,
    /// Continue after this path.
    pub after: String,
    /// At most so many, and at most [`MAX_PAGE`].
    pub limit: u16,
}

/// Files, by path.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Files {
    /// By path.
    pub items: Vec<File>,
    /// Whether there are more.
    pub more: bool,
}

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct File {
    /// Its path.
    pub path: String,
    /// Its length.
    pub length: u64,
    /// Milliseconds since 1970 of its newest version.
    pub changed_ms: u64,
}

/// Remove a file from its volume. Its history stays.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemoveFile {
    /// Its path.
    pub path: String,
}

/// Say what changes from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Follow {
    /// Begin after this place; 0 for everything.
    pub after: u64,
}

/// An event was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// Its place.
    pub position: u64,
    /// What kind it is of, by its number on disk.
    pub kind: u16,
    /// The conversation or other thing it belongs to.
    pub entity: [u8; 16],
    /// Its id.
    pub event: [u8; 32],
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Statistics;

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Counts {
    /// Events kept.
    pub events: u64,
    /// Of those, not yet signed.
    pub unsigned: u64,
    /// Conversations.
    pub conversations: u64,
    /// Bytes of the database file.
    pub bytes: u64,
    /// Chunks of content that is too large to stand in the database.
    pub chunks: u64,
    /// Bytes of the files they lie in.
    pub chunk_bytes: u64,
    /// A restoring was begun and has not ended: not everything of the backup is here.
    pub restoring: bool,
}

/// This agent works on this conversation and on no other: what one conversation was talked into cannot read another.
/// Sent by the supervisor, which made both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BindAgent {
    /// The agent.
    pub instance: u32,
    /// Its conversation.
    pub conversation: ConversationId,
}

/// This agent has ended. What it left unfinished becomes a message that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReleaseAgent {
    /// The agent.
    pub instance: u32,
}

/// Longest question of a search, in bytes.
pub const MAX_QUESTION: usize = 1024;

/// Most hits in one page.
pub const MAX_HITS: u16 = 50;

/// Furthest a search is paged.
pub const MAX_SKIP: u32 = 10_000;

/// Look through everything that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Search {
    /// What people type: words, of which each must occur; `"exact phrases"`; `begin*`; `-without`; and the filters
    /// `kind:message|title|file|trace`, `author:me|assistant`, `in:ID` of a conversation, `before:` and `after:` with a
    /// date (`2026-08-01`, UTC) or a moment (`2026-08-01T12:00:00Z`). At most [`MAX_QUESTION`] bytes.
    pub question: String,
    /// Leave out so many of the best hits; at most [`MAX_SKIP`].
    pub skip: u32,
    /// At most so many, and at most [`MAX_HITS`].
    pub limit: u16,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Found {
    /// The best first, of equal ones the newest. What was erased since is left out, so it may be fewer than asked for.
    pub hits: Vec<Hit>,
    /// How many to skip for the next page, if there may be one.
    pub next: Option<u32>,
    /// Everything that was kept when the search began has been looked through.
    pub complete: bool,
    /// The place in the archive up to which was searched.
    pub searched: u64,
    /// The place of the newest event.
    pub newest: u64,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hit {
    /// What it is.
    pub kind: HitKind,
    /// The conversation it belongs to; none for a file.
    pub conversation: Option<ConversationId>,
    /// Which message it is, if it is one.
    pub message: Option<MessageId>,
    /// Who speaks, if somebody does.
    pub author: Option<Author>,
    /// The id of the event that keeps it.
    pub event: [u8; 32],
    /// The title of its conversation, or the path of the file.
    pub title: String,
    /// Plain text around what was found, in one line.
    pub snippet: String,
    /// What was found in the snippet: first byte, and the byte after the last.
    pub marks: Vec<(u32, u32)>,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// How well it fits, in thousandths of BM25.
    pub score: u32,
}

/// What a hit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum HitKind {
    /// A message, by what is said in it and the names of what was given with it.
    Message,
    /// The title of a conversation.
    Title,
    /// A file of a volume, by its path and its text.
    File,
    /// What a turn was to do.
    Trace,
}

/// Make the search index again from what is kept, and answer when that is done. Searches say meanwhile that they are not
/// complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reindex;

/// The index is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reindexed {
    /// The place in the archive up to which it goes.
    pub searched: u64,
    /// Bytes of its files.
    pub bytes: u64,
}
