//! The state of an entity: a tree of fields, each of which can be a register, a set, a list, a counter, a text and the
//! parent of further fields, all at once. Two devices that make different things of one field at the same time lose
//! neither.
//!
//! A state is folded from the entity's events in the order of `(clock, author)`, which is the same everywhere, so the
//! same events give the same state whatever order they came in. What an event's author had seen is known from the heads
//! its header names; so a removal takes away what its author saw and nothing that was added meanwhile. Usually an event
//! is the newest and has seen the heads that the state remembers; then the state goes on from where it is. Otherwise the
//! entity is folded anew, which costs as many reads as it has events, once for each transaction.
//!
//! Each idea has a file: `past` what was seen, `register`, `set`, `list`, `counter`, `text`; `node` puts them together,
//! `operation` is what is on disk for ever.
//!
//! **Architecture Invariant:** nothing here reads a table, a clock or a random number; text that is edited gets its random
//! number handed in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use minicbor::{Decode, Encode};

use crate::{ReplicaError, log::Recorded};

mod counter;
mod list;
mod node;
mod operation;
mod past;
mod register;
mod set;
mod text;

pub use counter::Counter;
pub use list::{Item, List};
pub use node::Node;
pub use operation::{Act, Change, Element, MAX_DEPTH, MAX_OPERATIONS, Operation, Step, Value};
pub use past::{Device, EventId, Past, Stamp};
pub use register::Register;
pub use set::Set;
pub use text::Text;

/// The state of an entity.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct State {
    /// Its fields.
    #[n(0)]
    pub root: Node,
    /// The clock and author of the newest event that is in it.
    #[n(1)]
    pub last: Option<Stamp>,
    /// The heads it is made of, and what each had seen.
    #[n(2)]
    pub heads: BTreeMap<EventId, Past>,
    /// A text waits for an update it builds on, which has not come or is erased.
    #[n(3)]
    pub waits: bool,
}

impl State {
    /// The field at the end of this path.
    pub fn at(&self, path: &[Step]) -> Option<&Node> {
        self.root.at(path)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Node> {
        self.root.fields.get(name)
    }

    /// Texts were merged that were changed at the same time, and nobody has looked at the result.
    pub fn is_merged(&self) -> bool {
        self.root.any(&|node| node.text.as_ref().is_some_and(|text| !text.merged.is_empty()))
    }

    /// Everything that is referred to, by its name: see [`Name`](crate::Name).
    pub fn references(&self) -> BTreeSet<[u8; 16]> {
        let mut found = BTreeSet::new();
        self.root.references(&mut found);
        found
    }

    /// The operation that makes a text be this one, by comparing the two. `chance` must be a number that was never used
    /// for another edit, such as a random one.
    pub fn edit(&self, path: &[Step], new: &str, chance: u64) -> Result<Operation, ReplicaError> {
        let text = self.at(path).and_then(|node| node.text.as_ref());
        let update = text::edit(text, new, chance)?;
        Ok(Operation { path: path.to_vec(), act: Act::Text(update) })
    }
}

/// A state while events are taken into it, in their order.
#[derive(Default)]
pub(crate) struct Folding {
    state: State,
    /// What each event had seen, itself included.
    pasts: HashMap<[u8; 32], Past>,
    /// Events that changed something.
    pub(crate) changes: usize,
}

impl Folding {
    /// Goes on from a state, if this event can be the next.
    pub(crate) fn go_on(state: State, event: &Recorded) -> Option<Folding> {
        let follows = state.last.as_ref().is_none_or(|last| *last < Stamp::of(event));
        let known = event.header.seen.iter().all(|seen| state.heads.contains_key(&EventId(*seen)));
        if !follows || !known || state.waits {
            return None;
        }
        let pasts = state.heads.iter().map(|(id, past)| (id.0, past.clone())).collect();
        Some(Folding { state, pasts, changes: 0 })
    }

    /// Takes the next event in, with what it changes if it does and that is there.
    pub(crate) fn take(&mut self, event: &Recorded, change: Option<&Change>) {
        let stamp = Stamp::of(event);
        let mut past = Past::default();
        for seen in &event.header.seen {
            if let Some(known) = self.pasts.get(seen) {
                past.join(known);
            }
            self.state.heads.remove(&EventId(*seen));
        }
        past.add(&stamp);
        if let Some(change) = change {
            self.changes += 1;
            for (index, operation) in (0..).zip(change.operations.iter().take(MAX_OPERATIONS)) {
                self.state.root.apply(operation, &stamp, index, &past);
            }
        }
        self.state.heads.insert(EventId(event.id), past.clone());
        self.pasts.insert(event.id, past);
        self.state.last = Some(stamp);
    }

    /// The state with all that was taken in.
    pub(crate) fn end(mut self) -> Result<State, ReplicaError> {
        self.state.waits = self.state.root.settle()?;
        Ok(self.state)
    }
}
