//! What an agent is asked: to take a turn in its conversation, and which skills it knows.

use bincode::{Decode, Encode};

use super::{chat::Usage, common::Chunk, llm::ModelChoice};
use crate::id::{MessageId, TurnId};

crate::service! {
    Agent {
        1 Take -> Taken, up Chunk, down TurnEvent;
        2 ListSkills -> Skills;
        3 ShowSkill -> SkillText;
        4 CheckSkill -> SkillChecked, up Chunk;
    }
}

/// Take a turn. The bytes of the attachments follow as one stream, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Take {
    /// What the person wants.
    pub goal: Goal,
    /// Inputs the person named.
    pub inputs: Vec<Input>,
    /// What the person gave with it.
    pub attachments: Vec<Given>,
    /// Who answers; a skill if there is no model.
    pub model: Option<ModelChoice>,
}

/// What the person wants.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Goal {
    /// This, in words.
    Words(String),
    /// This skill run.
    Skill(String),
}

/// An input by name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its value, as typed.
    pub value: String,
}

/// A file the person gave.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Given {
    /// Its name, without a path.
    pub name: String,
    /// Its length.
    pub length: u64,
}

/// Something that happens in a turn.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TurnEvent {
    /// Words of the answer. They are in the journal already.
    Text(String),
    /// Thinking of the model.
    Thinking(String),
    /// A skill was chosen.
    SkillChosen(String),
    /// A tool begins.
    ToolStarted {
        /// Which.
        name: String,
        /// What it is given.
        input: String,
    },
    /// A tool has ended.
    ToolEnded {
        /// Which.
        name: String,
        /// Whether it did what it should.
        ok: bool,
        /// What it gave.
        output: String,
    },
    /// Waiting for something that will come back.
    Waiting(String),
}

/// The turn has ended with an answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Taken {
    /// The turn.
    pub turn: TurnId,
    /// The message that is the answer.
    pub message: MessageId,
    /// What answered: a skill's or a model's name.
    pub made_by: String,
    /// What a skill returned, as JSON; empty otherwise.
    pub value: String,
    /// Tokens.
    pub usage: Usage,
    /// Tools used.
    pub steps: u32,
}

/// Which skills are there?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListSkills;

/// The skills, by name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Skills {
    /// Those that can be used.
    pub items: Vec<SkillSummary>,
    /// Those that cannot be read, and why.
    pub problems: Vec<SkillProblem>,
}

/// A skill as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SkillSummary {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// The volume it comes from.
    pub scope: String,
    /// Whether it can run without a model.
    pub executable: bool,
    /// What it takes.
    pub inputs: Vec<InputSummary>,
}

/// An input as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InputSummary {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// What it means.
    pub description: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it is otherwise.
    pub default: String,
}

/// A skill that cannot be used, or not as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SkillProblem {
    /// Where.
    pub path: String,
    /// What is wrong.
    pub sentence: String,
}

/// The text of a skill.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShowSkill {
    /// Its name.
    pub name: String,
}

/// The text of a skill.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SkillText {
    /// `SKILL.md`.
    pub text: String,
    /// Its other files.
    pub files: Vec<String>,
}

/// Is this folder a skill? Its files are strangers' words, so they are read here and not where the rights are. The bytes
/// follow as one stream, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckSkill {
    /// Name of its folder.
    pub name: String,
    /// Its files, paths relative to the folder.
    pub files: Vec<Given>,
}

/// It is, and this is how it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SkillChecked {
    /// What it says it is.
    pub skill: SkillSummary,
    /// What is not as the specification wants it.
    pub problems: Vec<SkillProblem>,
}
