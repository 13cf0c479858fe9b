//! What is in the memory, as it is shown. Where things are comes from the ledger, what they say from the log.

use std::cmp::Reverse;

use ipc::{
    Code, Refusal,
    id::ConversationId,
    messages::storage::{
        ListMemory, MAX_PAGE, MemoryCounts, MemoryListed, MemoryPart, MemoryResult, MemoryShown, MemoryTier, Remembered,
    },
};
use replica::{
    Replica, ReplicaError, Snapshot,
    body::{Body, Bundled, Experience, Success, TraceId},
};

use super::{
    EventId, Id, experience,
    ledger::{self, Entry, Ledger},
    lifecycle::{Life, Tier},
};

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// Nothing begins so.
    Nothing,
    /// More than one thing does.
    Many,
}

impl Unclear {
    pub(super) fn refusal(self) -> Refusal {
        let sentence = match self {
            Unclear::Nothing => "nothing in the memory has an id that begins so; `lamos memory ls` lists them",
            Unclear::Many => "more than one id in the memory begins so; give more of it",
        };
        Refusal::new(Code::NotFound, sentence)
    }
}

/// One thing as lists show it: of which conversation, what, and where it is.
type Item = (Id, Bundled, MemoryTier);

/// A page of a part.
pub(super) fn page(replica: &Replica, ledger: &Ledger, request: ListMemory) -> Result<MemoryListed, ReplicaError> {
    let (skip, limit) = (request.skip as usize, usize::from(request.limit.clamp(1, MAX_PAGE)));
    let snapshot = replica.snapshot()?;
    let mut items: Vec<Item> = Vec::new();
    let all = match request.part {
        MemoryPart::Short => {
            let traces = active(ledger);
            for (_, id, conversation) in traces.iter().skip(skip).take(limit) {
                let made = trace(&snapshot, conversation, id)?;
                items.extend(made.map(|made| (*conversation, trace_in_short(&made), MemoryTier::Active)));
            }
            traces.len()
        }
        MemoryPart::Long | MemoryPart::Archived => {
            let tiers = if request.part == MemoryPart::Long { &[Tier::Live][..] } else { &[Tier::Archived, Tier::Compressed] };
            let entries = ledger.entries_in(tiers);
            for (id, _) in entries.iter().skip(skip).take(limit) {
                items.extend(in_short(&snapshot, ledger, id)?);
            }
            entries.len()
        }
    };
    let items = items.iter().map(|(conversation, item, tier)| remembered(&snapshot, conversation, item, *tier));
    let next = (skip + limit < all).then(|| request.skip.saturating_add(u32::try_from(limit).unwrap_or(u32::MAX)));
    Ok(MemoryListed { items: items.collect::<Result<_, _>>()?, next, counts: counts(ledger) })
}

/// Active traces of all conversations, newest first.
fn active(ledger: &Ledger) -> Vec<(Reverse<u64>, EventId, Id)> {
    let mut traces = Vec::new();
    for (conversation, talk) in &ledger.talks {
        traces.extend(talk.traces_in(Life::Active).map(|(at, id)| (Reverse(at), id, *conversation)));
    }
    traces.sort_unstable();
    traces
}

/// An entry: of one that is compressed what its bundle keeps.
fn in_short(snapshot: &Snapshot<'_>, ledger: &Ledger, id: &Id) -> Result<Option<Item>, ReplicaError> {
    let Some(Entry { conversation, tier, .. }) = ledger.entries.get(id) else { return Ok(None) };
    let bundled = if *tier == Tier::Compressed { bundled(snapshot, ledger, id)? } else { None };
    let item = match bundled {
        Some(item) => Some(item),
        None => entry(snapshot, ledger, id)?.map(|made| experience::in_short(&made)),
    };
    Ok(item.map(|item| (*conversation, item, tier_to_wire(*tier))))
}

fn counts(ledger: &Ledger) -> MemoryCounts {
    let lives = |life| ledger.talks.values().map(|talk| talk.traces.values().filter(|at| **at == life).count() as u64).sum();
    let tiers = |tier| ledger.entries.values().filter(|entry| entry.tier == tier).count() as u64;
    let compressed_entries = tiers(Tier::Compressed);
    MemoryCounts {
        active: lives(Life::Active),
        consolidated: lives(Life::Consolidated),
        archived: lives(Life::Archived),
        live: tiers(Tier::Live),
        archived_entries: tiers(Tier::Archived) + compressed_entries,
        compressed_entries,
    }
}

