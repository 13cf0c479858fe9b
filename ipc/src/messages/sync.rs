//! How the window's instance and the archive come to agree: events in a stream of CHUM's bytes, and what a person did in
//! commands. Part of the archive's service.

use bincode::{Decode, Encode};

use super::{
    chat::Message,
    storage::{Appended, CreateConversation, SetTitle},
};
use crate::{id::CommandId, refusal::Refusal};

/// Most commands of one [`Carry`].
pub const MAX_CARRIED: usize = 64;

/// Most bytes of the commands of one [`Carry`]: a message has at most half a mebibyte of text.
pub const MAX_CARRIED_BYTES: usize = 768 << 10;

/// Speak CHUM over the pieces of this stream, in both directions at once, for as long as both sides live. The pieces are
/// its bytes as they come and end anywhere; what they mean is in `actors/replica/src/chum/PROTOCOL.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sync {
    /// Chosen at random. A stream that lasts is open whenever an archive dies, of whatever it dies; one that is begun anew
    /// is therefore not the same request again.
    pub session: u64,
}

/// Do these commands, in this order and in one transaction. Each is done once, however often it comes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Carry {
    /// How often these were held back because the archive died twice while it had them; so that they can be tried again,
    /// seldom.
    pub attempt: u32,
    /// At most [`MAX_CARRIED`].
    pub commands: Vec<Command>,
}

/// Something a person did.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Command {
    /// Chosen at random by who took it from the person. Of a conversation and of a message it is their own id.
    pub id: CommandId,
    /// What.
    pub act: Act,
}

/// What a person did.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Act {
    /// Began a conversation.
    Begin(CreateConversation),
    /// Called one otherwise.
    Rename(SetTitle),
    /// Said or noted something in one.
    Say(Message),
}

/// What became of each command, in their order. All of it is on disk, synced.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Carried {
    /// As many as commands.
    pub outcomes: Vec<CommandOutcome>,
}

/// What became of a command, for good.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CommandOutcome {
    /// It is done, now or before.
    Done(Appended),
    /// It cannot be done, now or ever.
    Refused(Refusal),
}
