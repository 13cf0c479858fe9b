//! What is held, as it is told: done on the thread of the store, all of one answer at once.

use std::collections::{HashMap, HashSet};

use ipc::{
    Refusal,
    id::{ConversationId, MessageId},
    messages::{
        instance::{Before, Held as Counts, ListRecent, ReadRecent, Reads, Recent},
        storage::{Act, Conversations, Cursor, MAX_PAGE},
    },
};
use replica::{
    Record,
    body::Body,
    sparse::{Missing, Sparse, SparseError},
    wire::{conversation_to_wire, message_to_wire},
};

use crate::{carrier::SHOWN, held::failed, overlay::Overlay};

/// Messages in a row that are none of those that wait, after which none of these is looked for any more.
const LOOKED_AT: usize = 16;

/// What a person did that may not be held yet, oldest first: what is done comes before what waits.
pub(crate) struct Acts {
    /// By the event that says so.
    pub(crate) done: Vec<([u8; 32], Act)>,
    pub(crate) waiting: Vec<Act>,
}

/// An answer, and what it showed beside it.
pub(crate) struct Told<T> {
    pub(crate) answer: T,
    /// Events of what was done that have come.
    pub(crate) came: Vec<[u8; 32]>,
    /// What would make it whole.
    pub(crate) missing: Option<Missing>,
}

/// Conversations, newest change first.
pub(crate) fn list(sparse: &Sparse, acts: Acts, request: ListRecent) -> Result<Told<Conversations>, Refusal> {
    let (overlay, came) = over(sparse, acts).map_err(|error| failed(&error))?;
    let after = request.after.map(|Cursor { clock, id }| (clock, id.0));
    let page = sparse.conversations(after, limited(request.limit)).map_err(|error| failed(&error))?;
    let next =
        page.items.last().filter(|_| page.more).map(|entry| Cursor { clock: entry.view.changed, id: ConversationId(entry.id) });
    let items = page.items.iter().map(|entry| conversation_to_wire(entry.id, &entry.view)).collect();
    let answer = overlay.conversations(Conversations { items, next }, request.after.is_none());
    Ok(Told { answer, came, missing: None })
}

/// Messages of a conversation; `None` if nothing of it is held. `again` if it was read a moment ago.
pub(crate) fn read(sparse: &Sparse, acts: Acts, request: ReadRecent, again: bool) -> Result<Told<Option<Recent>>, Refusal> {
    let (overlay, came) = over(sparse, acts).map_err(|error| failed(&error))?;
    let ReadRecent { id, before, limit } = request;
    let before = match before {
        Some(Before::Message(message)) if !overlay.waits(id, message) => {
            Some(Before::Moment(moment_of(sparse, id, message).map_err(|error| failed(&error))?))
        }
        before => before,
    };
    let tail = overlay.tail(id, before, limited(limit))?;
    let moment = if let Some(Before::Moment(moment)) = before { Some(moment) } else { None };
    let (room, bytes) = tail.room();
    let shown = if again {
        sparse.page_again(&id.0, moment, room.max(1), bytes)
    } else {
        sparse.page_within(&id.0, moment, room.max(1), bytes)
    };
    let shown = shown.map_err(|error| failed(&error))?;
    let entry = sparse.conversation(&id.0).map_err(|error| failed(&error))?;
    let clock_of = |record: &Record| record.event.header.clock.0;
    let oldest = shown.items.first().map(clock_of);
    let above = shown.items.last().map_or(u64::MAX, |newest| clock_of(newest).saturating_add(1));
    let messages = shown.items.into_iter().filter_map(|record| match record.body {
        Body::Message(message) => Some(message_to_wire(&record.event, message)),
        _ => None,
    });
    let held = entry.map(|entry| Recent {
        conversation: conversation_to_wire(id.0, &entry.view),
        messages: messages.collect(),
        next: oldest.or(moment).filter(|_| shown.more || shown.missing.is_some()).map(Before::Moment),
        missing: shown.missing.is_some(),
        pinned: entry.pinned,
    });
    let answer = overlay.recent(id, tail, held, above)?;
    let missing = shown.missing.filter(|_| answer.as_ref().is_none_or(|page| page.missing));
    Ok(Told { answer, came, missing })
}

/// The moment of a message that waited a moment ago; after all there are if it is not here.
fn moment_of(sparse: &Sparse, id: ConversationId, message: MessageId) -> Result<u64, SparseError> {
    let (mut found, mut looked_at) = (None, 0);
    sparse.newest_said(&id.0, |said, clock| {
        looked_at += 1;
        found = (said == message.0).then_some(clock);
        found.is_none() && looked_at < SHOWN
    })?;
    Ok(found.unwrap_or(u64::MAX))
}

/// How much is held, and how often what was read was.
pub(crate) fn counts(sparse: &Sparse) -> Result<(Counts, Reads), Refusal> {
    let counted = || {
        let (room, (events, _), pins) = (sparse.room()?, sparse.counts()?, sparse.pins()?);
        let (conversations, hits) = (sparse.conversation_count()?, sparse.hit_rate());
        let counts = Counts {
            events,
            conversations,
            pinned: pins.count,
            pinned_bytes: pins.bytes,
            pinned_share: pins.share,
            pinned_cut: pins.cut,
            bytes: room.files,
            limit: room.limit,
            used: room.used,
            capacity: room.capacity,
        };
        Ok((counts, Reads { pages: hits.pages, whole: hits.whole }))
    };
    counted().map_err(|error: SparseError| failed(&error))
}

/// What is not held yet, and what of that which was done is.
fn over(sparse: &Sparse, acts: Acts) -> Result<(Overlay, Vec<[u8; 32]>), SparseError> {
    let (mut left, mut came) = (Vec::new(), Vec::new());
    // What is done waits until its end is written down, and is both meanwhile: it is taken once.
    let mut held: HashSet<[u8; 16]> = acts.done.iter().filter_map(|(_, act)| said(act)).collect();
    for (event, act) in acts.done {
        if sparse.has_come(&event)? {
            came.push(event);
        } else {
            left.push(act);
        }
    }
    // The archive may have done it and died before it said so.
    let mut waiting: HashMap<[u8; 16], HashSet<[u8; 16]>> = HashMap::new();
    for act in &acts.waiting {
        if let Act::Say(message) = act
            && !held.contains(&message.id.0)
        {
            waiting.entry(message.conversation.0).or_default().insert(message.id.0);
        }
    }
    for (conversation, ids) in waiting {
        let mut others = 0;
        sparse.newest_said(&conversation, |id, _| {
            others = if ids.contains(&id) { 0 } else { others + 1 };
            held.extend(ids.get(&id));
            others < LOOKED_AT
        })?;
    }
    left.extend(acts.waiting.into_iter().filter(|act| said(act).is_none_or(|id| !held.contains(&id))));
    Ok((Overlay(left), came))
}

/// The message that an act says.
fn said(act: &Act) -> Option<[u8; 16]> {
    match act {
        Act::Say(message) => Some(message.id.0),
        Act::Begin(_) | Act::Rename(_) => None,
    }
}

fn limited(limit: u16) -> usize {
    usize::from(limit.clamp(1, MAX_PAGE))
}
