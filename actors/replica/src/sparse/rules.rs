//! The rules that a sparse store keeps to: which of those a table may have it can honour, and what they leave uncertain.
//!
//! A kind that does not come by itself is one of whose events nobody tells this store. So whatever is folded of such a kind
//! is missing each time it is read, until it was asked for. When the rules become others this stays so for what the former
//! ones kept back, until everything recent was compared by the new ones.

use super::{SMALL, Sparse, SparseError};
use crate::{
    Damage, ReplicaError, body,
    chum::{BadRules, Keep, Rule, Rules},
    engine::Reading,
    tables::Table,
    write::Batch,
};

/// Most rules: the greeting of a session for titles has a rule for every kind that a message can list beside them.
const MOST: usize = 64;

/// In [`Table::Meta`]: the kinds, `u16` each, little-endian, of which not all that the peer has was compared.
const META_KEPT_BACK: &[u8] = b"sparse kept back";

/// Why a store cannot keep to a table of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitRules {
    /// It is no table of rules.
    #[error(transparent)]
    Table(#[from] BadRules),
    /// It is longer than there is room for.
    #[error("the window takes at most {MOST} rules")]
    TooMany,
    /// A rule cannot be honoured.
    #[error("line {line}: {why}")]
    Rule {
        /// Which line, from 1.
        line: usize,
        /// What speaks against it.
        why: &'static str,
    },
}

const GIVES: &str = "the window gives the archive nothing but commands; no-give has no meaning for it";
const CONVERSATION: &str = "this kind is part of conversations, whose pages would have holes; in the window it comes by itself";
const UNKNOWN: &str = "what this program does not know may be part of a conversation, so it is not turned away; on-demand keeps it \
                       back until it is asked for";
const FOLDED: &str = "this kind is made of all of its events; last-write would leave out some";
const FILES: &str = "file and file-removed have the same rule, or what was removed would be shown";

/// Reads a table of rules that a sparse store can keep to.
pub fn read_rules(text: &str) -> Result<Rules, UnfitRules> {
    let lines = Rules::lines(text)?;
    if lines.len() > MOST {
        return Err(UnfitRules::TooMany);
    }
    let rules = Rules(lines.iter().map(|(_, rule)| *rule).collect());
    for (line, rule) in &lines {
        if let Some(why) = flaw(rule, &rules) {
            return Err(UnfitRules::Rule { line: *line, why });
        }
    }
    Ok(rules)
}

/// What speaks against a rule of this table.
fn flaw(rule: &Rule, rules: &Rules) -> Option<&'static str> {
    if !rule.offer {
        return Some(GIVES);
    }
    let is_like = |other: u16| Rule { kind: other, ..*rule } == rules.of(other);
    match rule.kind {
        body::CONVERSATION | body::MESSAGE | body::TITLE | body::TRACE | body::ATTACHMENT => {
            let whole = matches!(rule.keep, Keep::Merge | Keep::AppendOnly) && rule.comes_by_itself();
            (!whole).then_some(CONVERSATION)
        }
        body::FILE => (!is_like(body::FILE_REMOVED)).then_some(FILES),
        body::FILE_REMOVED => (!is_like(body::FILE)).then_some(FILES),
        body::CHANGE | body::BRANCH => (rule.keep == Keep::LastWrite).then_some(FOLDED),
        body::EXPERIENCE | body::BUNDLE | body::RIGHT => None,
        _ => (!rule.is_taken()).then_some(UNKNOWN),
    }
}

impl Sparse {
    /// Keeps to these rules, from [`read_rules`], from the next session on, whose settings have them. What rules before them
    /// kept back comes by itself once a session has compared everything recent.
    pub fn keep_to(&mut self, rules: Rules) -> Result<(), SparseError> {
        let mut kinds = kept_back(&*self.replica.read()?)?;
        let before = kinds.len();
        kinds.extend(kept_back_by(&rules));
        kinds.sort_unstable();
        kinds.dedup();
        // Before anything is kept back: what was told until then is not all any more.
        if kinds.len() > before {
            self.write(SMALL, |batch| batch.put_kept_back(&kinds))?;
        }
        (self.kept_back, self.rules) = (kinds, rules);
        Ok(())
    }

