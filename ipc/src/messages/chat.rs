//! What is said in a conversation, in the one form that agent, models and archive share.

use bincode::{Decode, Encode};

use crate::id::{AttachmentId, ConversationId, MessageId, TurnId};

/// Longest text of a message, in bytes.
pub const MAX_TEXT: usize = 512 << 10;

/// Most attachments of one message.
pub const MAX_ATTACHMENTS: usize = 16;

/// Largest attachment, in bytes.
pub const MAX_ATTACHMENT: u64 = 1 << 20;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Author {
    /// The person.
    Person,
    /// A model, or a skill that answered without one.
    Assistant,
}

/// Whether a message is all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// It is.
    Complete,
    /// The person stopped it.
    Stopped,
    /// Something broke: what had arrived is kept.
    Interrupted,
}

/// One thing a message is made of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Part {
    /// Words.
    Text(String),
    /// The model's thinking, which some providers want back unchanged.
    Thinking {
        /// What it thought.
        text: String,
        /// The provider's seal on it.
        signature: String,
    },
    /// A tool the model called.
    Call(ToolCall),
    /// What the tool gave.
    Result(ToolResult),
}

/// A tool call of a finished block of a finished turn of a model.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ToolCall {
    /// The provider's id for it.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// A JSON object.
    pub arguments: String,
}

/// The result of a tool call.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ToolResult {
    /// The id of the call.
    pub call: String,
    /// Whether the tool did what it should.
    pub ok: bool,
    /// What the model reads.
    pub text: String,
}

/// Something attached to a message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Attached {
    /// Its content.
    pub id: AttachmentId,
    /// The name it was given with, without a path.
    pub name: String,
    /// Bytes.
    pub length: u64,
}

/// A message as it is written and read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    /// Chosen by the writer.
    pub id: MessageId,
    /// Where it belongs.
    pub conversation: ConversationId,
    /// The turn it is part of.
    pub turn: TurnId,
    /// Who speaks.
    pub author: Author,
    /// What is said and done, in order.
    pub parts: Vec<Part>,
    /// What was given with it.
    pub attachments: Vec<Attached>,
    /// Whether it is all there is.
    pub status: Status,
    /// The model or skill that made it; empty for a person's.
    pub made_by: String,
    /// Milliseconds since 1970 by the archive's clock; 0 when it is written.
    pub at_ms: u64,
}

impl Message {
    /// All words of the message, one after another.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            if let Part::Text(words) = part {
                text.push_str(words);
            }
        }
        text
    }
}

/// Tokens of one model call, as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Usage {
    /// Read by the model, cached ones included.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
}