/// All that is known of one thing.
pub(super) fn show(replica: &Replica, ledger: &Ledger, digits: &str) -> Result<Result<MemoryShown, Unclear>, ReplicaError> {
    let begins = |id: &[u8]| !digits.is_empty() && hex(id).starts_with(digits);
    let entries: Vec<Id> = ledger.entries.keys().filter(|id| begins(&id[..])).copied().take(2).collect();
    let traces = ledger.talks.iter().flat_map(|(conversation, talk)| {
        talk.traces.iter().filter(|((_, id), _)| begins(id)).map(|((_, id), life)| (*conversation, *id, *life))
    });
    let traces: Vec<(Id, EventId, Life)> = traces.take(2).collect();
    let snapshot = replica.snapshot()?;
    let (made, item) = match (&entries[..], &traces[..]) {
        // It may be damaged, and what lists show of it still be there.
        ([id], []) => (entry(&snapshot, ledger, id)?, in_short(&snapshot, ledger, id)?),
        ([], [(conversation, id, life)]) => {
            let tier = match life {
                Life::Active => MemoryTier::Active,
                Life::Consolidated => MemoryTier::Consolidated,
                Life::Archived => MemoryTier::ArchivedTrace,
            };
            let made = trace(&snapshot, conversation, id)?;
            let item = made.as_ref().map(|made| (*conversation, trace_in_short(made), tier));
            (made, item)
        }
        ([], []) => (None, None),
        _ => return Ok(Err(Unclear::Many)),
    };
    let Some((conversation, item, tier)) = item else { return Ok(Err(Unclear::Nothing)) };
    let entry = remembered(&snapshot, &conversation, &item, tier)?;
    Ok(Ok(match made {
        Some(Experience { components, files, summary, learnings, millis, since_ms, traces, .. }) => {
            let events = traces.into_iter().map(|TraceId(id)| id).collect();
            MemoryShown { entry, components, files, summary, learnings, millis, since_ms, events }
        }
        None => MemoryShown {
            entry,
            components: Vec::new(),
            files: Vec::new(),
            summary: Vec::new(),
            learnings: item.learnings,
            millis: 0,
            since_ms: item.at_ms,
            events: Vec::new(),
        },
    }))
}

/// What an entry says.
pub(super) fn entry(snapshot: &Snapshot<'_>, ledger: &Ledger, id: &Id) -> Result<Option<Experience>, ReplicaError> {
    for event in ledger.entries.get(id).into_iter().flat_map(|entry| &entry.events) {
        if let Some(Body::Experience(made)) = ledger::read(snapshot, event)? {
            return Ok(Some(experience::bounded(made)));
        }
    }
    Ok(None)
}

/// What the bundle of an entry keeps of it.
fn bundled(snapshot: &Snapshot<'_>, ledger: &Ledger, id: &Id) -> Result<Option<Bundled>, ReplicaError> {
    for (event, _) in ledger.bundles.iter().filter(|(_, (_, items))| items.contains(id)) {
        let Some(Body::Bundle(bundle)) = ledger::read(snapshot, event)? else { continue };
        if let Some(item) = bundle.items.into_iter().find(|item| item.id == *id) {
            return Ok(Some(experience::bounded_in_short(item)));
        }
    }
    Ok(None)
}

/// A trace, as an entry made of it alone would be.
fn trace(snapshot: &Snapshot<'_>, conversation: &Id, id: &EventId) -> Result<Option<Experience>, ReplicaError> {
    match (ledger::read(snapshot, id)?, snapshot.event(id)?) {
        (Some(Body::Trace(trace)), Some(event)) => Ok(Some(experience::make(conversation, &[(event, trace)]))),
        _ => Ok(None),
    }
}

/// A trace is called by the first half of the id of its event.
fn trace_in_short(made: &Experience) -> Bundled {
    let id = made.traces.first().and_then(|TraceId(id)| id.first_chunk().copied()).unwrap_or_default();
    Bundled { id, ..experience::in_short(made) }
}

/// As it is shown.
pub(super) fn remembered(
    snapshot: &Snapshot<'_>,
    conversation: &Id,
    item: &Bundled,
    tier: MemoryTier,
) -> Result<Remembered, ReplicaError> {
    let title = snapshot.conversation(conversation)?.map(|view| view.title).unwrap_or_default();
    Ok(Remembered {
        id: item.id,
        conversation: ConversationId(*conversation),
        title,
        goal: item.goal.clone(),
        result: match item.result {
            Success::Success => MemoryResult::Success,
            Success::Partial => MemoryResult::Partial,
            Success::Failure => MemoryResult::Failure,
        },
        tier,
        traces: item.traces,
        at_ms: item.at_ms,
    })
}

fn tier_to_wire(tier: Tier) -> MemoryTier {
    match tier {
        Tier::Live => MemoryTier::Live,
        Tier::Archived => MemoryTier::Archived,
        Tier::Compressed => MemoryTier::Compressed,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
