//! What the window's instance says of what it holds, and takes from a person for the archive. It is asked by the person's
//! command line; the window itself lives in the same process and needs no wire.

use bincode::{Decode, Encode};

use super::{
    storage::{Conversations, Cursor, Transcript},
    sync::Act,
};
use crate::id::{CommandId, ConversationId};

crate::service! {
    Ui {
        1 ListRecent -> Conversations;
        2 ReadRecent -> Transcript;
        3 Give -> Given;
        4 Standing -> Stands;
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

/// The messages of a conversation that are held, oldest first, and behind them those that wait for the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadRecent {
    /// Which.
    pub id: ConversationId,
    /// Leave out so many.
    pub skip: u32,
    /// At most so many, at most [`MAX_PAGE`](super::storage::MAX_PAGE), and fewer where they are large.
    pub limit: u16,
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
    /// Counted since this process began.
    pub counted: Counted,
}

/// Whether the two speak with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Link {
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
    /// Bytes of the database file.
    pub bytes: u64,
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
