//! Skills: folders with a guide, and for many of them a script that does it without any model.
//!
//! Reading is lenient, because people and models write these files: what is merely not as the specification wants it is a
//! [`Problem`], and only what has no name, no description or no readable head is left out.

mod check;
mod extract;
mod front_matter;
mod interface;
mod legacy;
mod library;
mod search;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use extract::{Given, Missing, extract};
pub(crate) use interface::{InputKind, Interface};
#[cfg(test)]
pub(crate) use library::system;
pub(crate) use library::{Library, Source, UserFiles, read_folder};
pub(crate) use search::{best, rank};

/// Where a skill comes from. A later one wins over an earlier one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// It ships with the program.
    System,
    /// The person's own.
    User,
}

impl Scope {
    /// The word people see.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scope::System => "system",
            Scope::User => "user",
        }
    }
}

/// A skill.
#[derive(Clone, Debug)]
pub(crate) struct Skill {
    /// Its name: letters, digits and hyphens.
    pub(crate) name: String,
    /// What it does and when to use it.
    pub(crate) description: String,
    /// Where it comes from.
    pub(crate) scope: Scope,
    /// `SKILL.md` as it is.
    pub(crate) text: String,
    /// Words that people use for it.
    pub(crate) keywords: Vec<String>,
    /// How it runs without a model, if it does.
    pub(crate) interface: Option<Interface>,
    /// Its other files.
    pub(crate) files: Vec<String>,
}

/// Something about a skill that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Which file.
    pub(crate) path: String,
    /// What about it.
    pub(crate) sentence: String,
}
