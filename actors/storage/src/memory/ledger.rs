//! What is known about where everything is: ids and moments, no words. It follows the log by its kinds, so that what this
//! device moved, what another one moved and what was erased come the same way, and reads the registers of a conversation
//! anew when one of those has come.
//!
//! It is in memory alone, about a hundred bytes for each trace and entry there ever was and was not erased, and is made
//! from the log at every start, in slices, beside everything else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use replica::{
    Listed, Replica, ReplicaError, Snapshot,
    body::{self, Body, Erase, memory_of},
};

use super::{
    EventId, Id,
    lifecycle::{self, Life, Tier},
};

/// Events taken in while one snapshot is held.
const SLICE: usize = 256;

/// Conversations whose registers are read while one snapshot is held.
const STATES: usize = 64;

/// What is followed. Erasures come last, so that what they are about is known.
const FOLLOWED: [u16; 5] = [body::TRACE, body::EXPERIENCE, body::BUNDLE, body::CHANGE, body::ERASE];

/// A conversation that has traces or entries.
#[derive(Default)]
pub(super) struct Talk {
    /// By clock and id.
    pub(super) traces: BTreeMap<(u64, EventId), Life>,
    pub(super) entries: BTreeSet<Id>,
}

impl Talk {
    /// Its traces that are there, oldest first: milliseconds since 1970, and the event.
    pub(super) fn traces_in(&self, life: Life) -> impl Iterator<Item = (u64, EventId)> {
        let there = self.traces.iter().filter(move |(_, at)| **at == life);
        there.map(|((clock, id), _)| (ipc::event::Clock(*clock).millis(), *id))
    }
}

/// An entry of the log.
pub(super) struct Entry {
    pub(super) conversation: Id,
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    /// The events that keep it: two devices that made it made one each.
    pub(super) events: Vec<EventId>,
    pub(super) tier: Tier,
}

/// See the module.
#[derive(Default)]
pub(super) struct Ledger {
    followed: [u64; FOLLOWED.len()],
    pub(super) talks: BTreeMap<Id, Talk>,
    pub(super) entries: BTreeMap<Id, Entry>,
    /// Bundles, and the conversation and entries of each.
    pub(super) bundles: BTreeMap<EventId, (Id, Vec<Id>)>,
    /// Erasures that may have left something in the memory: of what, and of which event of it if not of all.
    pub(super) erased: Vec<(Id, Option<EventId>)>,
    /// The conversation of a memory.
    conversation_of: HashMap<Id, Id>,
    /// Entities that are erased for good.
    gone: HashSet<Id>,
    /// Conversations whose registers are to be read again.
    changed: BTreeSet<Id>,
}

