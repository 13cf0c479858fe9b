//! What the window's instance says of what it holds, and takes from a person for the archive. It is asked by the person's
//! command line; the window itself lives in the same process and needs no wire.

use bincode::{Decode, Encode};

use super::{
    chat::Message,
    common::Done,
    storage::{Conversation, Conversations, Cursor},
    sync::Act,
};
use crate::id::{CommandId, ConversationId, MessageId};

crate::service! {
    Ui {
        1 ListRecent -> Conversations;
        2 ReadRecent -> Recent;
        3 Give -> Given;
        4 Standing -> Stands;
        5 Pin -> Done;
        6 ListKinds -> Kinds;
    }
}

/// The conversations that are held, newest change first, with what waits for the archive as if it were done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListRecent {
    /// Continue after this cursor.
    pub after: Option<Cursor>,
    /// At most so many, and at most [`MAX_PAGE`](super::storage::MAX_PAGE).
    pub limit: u16,
}

/// The newest messages of a conversation, and behind them those that wait for the archive. What is not held is fetched from
/// the archive for this, if it is there and does not take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadRecent {
    /// Which.
    pub id: ConversationId,
    /// Those before this, from [`Recent::next`].
    pub before: Option<Before>,
    /// At most so many, at most [`MAX_PAGE`](super::storage::MAX_PAGE), and fewer where they are large.
    pub limit: u16,
}

/// A place between two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Before {
    /// Before this moment of the hybrid clock. Whatever waits for the archive comes after it.
    Moment(u64),
    /// Before this message, which waits for the archive, or did a moment ago.
    Message(MessageId),
}

/// Some of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recent {
    /// The conversation. Its messages are counted as far as they are held.
    pub conversation: Conversation,
    /// Messages, oldest first, without a gap.
    pub messages: Vec<Message>,
    /// There are older ones, or may be: those before this.
    pub next: Option<Before>,
    /// There may be older ones that are not held and did not come when they were asked for.
    pub missing: bool,
    /// It is to stay in the cache.
    pub pinned: bool,
}

/// Keep a conversation in the cache before all that is not pinned, as far as what is pinned keeps to its share of the room; or
/// no longer. It is never refused for want of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pin {
    /// Which.
    pub id: ConversationId,
    /// Whether it stays.
    pub pinned: bool,
}

/// Have the archive do this, when it is there. Giving the same again under one id does it once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Give {
    /// Chosen at random; of a conversation and of a message it is their own id.
    pub id: CommandId,
    /// What.
    pub act: Act,
}

/// It is on disk, synced, and will be done once, whatever dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Given {
    /// How many commands wait, this one among them.
    pub waiting: u64,
}

/// How does it stand with the archive?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Standing;

/// How it stands with the archive.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stands {
    /// Whether the two speak with each other.
    pub link: Link,
    /// Why they do not, if something is wrong; in a sentence.
    pub trouble: Option<String>,
    /// What is held.
    pub held: Held,
    /// What waits for the archive.
    pub outbox: Waiting,
    /// How often what was read was held.
    pub reads: Reads,
    /// Counted since this process began.
    pub counted: Counted,
}

/// Which rules hold for kinds of events, and how many events of each kind are held? All of them are counted for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListKinds;

/// What is held, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Kinds {
    /// The rules in force, a line each; empty if every kind comes by itself.
    pub rules: String,
    /// Every kind of which anything is held, by number.
    pub kinds: Vec<KindHeld>,
}

/// How much of a kind is held.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KindHeld {
    /// Its number.
    pub kind: u16,
    /// What it is called in a table of rules; empty if it has no name there.
    pub name: String,
    /// Events.
    pub events: u64,
}

/// Whether the two speak with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Link {
    /// The archive is being reached for the first time since this process began.
    Starting,
    /// The archive is away.
    Away,
    /// They compare what they hold.
    CatchingUp,
    /// All that is wanted of what the archive had is here; what is new comes as it is kept.
    Live,
}

/// What is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Held {
    /// Events.
    pub events: u64,
    /// Conversations.
    pub conversations: u64,
    /// Conversations and other things that are to stay.
    pub pinned: u64,
    /// Bytes of these that are held, about.
    pub pinned_bytes: u64,
    /// Bytes that these are sure of. What is beyond leaves when something else needs the room.
    pub pinned_share: u64,
    /// Those of which some had to leave for want of room; it is fetched when it is read.
    pub pinned_cut: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes that these never exceed.
    pub limit: u64,
    /// Bytes of the database's pages in use.
    pub used: u64,
    /// The most these may come to; what is used least leaves before.
    pub capacity: u64,
}

/// Pages that were read since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Reads {
    /// All.
    pub pages: u64,
    /// Those that were held as a whole.
    pub whole: u64,
}

/// What waits for the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Waiting {
    /// Commands.
    pub commands: u64,
    /// Their bytes, sealed.
    pub bytes: u64,
    /// Bytes there is room for.
    pub capacity: u64,
}

/// Counted since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counted {
    /// Sessions that were begun with the archive.
    pub sessions: u64,
    /// Rounds of reconciliation.
    pub rounds: u64,
    /// Bytes of CHUM received.
    pub bytes_in: u64,
    /// Bytes of CHUM sent.
    pub bytes_out: u64,
    /// Events taken in.
    pub taken: u64,
    /// Commands the archive has done.
    pub done: u64,
    /// Commands the archive refused for good.
    pub refused: u64,
}
