//! The rules for kinds as a person or a file writes them: a line for each kind.
//!
//! ```text
//! # kind      what is kept   when it comes
//! message     append-only    recent-first
//! title       last-write
//! trace       append-only    on-demand
//! 300         local-only                     # a kind that only another program knows
//! attachment  append-only    on-demand       no-take
//! ```
//!
//! What a line leaves out is as for a kind without a rule. What comes from outside is read no further than its bounds.

use std::{collections::BTreeSet, fmt};

use super::{
    limits::MAX_RULES,
    policy::{Keep, Rule, Rules, When},
};
use crate::body;

/// Most bytes of a text of rules.
const MAX_TEXT: usize = 64 << 10;

/// Kinds by name. Others are written as numbers.
const KINDS: &[(&str, u16)] = &[
    ("conversation", body::CONVERSATION),
    ("message", body::MESSAGE),
    ("title", body::TITLE),
    ("trace", body::TRACE),
    ("attachment", body::ATTACHMENT),
    ("file", body::FILE),
    ("file-removed", body::FILE_REMOVED),
    ("experience", body::EXPERIENCE),
    ("bundle", body::BUNDLE),
    ("erase", body::ERASE),
    ("change", body::CHANGE),
    ("branch", body::BRANCH),
    ("right", body::RIGHT),
];

const KEEPS: &[(&str, Keep)] = &[
    ("merge", Keep::Merge),
    ("append-only", Keep::AppendOnly),
    ("last-write", Keep::LastWrite),
    ("local-only", Keep::LocalOnly),
];

const WHENS: &[(&str, When)] = &[("recent-first", When::RecentFirst), ("on-demand", When::OnDemand)];

const NO_TAKE: &str = "no-take";
const NO_GIVE: &str = "no-give";

/// Why a text is no table of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRules {
    /// It is longer than any may be.
    #[error("a table of rules has at most {MAX_TEXT} bytes")]
    TooLong,
    /// It has more rules than a greeting may carry.
    #[error("there are at most {MAX_RULES} rules")]
    TooMany,
    /// A word is not known where it stands.
    #[error("line {line}: {word:?} is not known; {expected}")]
    Unknown {
        /// Which line, from 1.
        line: usize,
        /// The word, cut short.
        word: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// A kind has two rules.
    #[error("line {line}: this kind has a rule already")]
    Twice {
        /// Which line, from 1.
        line: usize,
    },
    /// An erasure that does not travel would leave alive what was erased.
    #[error("line {line}: erasures reach every replica; they have no rule")]
    Erasures {
        /// Which line, from 1.
        line: usize,
    },
}

impl Rules {
    /// Reads a table of rules.
    pub fn read(text: &str) -> Result<Rules, BadRules> {
        Ok(Rules(Rules::lines(text)?.into_iter().map(|(_, rule)| rule).collect()))
    }

    /// The same, with the line on which each rule stands, from 1.
    pub(crate) fn lines(text: &str) -> Result<Vec<(usize, Rule)>, BadRules> {
        if text.len() > MAX_TEXT {
            return Err(BadRules::TooLong);
        }
        let (mut rules, mut kinds) = (Vec::new(), BTreeSet::new());
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default();
            let mut words = text.split_whitespace();
            let Some(word) = words.next() else { continue };
            let kind = by_name(KINDS, word)
                .or_else(|| word.parse().ok())
                .ok_or_else(|| unknown(line, word, "a kind is a name or a number"))?;
            if kind == body::ERASE {
                return Err(BadRules::Erasures { line });
            }
            if !kinds.insert(kind) {
                return Err(BadRules::Twice { line });
            }
            let mut rule = Rule::default_of(kind);
            for word in words {
                match (by_name(KEEPS, word), by_name(WHENS, word), word) {
                    (Some(keep), ..) => rule.keep = keep,
                    (_, Some(when), _) => rule.when = when,
                    (.., NO_TAKE) => rule.accept = false,
                    (.., NO_GIVE) => rule.offer = false,
                    _ => {
                        let expected = "after a kind come merge, append-only, last-write or local-only; recent-first or on-demand; \
                                        no-take; no-give";
                        return Err(unknown(line, word, expected));
                    }
                }
            }
            rules.push((line, rule));
            if rules.len() > MAX_RULES {
                return Err(BadRules::TooMany);
            }
        }
        Ok(rules)
    }
}

/// As [`Rules::read`] reads them.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Rule { kind, keep, when, accept, offer } in &self.0 {
            match name_of(KINDS, kind) {
                Some(name) => write!(f, "{name}")?,
                None => write!(f, "{kind}")?,
            }
            for word in [name_of(KEEPS, keep), name_of(WHENS, when), (!accept).then_some(NO_TAKE), (!offer).then_some(NO_GIVE)] {
                word.map_or(Ok(()), |word| write!(f, " {word}"))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What a kind is called in a table; `None` if it is written as a number.
pub fn kind_name(kind: u16) -> Option<&'static str> {
    name_of(KINDS, &kind)
}

fn by_name<T: Copy>(names: &[(&str, T)], word: &str) -> Option<T> {
    names.iter().find(|(name, _)| *name == word).map(|(_, what)| *what)
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], what: &T) -> Option<&'static str> {
    names.iter().find(|(_, known)| known == what).map(|(name, _)| *name)
}

fn unknown(line: usize, word: &str, expected: &'static str) -> BadRules {
    BadRules::Unknown { line, word: word.chars().take(32).collect(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_and_written() {
        let text = "# what a phone keeps\nmessage append-only\n  title last-write  # the newest\n\ntrace append-only on-demand\n300 local-only\nattachment on-demand no-take no-give\n";
        let rules = Rules::read(text).expect("a table");
        assert_eq!(rules.of(body::TITLE), Rule { keep: Keep::LastWrite, ..Rule::default_of(body::TITLE) });
        assert_eq!(rules.of(300).keep, Keep::LocalOnly);
        assert_eq!(rules.of(301), Rule::default_of(301));
        let attachment = rules.of(body::ATTACHMENT);
        assert_eq!((attachment.when, attachment.accept, attachment.offer), (When::OnDemand, false, false));
        let written = rules.to_string();
        assert_eq!(Rules::read(&written), Ok(rules));
        assert!(written.contains("trace append-only on-demand\n"), "{written}");
    }

    #[test]
    fn what_is_no_table_is_named_by_its_line() {
        let line = |text: &str| match Rules::read(text) {
            Err(BadRules::Unknown { line, .. } | BadRules::Twice { line } | BadRules::Erasures { line }) => line,
            other => panic!("{text:?}: {other:?}"),
        };
        assert_eq!(line("message\nmesage\n"), 2);
        assert_eq!(line("\n\nmessage always"), 3);
        assert_eq!(line("message\n2 merge"), 2, "a name and its number are one kind");
        assert_eq!(line("erase local-only"), 1);
        assert_eq!(line("70000"), 1);
        let many: String = (100..100 + MAX_RULES + 1).map(|kind| format!("{kind}\n")).collect();
        assert_eq!(Rules::read(&many), Err(BadRules::TooMany));
        assert_eq!(Rules::read(&" ".repeat(MAX_TEXT + 1)), Err(BadRules::TooLong));
    }
}
