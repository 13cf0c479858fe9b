//! What the model process is asked: one answer of one model.

use bincode::{Decode, Encode};

use super::chat::{Part, ToolCall, Usage};

crate::service! {
    Llm {
        1 Complete -> Completed, down ModelEvent;
        2 ListModels -> Models;
    }
}

/// The language an interface speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Wire {
    /// OpenAI Chat Completions and everything that is compatible with it.
    OpenAiChat,
    /// Anthropic Messages.
    Anthropic,
}

/// Which model, where, and with which key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ModelChoice {
    /// Stands for the origin and its key.
    pub lease: u64,
    /// What it speaks.
    pub wire: Wire,
    /// The model's id there; empty for the first one the server lists.
    pub model: String,
}

/// Let a model continue a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Complete {
    /// Which model.
    pub model: ModelChoice,
    /// What it is told about itself.
    pub system: String,
    /// What was said, oldest first.
    pub messages: Vec<Said>,
    /// What it may call.
    pub tools: Vec<Tool>,
    /// Most tokens it may write.
    pub max_tokens: u32,
}

/// One contribution to a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Said {
    /// By the model itself; otherwise by the person or a tool.
    pub by_model: bool,
    /// What.
    pub parts: Vec<Part>,
}

/// Something a model may call.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: String,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ModelEvent {
    /// Words.
    Text(String),
    /// Thinking. After a seal it is another block; an empty one only says that another begins.
    Thinking(String),
    /// The provider's seal on the block of thinking before it, which goes back unchanged. A long one comes in pieces that
    /// follow one another directly and are joined; one may come after words that were spoken meanwhile.
    ThinkingSealed(String),
}

/// The answer has ended as the protocol says it must. Anything else is a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Completed {
    /// Why it ended.
    pub stop: Stop,
    /// The calls of finished blocks.
    pub calls: Vec<ToolCall>,
    /// Tokens.
    pub usage: Usage,
    /// The model that really answered.
    pub model: String,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Stop {
    /// It had said everything.
    Finished,
    /// It wants its calls done.
    ToolUse,
    /// It reached the most tokens it may write.
    TooLong,
    /// It declined.
    Declined,
}

/// Which models are there?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListModels {
    /// Stands for the origin and its key.
    pub lease: u64,
    /// What it speaks.
    pub wire: Wire,
}

/// The models of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Models {
    /// Their ids, in the server's order, at most a thousand.
    pub ids: Vec<String>,
}