    /// The rules it keeps to.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether there may be events of these kinds of which nobody has told.
    pub(super) fn is_kept_back(&self, kinds: &[u16]) -> bool {
        kinds.iter().any(|kind| self.kept_back.binary_search(kind).is_ok())
    }

    /// Whether these kinds do not even come when they are asked for.
    pub(super) fn is_turned_away(&self, kinds: &[u16]) -> bool {
        kinds.iter().any(|kind| !self.rules.of(*kind).is_taken())
    }

    /// The kinds that the rules of now keep back, in order.
    pub(super) fn kept_back_now(&self) -> Vec<u16> {
        let mut kinds: Vec<u16> = kept_back_by(&self.rules).collect();
        kinds.sort_unstable();
        kinds
    }
}

impl Batch<'_> {
    pub(super) fn put_kept_back(&mut self, kinds: &[u16]) -> Result<(), ReplicaError> {
        let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_le_bytes()).collect();
        self.txn.put(Table::Meta, META_KEPT_BACK, &value)
    }
}

fn kept_back_by(rules: &Rules) -> impl Iterator<Item = u16> {
    rules.0.iter().filter(|rule| !rule.comes_by_itself()).map(|rule| rule.kind)
}

/// The kinds that are noted, in order.
fn kept_back(txn: &dyn Reading) -> Result<Vec<u16>, ReplicaError> {
    let Some(value) = txn.get(Table::Meta, META_KEPT_BACK)? else { return Ok(Vec::new()) };
    let (kinds, rest) = value.as_chunks::<2>();
    let kinds: Vec<u16> = kinds.iter().map(|kind| u16::from_le_bytes(*kind)).collect();
    if !rest.is_empty() || !kinds.is_sorted() {
        return Err(Damage::Record("rules").into());
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chum::When;

    #[track_caller]
    fn refused(text: &str) -> (usize, &'static str) {
        match read_rules(text) {
            Err(UnfitRules::Rule { line, why }) => (line, why),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn what_can_be_honoured_is_taken() {
        let text = "message append-only\nfile on-demand\nfile-removed on-demand\nexperience no-take\nbundle last-write\n\
                    change local-only\nbranch on-demand\n300 last-write on-demand\n";
        let rules = read_rules(text).unwrap();
        assert_eq!(Rules::read(text), Ok(rules.clone()));
        assert_eq!(rules.of(body::FILE).when, When::OnDemand);
        assert_eq!(read_rules(""), Ok(Rules::default()));
    }

    #[test]
    fn what_cannot_is_refused_with_its_line_and_why() {
        for kind in ["conversation", "message", "title", "trace", "attachment"] {
            for how in ["on-demand", "last-write", "local-only", "no-take"] {
                assert_eq!(refused(&format!("# a comment\nbundle\n{kind} {how}")), (3, CONVERSATION));
            }
        }
        assert_eq!(refused("bundle\n\nbranch no-give"), (3, GIVES));
        assert_eq!(refused("change last-write"), (1, FOLDED));
        assert_eq!(refused("bundle\nbranch last-write on-demand"), (2, FOLDED));
        assert_eq!(refused("300 no-take"), (1, UNKNOWN));
        assert_eq!(refused("bundle\n300 local-only"), (2, UNKNOWN));
        assert_eq!(refused("bundle\nfile on-demand"), (2, FILES));
        assert_eq!(refused("file on-demand\nfile-removed on-demand no-take"), (1, FILES));
        assert_eq!(refused("bundle\nfile-removed no-take"), (2, FILES));
        assert_eq!(read_rules("erase on-demand"), Err(UnfitRules::Table(BadRules::Erasures { line: 1 })));
        let words = read_rules("bundle\ntrace on-demand").unwrap_err().to_string();
        assert!(words.starts_with("line 2: this kind is part of conversations"), "{words}");
        let many = |count: usize| (100..100 + count).map(|kind| format!("{kind} on-demand\n")).collect::<String>();
        assert!(read_rules(&many(MOST)).is_ok());
        assert_eq!(read_rules(&many(MOST + 1)), Err(UnfitRules::TooMany));
    }
}
