//! Which kinds of events travel, and how: a table each side has and tells the other in its greeting.
//!
//! Within whole chains the header of every event goes, because the next one names it; what a rule keeps back there is the
//! body. Where sets are compared, what a rule keeps back is not in the set at all.

use std::collections::HashSet;

use ipc::event::EventHeader;
use minicbor::{Decode, Encode};

/// What is kept of the events of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Keep {
    /// All of them; they merge.
    #[default]
    #[n(0)]
    Merge,
    /// All of them; none replaces another.
    #[n(1)]
    AppendOnly,
    /// A window needs the newest of each entity alone.
    #[n(2)]
    LastWrite,
    /// Their bodies stay where they were made.
    #[n(3)]
    LocalOnly,
}

/// When the events of a kind come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum When {
    /// By themselves, newest first where there is a choice.
    #[default]
    #[n(0)]
    RecentFirst,
    /// When somebody asks for one.
    #[n(1)]
    OnDemand,
}

/// The rule for a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rule {
    /// Which kind.
    #[n(0)]
    pub kind: u16,
    /// What is kept.
    #[n(1)]
    pub keep: Keep,
    /// When it comes.
    #[n(2)]
    pub when: When,
    /// Whether this side takes bodies of this kind from others.
    #[n(3)]
    pub accept: bool,
    /// Whether this side gives bodies of this kind to others.
    #[n(4)]
    pub offer: bool,
}

impl Rule {
    /// What holds for a kind without a rule: it merges, comes by itself, is taken and given.
    pub const fn default_of(kind: u16) -> Rule {
        Rule { kind, keep: Keep::Merge, when: When::RecentFirst, accept: true, offer: true }
    }

    /// Whether this side takes bodies of this kind at all.
    pub fn is_taken(&self) -> bool {
        self.accept && self.keep != Keep::LocalOnly
    }

    /// Whether they come without having been asked for.
    pub fn comes_by_itself(&self) -> bool {
        self.is_taken() && self.when == When::RecentFirst
    }
}

/// The rules of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    /// The rule for this kind.
    pub fn of(&self, kind: u16) -> Rule {
        self.0.iter().find(|rule| rule.kind == kind).copied().unwrap_or(Rule::default_of(kind))
    }

    /// Whether no kind has a rule of its own.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The rules of both sides for one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'r> {
    pub(crate) exporter: &'r Rules,
    pub(crate) importer: &'r Rules,
}

impl Way<'_> {
    /// Whether a body of this kind may go at all.
    pub(crate) fn may_go(&self, kind: u16) -> bool {
        let (from, to) = (self.exporter.of(kind), self.importer.of(kind));
        from.offer && to.accept && from.keep != Keep::LocalOnly && to.keep != Keep::LocalOnly
    }

    /// Whether it goes without being asked for.
    pub(crate) fn goes_unasked(&self, kind: u16) -> bool {
        self.may_go(kind) && self.importer.of(kind).when == When::RecentFirst
    }

    /// Whether headers must be looked at to say what is in the set.
    pub(crate) fn filters(&self) -> bool {
        !self.exporter.is_empty() || !self.importer.is_empty()
    }
}

/// Says of events, newest first, whether the importer shall have them by itself.
pub(crate) struct Listing<'r> {
    way: Way<'r>,
    newer: HashSet<(u16, [u8; 16])>,
}

impl<'r> Listing<'r> {
    pub(crate) fn new(way: Way<'r>) -> Listing<'r> {
        Listing { way, newer: HashSet::new() }
    }

    pub(crate) fn has(&mut self, header: &EventHeader) -> bool {
        self.way.goes_unasked(header.kind)
            && (self.way.importer.of(header.kind).keep != Keep::LastWrite || self.newer.insert((header.kind, header.entity)))
    }
}
