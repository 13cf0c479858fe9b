//! What is in the memory, as it is shown. Where things are comes from the ledger, what they say from the log.

use ipc::{
    Code, Refusal,
    id::ConversationId,
    messages::storage::{ListMemory, MAX_PAGE, MemoryListed, MemoryPart, MemoryResult, MemoryShown, MemoryTier, Remembered},
};
use replica::{
    ReplicaError, Snapshot,
    body::{self, Body, Bundled, Experience, Success, TraceId, memory_of},
};

use super::{
    EventId, Id, experience, ledger,
    lifecycle::{self, Life, Tier},
    rows::{self, Cut},
    talk::{self, Entry},
};

/// Events looked at for one that is a trace, among those whose ids begin with some digits.
const MOST_IDS: usize = 4096;

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
pub(super) fn page(snapshot: &Snapshot<'_>, request: &ListMemory) -> Result<MemoryListed, ReplicaError> {
    let (skip, limit) = (request.skip as usize, usize::from(request.limit.clamp(1, MAX_PAGE)));
    let counts = ledger::counts(snapshot)?;
    let (kind, all) = match request.part {
        MemoryPart::Short => (rows::SHORT, counts.active),
        MemoryPart::Long => (rows::LIVE, counts.live),
        MemoryPart::Archived => (rows::OLD, counts.archived_entries),
    };
    let mut items: Vec<Item> = Vec::new();
    // All three lie the newest first.
    for row in rows::keys(snapshot, kind, None)?.skip(skip).take(limit) {
        let row = row?;
        let mut cut = Cut(row.get(9..).unwrap_or_default());
        if kind == rows::SHORT {
            let (id, conversation) = (cut.take()?, cut.take()?);
            let made = trace(snapshot, &conversation, &id)?;
            items.extend(made.map(|made| (conversation, trace_in_short(&made), MemoryTier::Active)));
        } else {
            let (id, conversation) = (cut.take()?, cut.take()?);
            items.extend(in_short(snapshot, &conversation, &id)?);
        }
    }
    let items = items.iter().map(|(conversation, item, tier)| remembered(snapshot, conversation, item, *tier));
    let more = ((skip + limit) as u64) < all;
    let next = more.then(|| request.skip.saturating_add(u32::try_from(limit).unwrap_or(u32::MAX)));
    Ok(MemoryListed { items: items.collect::<Result<_, _>>()?, next, counts })
}

/// An entry: of one that is compressed what its bundle keeps.
fn in_short(snapshot: &Snapshot<'_>, conversation: &Id, id: &Id) -> Result<Option<Item>, ReplicaError> {
    let Some(kept) = rows::entry(snapshot, conversation, id)? else { return Ok(None) };
    let bundled = if kept.tier == Tier::Compressed { bundled(snapshot, &kept, id)? } else { None };
    let item = match bundled {
        Some(item) => Some(item),
        None => said(snapshot, &kept)?.map(|made| experience::in_short(&made)),
    };
    Ok(item.map(|item| (*conversation, item, tier_to_wire(kept.tier))))
}

/// Entries and traces whose ids begin with these digits, as far as it takes to know that there is more than one thing.
type Begun = (Vec<(Id, Id)>, Vec<(Id, EventId)>);

fn begun(snapshot: &Snapshot<'_>, digits: &str) -> Result<Result<Begun, Unclear>, ReplicaError> {
    let (mut entries, mut traces) = (Vec::new(), Vec::new());
    let Some(begin) = bytes(digits) else { return Ok(Err(Unclear::Nothing)) };
    for one in rows::named(snapshot, &begin)? {
        let (id, conversation) = one?;
        if hex(&id).starts_with(digits) {
            entries.push((conversation, id));
        }
        if entries.len() > 1 {
            return Ok(Err(Unclear::Many));
        }
    }
    // Traces are events among many others, and those that are settled stand in no list.
    let ids = snapshot.ids_beginning(digits, MOST_IDS)?;
    let all = ids.len() < MOST_IDS;
    for id in ids {
        let Some(listed) = snapshot.listed_one(&id)? else { continue };
        let conversation = listed.event.header.entity;
        let is_trace = listed.event.header.kind == body::TRACE && listed.sealed.is_some();
        if is_trace && rows::talk_of(snapshot, &memory_of(&conversation))?.is_some() {
            traces.push((conversation, id));
        }
        if entries.len() + traces.len() > 1 {
            return Ok(Err(Unclear::Many));
        }
    }
    Ok(if all { Ok((entries, traces)) } else { Err(Unclear::Many) })
}

/// All that is known of one thing.
pub(super) fn show(snapshot: &Snapshot<'_>, digits: &str) -> Result<Result<MemoryShown, Unclear>, ReplicaError> {
    let (entries, traces) = match begun(snapshot, digits)? {
        Ok(begun) => begun,
        Err(unclear) => return Ok(Err(unclear)),
    };
    let (made, item) = match (&entries[..], &traces[..]) {
        // It may be damaged, and what lists show of it still be there.
        ([(conversation, id)], []) => (entry(snapshot, conversation, id)?, in_short(snapshot, conversation, id)?),
        ([], [(conversation, id)]) => {
            let state = snapshot.state(&memory_of(conversation))?;
            let tier = match lifecycle::life(state.as_ref(), id) {
                Life::Active => MemoryTier::Active,
                Life::Consolidated => MemoryTier::Consolidated,
                Life::Archived => MemoryTier::ArchivedTrace,
            };
            let made = trace(snapshot, conversation, id)?;
            let item = made.as_ref().map(|made| (*conversation, trace_in_short(made), tier));
            (made, item)
        }
        ([], []) => (None, None),
        _ => return Ok(Err(Unclear::Many)),
    };
    let Some((conversation, item, tier)) = item else { return Ok(Err(Unclear::Nothing)) };
    let entry = remembered(snapshot, &conversation, &item, tier)?;
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
pub(super) fn entry(snapshot: &Snapshot<'_>, conversation: &Id, id: &Id) -> Result<Option<Experience>, ReplicaError> {
    rows::entry(snapshot, conversation, id)?.map_or(Ok(None), |kept| said(snapshot, &kept))
}

fn said(snapshot: &Snapshot<'_>, kept: &Entry) -> Result<Option<Experience>, ReplicaError> {
    for event in &kept.events {
        if let Some(Body::Experience(made)) = talk::read(snapshot, event)? {
            return Ok(Some(experience::bounded(made)));
        }
    }
    Ok(None)
}

/// What a bundle of an entry keeps of it.
fn bundled(snapshot: &Snapshot<'_>, kept: &Entry, id: &Id) -> Result<Option<Bundled>, ReplicaError> {
    for event in &kept.bundles {
        let Some(Body::Bundle(bundle)) = talk::read(snapshot, event)? else { continue };
        if let Some(item) = bundle.items.into_iter().find(|item| item.id == *id) {
            return Ok(Some(experience::bounded_in_short(item)));
        }
    }
    Ok(None)
}

/// A trace, as an entry made of it alone would be.
fn trace(snapshot: &Snapshot<'_>, conversation: &Id, id: &EventId) -> Result<Option<Experience>, ReplicaError> {
    match (talk::read(snapshot, id)?, talk::event(snapshot, id)?) {
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

/// The bytes that an even number of these digits stands for; `None` if they are none.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..digits.len() / 2).map(|pair| u8::from_str_radix(&digits[2 * pair..2 * pair + 2], 16));
    pairs.collect::<Result<_, _>>().ok()
}