impl Ledger {
    /// Takes in what was kept since.
    pub(super) fn follow(&mut self, replica: &Replica) -> Result<(), ReplicaError> {
        loop {
            let snapshot = replica.snapshot()?;
            let mut more = false;
            for (index, kind) in FOLLOWED.into_iter().enumerate() {
                let events = snapshot.of_kind(kind, self.followed[index], SLICE)?;
                more |= events.len() == SLICE;
                for listed in events {
                    self.take(&snapshot, &listed)?;
                    self.followed[index] = listed.event.position;
                }
            }
            for _ in 0..STATES {
                let Some(conversation) = self.changed.pop_first() else { break };
                self.read_registers(&snapshot, &conversation)?;
            }
            if !more && self.changed.is_empty() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, snapshot: &Snapshot<'_>, listed: &Listed) -> Result<(), ReplicaError> {
        let header = &listed.event.header;
        if listed.sealed.is_none() {
            // It says nothing any more.
            return Ok(());
        }
        match header.kind {
            body::TRACE => {
                if let Some(talk) = self.talk(&header.entity) {
                    talk.traces.insert((header.clock.0, listed.event.id), Life::default());
                    self.changed.insert(header.entity);
                }
            }
            body::CHANGE => self.changed.extend(self.conversation_of.get(&header.entity)),
            _ => self.take_body(listed, read(snapshot, &listed.event.id)?),
        }
        Ok(())
    }

    fn take_body(&mut self, listed: &Listed, body: Option<Body>) {
        let (event, entity) = (listed.event.id, listed.event.header.entity);
        match body {
            // What says it is of a conversation whose memory it is not about would not be erased with it.
            Some(Body::Experience(made)) if memory_of(&made.conversation) == entity => {
                let Some(talk) = self.talk(&made.conversation) else { return };
                talk.entries.insert(made.id);
                let fresh =
                    || Entry { conversation: made.conversation, at_ms: made.at_ms, events: Vec::new(), tier: Tier::default() };
                self.entries.entry(made.id).or_insert_with(fresh).events.push(event);
                self.changed.insert(made.conversation);
            }
            Some(Body::Bundle(bundle)) if memory_of(&bundle.conversation) == entity => {
                let Some(_) = self.talk(&bundle.conversation) else { return };
                let items = bundle.items.iter().map(|item| item.id).collect();
                self.bundles.insert(event, (bundle.conversation, items));
            }
            Some(Body::Erase(erase)) => self.take_erasure(&erase),
            _ => {}
        }
    }

    fn take_erasure(&mut self, erase: &Erase) {
        match erase.event {
            None => {
                if erase.until.is_none() {
                    self.gone.insert(erase.entity);
                }
                let conversation = self.conversation_of.get(&erase.entity).copied().unwrap_or(erase.entity);
                if let Some(talk) = self.talks.remove(&conversation) {
                    talk.entries.iter().for_each(|id| drop(self.entries.remove(id)));
                    self.bundles.retain(|_, (of, _)| *of != conversation);
                    self.changed.remove(&conversation);
                }
            }
            Some(event) => {
                let conversation = self.conversation_of.get(&erase.entity).copied().unwrap_or(erase.entity);
                self.bundles.remove(&event);
                let Some(talk) = self.talks.get_mut(&conversation) else { return };
                talk.traces.retain(|(_, id), _| *id != event);
                for id in talk.entries.clone() {
                    let Some(entry) = self.entries.get_mut(&id) else { continue };
                    entry.events.retain(|of| *of != event);
                    if entry.events.is_empty() {
                        self.entries.remove(&id);
                        talk.entries.remove(&id);
                    }
                }
            }
        }
        self.erased.push((erase.entity, erase.event));
    }

    /// What is known of a conversation; `None` if nothing may be any more.
    fn talk(&mut self, conversation: &Id) -> Option<&mut Talk> {
        let memory = memory_of(conversation);
        if self.gone.contains(conversation) || self.gone.contains(&memory) {
            return None;
        }
        self.conversation_of.insert(memory, *conversation);
        Some(self.talks.entry(*conversation).or_default())
    }

    fn read_registers(&mut self, snapshot: &Snapshot<'_>, conversation: &Id) -> Result<(), ReplicaError> {
        let Some(talk) = self.talks.get_mut(conversation) else { return Ok(()) };
        let state = snapshot.state(&memory_of(conversation))?;
        for ((_, trace), life) in &mut talk.traces {
            *life = lifecycle::life(state.as_ref(), trace);
        }
        for id in &talk.entries {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.tier = lifecycle::tier(state.as_ref(), id);
            }
        }
        Ok(())
    }

    /// A trace that cannot be read is as good as none until the next start; `lamos verify` names it.
    pub(super) fn give_up(&mut self, conversation: &Id, trace: &EventId) {
        if let Some(talk) = self.talks.get_mut(conversation) {
            talk.traces.retain(|(_, id), _| id != trace);
        }
    }

    /// Entries that are there, newest first.
    pub(super) fn entries_in(&self, tiers: &[Tier]) -> Vec<(Id, u64)> {
        let there = self.entries.iter().filter(|(_, entry)| tiers.contains(&entry.tier));
        let mut found: Vec<(Id, u64)> = there.map(|(id, entry)| (*id, entry.at_ms)).collect();
        found.sort_unstable_by_key(|(id, at)| (std::cmp::Reverse(*at), *id));
        found
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
