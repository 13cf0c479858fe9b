//! Where a trace and an entry are: registers in the state of the memory of their conversation, under `trace` and `entry` by
//! their ids. What has no register has not been moved yet. These words are on disk for ever.

use replica::{
    Draft,
    body::{Body, memory_of},
    state::{Act, Change, Operation, State, Step, Value},
};

use super::{EventId, Id};

const TRACE: &str = "trace";
const ENTRY: &str = "entry";

const ACTIVE: &str = "active";
const CONSOLIDATED: &str = "consolidated";
const LIVE: &str = "live";
const ARCHIVED: &str = "archived";
const COMPRESSED: &str = "compressed";

/// Where a trace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    /// Nothing was made of it yet.
    #[default]
    Active,
    /// An entry was.
    Consolidated,
    /// And its conversation was idle since.
    Archived,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// In the live part of the log.
    #[default]
    Live,
    /// Out of it.
    Archived,
    /// And in a bundle.
    Compressed,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Half of an event's id tells traces of one conversation apart.
fn trace_name(trace: &EventId) -> String {
    hex(&trace[..16])
}

fn set(group: &str, name: String, word: &str) -> Operation {
    Operation { path: vec![Step::from(group), Step::Field(name)], act: Act::Set(Value::from(word)) }
}

/// A trace is there.
pub(super) fn move_trace(trace: &EventId, to: Life) -> Operation {
    let word = match to {
        Life::Active => ACTIVE,
        Life::Consolidated => CONSOLIDATED,
        Life::Archived => ARCHIVED,
    };
    set(TRACE, trace_name(trace), word)
}

/// An entry is there.
pub(super) fn move_entry(entry: &Id, to: Tier) -> Operation {
    let word = match to {
        Tier::Live => LIVE,
        Tier::Archived => ARCHIVED,
        Tier::Compressed => COMPRESSED,
    };
    set(ENTRY, hex(entry), word)
}

/// What says that these things of a conversation are there.
pub(super) fn moves(conversation: &Id, operations: Vec<Operation>) -> Draft {
    Draft { entity: memory_of(conversation), body: Body::Change(Change { operations }), once: None }
}

fn word<'s>(state: Option<&'s State>, group: &str, name: &str) -> Option<&'s str> {
    match state?.field(group)?.fields.get(name)?.value()? {
        Value::Text(word) => Some(word),
        _ => None,
    }
}

/// Where a trace is. A word of a newer program is none of ours: who does not know it leaves the trace alone.
pub(super) fn life(state: Option<&State>, trace: &EventId) -> Life {
    match word(state, TRACE, &trace_name(trace)) {
        None | Some(ACTIVE) => Life::Active,
        Some(CONSOLIDATED) => Life::Consolidated,
        Some(_) => Life::Archived,
    }
}

/// Where an entry is; of a word of a newer program as with [`life`].
pub(super) fn tier(state: Option<&State>, entry: &Id) -> Tier {
    match word(state, ENTRY, &hex(entry)) {
        None | Some(LIVE) => Tier::Live,
        Some(ARCHIVED) => Tier::Archived,
        Some(_) => Tier::Compressed,
    }
}
