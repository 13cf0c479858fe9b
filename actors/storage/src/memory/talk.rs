//! What the log says of the memory of one conversation: a fold of the conversation's traces, of what its memory keeps, and
//! of what was erased of both. The same events give the same in whatever order they came, so what is kept of it in
//! [`super::rows`] is always what would be made anew.
//!
//! It reads the events of this one conversation and no others.

use std::collections::{BTreeMap, BTreeSet};

use replica::{
    Listed, Recorded, ReplicaError, Snapshot,
    body::{self, Body, Experience, TraceId, memory_of},
};

use super::{
    EventId, Id,
    lifecycle::{self, Life, Tier},
};

/// A conversation, as far as the ledger keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Talk {
    /// The place of the log's newest event when it was folded. No part of what is known.
    pub(super) folded: u64,
    /// Traces that are settled: they are archived, and nothing will be done with them any more.
    pub(super) archived: u64,
    /// The others, by clock and id.
    pub(super) traces: BTreeMap<(u64, EventId), Life>,
    pub(super) entries: BTreeMap<Id, Entry>,
    /// Something that was erased has left something here.
    pub(super) forget: bool,
}

/// An entry of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) tier: Tier,
    /// The events that keep it: two devices that made it made one each.
    pub(super) events: Vec<EventId>,
    /// The events of bundles it stands in.
    pub(super) bundles: Vec<EventId>,
}

/// A conversation, and what was only needed to fold it.
#[derive(Default)]
pub(super) struct Folded {
    pub(super) talk: Talk,
    /// What the memory said before its conversation was erased is still there.
    pub(super) whole: bool,
    /// Entries that were made of a trace that is erased, and the other traces of each.
    pub(super) tainted: Vec<(Id, Vec<EventId>)>,
    /// Bundles, and the entries in each.
    pub(super) bundles: Vec<(EventId, Vec<Id>)>,
    /// Events that were looked at.
    pub(super) looked: usize,
}

impl Talk {
    /// Whether there is nothing to be kept of it.
    pub(super) fn is_empty(&self) -> bool {
        self.archived == 0 && self.traces.is_empty() && self.entries.is_empty() && !self.forget
    }

    /// Its traces that are there, oldest first: milliseconds since 1970, and the event.
    pub(super) fn traces_in(&self, life: Life) -> impl Iterator<Item = (u64, EventId)> {
        let there = self.traces.iter().filter(move |(_, at)| **at == life);
        there.map(|((clock, id), _)| (ipc::event::Clock(*clock).millis(), *id))
    }
}

/// What the log says of this conversation.
pub(super) fn fold(snapshot: &Snapshot<'_>, conversation: &Id) -> Result<Folded, ReplicaError> {
    let memory = memory_of(conversation);
    let erased = snapshot.erased_until(conversation)?.map(|clock| clock.0);
    // Of a conversation whose memory is erased for good nothing is remembered any more.
    let until = erased.max(snapshot.erased_until(&memory)?.map(|clock| clock.0));
    let hidden = |listed: &Listed| until.is_some_and(|until| listed.event.header.clock.0 <= until);
    let state = snapshot.state(&memory)?;
    let mut folded = Folded::default();
    for listed in snapshot.of_entity(conversation)? {
        let listed = listed?;
        folded.looked += 1;
        let header = &listed.event.header;
        if header.kind != body::TRACE || listed.sealed.is_none() || hidden(&listed) {
            continue;
        }
        match lifecycle::life(state.as_ref(), &listed.event.id) {
            Life::Archived => folded.talk.archived += 1,
            life => drop(folded.talk.traces.insert((header.clock.0, listed.event.id), life)),
        }
    }
    for listed in snapshot.of_entity(&memory)? {
        let listed = listed?;
        folded.looked += 1;
        if listed.sealed.is_none() {
            continue;
        }
        folded.whole |= erased.is_some_and(|until| listed.event.header.clock.0 <= until);
        if hidden(&listed) || !matches!(listed.event.header.kind, body::EXPERIENCE | body::BUNDLE) {
            continue;
        }
        match read(snapshot, &listed.event.id)? {
            // What says it is of a conversation whose memory it is not about would not be erased with it.
            Some(Body::Experience(made)) if made.conversation == *conversation => {
                let fresh = || Entry {
                    at_ms: made.at_ms,
                    tier: lifecycle::tier(state.as_ref(), &made.id),
                    events: Vec::new(),
                    bundles: Vec::new(),
                };
                let entry = folded.talk.entries.entry(made.id).or_insert_with(fresh);
                entry.events.push(listed.event.id);
                if entry.events.len() == 1 {
                    folded.tainted.extend(taint(snapshot, &made, erased)?.map(|others| (made.id, others)));
                }
            }
            Some(Body::Bundle(bundle)) if bundle.conversation == *conversation => {
                folded.bundles.push((listed.event.id, bundle.items.iter().map(|item| item.id).collect()));
            }
            _ => {}
        }
    }
    for (event, items) in &folded.bundles {
        // A bundle of another program may name one twice.
        for item in items.iter().collect::<BTreeSet<_>>() {
            if let Some(entry) = folded.talk.entries.get_mut(item) {
                entry.bundles.push(*event);
            }
        }
    }
    folded.talk.forget = folded.whole || !folded.tainted.is_empty();
    Ok(folded)
}

/// The other traces of an entry of which one is erased; `None` if none is.
fn taint(snapshot: &Snapshot<'_>, made: &Experience, erased: Option<u64>) -> Result<Option<Vec<EventId>>, ReplicaError> {
    let mut others = Vec::with_capacity(made.traces.len());
    for TraceId(trace) in &made.traces {
        let with_others = match erased {
            Some(until) => event(snapshot, trace)?.is_some_and(|event| event.header.clock.0 <= until),
            None => false,
        };
        if !with_others && !snapshot.is_event_erased(trace)? {
            others.push(*trace);
        }
    }
    Ok((others.len() < made.traces.len()).then_some(others))
}

/// The event with this id; `None` if it is not here, or damaged, which is for others to name.
pub(super) fn event(snapshot: &Snapshot<'_>, id: &EventId) -> Result<Option<Recorded>, ReplicaError> {
    match snapshot.event(id) {
        Ok(event) => Ok(event),
        Err(ReplicaError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an event says; `None` if it is erased, not here, or damaged, which is for others to name.
pub(super) fn read(snapshot: &Snapshot<'_>, event: &EventId) -> Result<Option<Body>, ReplicaError> {
    match snapshot.version(event) {
        Ok(version) => Ok(version.and_then(|version| version.body)),
        Err(ReplicaError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
