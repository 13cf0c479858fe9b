//! The rows of the ledger: what each maps to what, and which there are for a conversation. Keys are big-endian, so that
//! they lie in the order in which they are read; a moment with `!` before it is turned round, the newest first. Rows hold
//! ids, moments and numbers alone.
//!
//! | key | value |
//! |---|---|
//! | 0 | the head, see [`super::ledger`] |
//! | 1 ‖ memory `16` | conversation `16` ‖ settled traces `u64` ‖ place at which it was folded `u64` |
//! | 2 ‖ conversation `16` ‖ clock `u64` ‖ event `32` | where the trace is `u8`; none that is settled |
//! | 3 ‖ conversation `16` ‖ entry `16` | moment `u64` ‖ where it is `u8` ‖ events that keep it `u16` ‖ those and its bundles `32` each |
//! | 4 ‖ moment `u64` ‖ conversation `16` | nothing: of the oldest active trace, or 0 if there are enough of them |
//! | 5 ‖ moment `u64` ‖ conversation `16` | nothing: of the newest trace, where some wait to be archived |
//! | 6 ‖ `!`moment `u64` ‖ event `32` ‖ conversation `16` | nothing: active traces |
//! | 7 ‖ `!`moment `u64` ‖ entry `16` ‖ conversation `16` | nothing: live entries |
//! | 8 ‖ `!`moment `u64` ‖ entry `16` ‖ conversation `16` | nothing: the other entries |
//! | 9 ‖ month `u32` ‖ conversation `16` ‖ moment `u64` ‖ entry `16` | nothing: archived entries in no bundle yet |
//! | 10 ‖ entry `16` ‖ conversation `16` | nothing |
//! | 11 ‖ conversation `16` | nothing: there is something to forget |

use std::collections::BTreeMap;

use replica::{Damage, LEDGER, ReplicaError, Snapshot, body::memory_of};

use super::{
    EventId, Id, compress,
    lifecycle::{Life, Tier},
    numbers::CONSOLIDATE_AT,
    talk::{Entry, Talk},
};

pub(super) const HEAD: u8 = 0;
pub(super) const TALK: u8 = 1;
const TRACE: u8 = 2;
const ENTRY: u8 = 3;
pub(super) const DUE: u8 = 4;
pub(super) const IDLE: u8 = 5;
pub(super) const SHORT: u8 = 6;
pub(super) const LIVE: u8 = 7;
pub(super) const OLD: u8 = 8;
pub(super) const MONTH: u8 = 9;
const NAME: u8 = 10;
pub(super) const FORGET: u8 = 11;

/// Keys and values.
pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A key of these parts.
pub(super) fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// The first key behind all that begin with this one.
pub(super) fn behind(key: &[u8]) -> Vec<u8> {
    // No key is longer than this makes it.
    [key, &[u8::MAX; 96]].concat()
}

/// A row is not what this program writes.
pub(super) fn wrong() -> ReplicaError {
    Damage::Record(LEDGER).into()
}

/// Takes a key or a value apart.
pub(super) struct Cut<'b>(pub(super) &'b [u8]);

impl Cut<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], ReplicaError> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or_else(wrong)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, ReplicaError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn end(self) -> Result<(), ReplicaError> {
        if self.0.is_empty() { Ok(()) } else { Err(wrong()) }
    }
}

/// The keys of one kind, in order, beyond `after` if that is given, as they are behind their kind.
pub(super) fn keys<'s>(
    snapshot: &'s Snapshot<'_>,
    kind: u8,
    after: Option<&[u8]>,
) -> Result<impl Iterator<Item = Result<Vec<u8>, ReplicaError>> + use<'s>, ReplicaError> {
    let from = after.map_or_else(|| vec![kind], |after| [after, &[0]].concat());
    let rows = snapshot.ledger_rows(&from, &[kind + 1])?;
    Ok(rows.map(|row| row.map(|(key, _)| key)))
}

/// Every row of a conversation.
pub(super) fn of(conversation: &Id, talk: &Talk) -> Rows {
    let mut rows = Rows::new();
    if talk.is_empty() {
        return rows;
    }
    let mut put = |kind: u8, parts: &[&[u8]], value: Vec<u8>| drop(rows.insert(key(kind, parts), value));
    let counted = [&conversation[..], &talk.archived.to_be_bytes(), &talk.folded.to_be_bytes()].concat();
    put(TALK, &[&memory_of(conversation)], counted);
    for ((clock, event), life) in &talk.traces {
        put(TRACE, &[conversation, &clock.to_be_bytes(), event], vec![*life as u8]);
    }
    for (at, event) in talk.traces_in(Life::Active) {
        put(SHORT, &[&(!at).to_be_bytes(), &event, conversation], Vec::new());
    }
    let oldest = talk.traces_in(Life::Active).map(|(at, _)| at).min();
    if let Some(oldest) = oldest {
        let many = talk.traces_in(Life::Active).count() >= CONSOLIDATE_AT;
        put(DUE, &[&if many { 0 } else { oldest }.to_be_bytes(), conversation], Vec::new());
    }
    if let Some(newest) = talk.traces_in(Life::Consolidated).map(|(at, _)| at).max() {
        put(IDLE, &[&newest.to_be_bytes(), conversation], Vec::new());
    }
    for (id, entry) in &talk.entries {
        put(ENTRY, &[conversation, id], value_of(entry));
        put(NAME, &[id, conversation], Vec::new());
        let list = if entry.tier == Tier::Live { LIVE } else { OLD };
        put(list, &[&(!entry.at_ms).to_be_bytes(), id, conversation], Vec::new());
        if entry.tier == Tier::Archived
            && let Some(month) = compress::month_of(entry.at_ms)
        {
            put(MONTH, &[&month.to_be_bytes(), conversation, &entry.at_ms.to_be_bytes(), id], Vec::new());
        }
    }
    if talk.forget {
        put(FORGET, &[conversation], Vec::new());
    }
    rows
}

fn value_of(entry: &Entry) -> Vec<u8> {
    // More than these have never made one entry; who has more has the first ones.
    let events = &entry.events[..entry.events.len().min(usize::from(u16::MAX))];
    let mut value = entry.at_ms.to_be_bytes().to_vec();
    value.push(entry.tier as u8);
    value.extend((events.len() as u16).to_be_bytes());
    events.iter().chain(&entry.bundles).for_each(|event| value.extend(event));
    value
}

fn read_entry(value: &[u8]) -> Result<Entry, ReplicaError> {
    let mut cut = Cut(value);
    let at_ms = cut.number()?;
    let tier = match cut.take()? {
        [0] => Tier::Live,
        [1] => Tier::Archived,
        [2] => Tier::Compressed,
        _ => return Err(wrong()),
    };
    let count = usize::from(u16::from_be_bytes(cut.take()?));
    let (ids, []) = cut.0.as_chunks::<32>() else { return Err(wrong()) };
    let (events, bundles) = ids.split_at_checked(count).ok_or_else(wrong)?;
    Ok(Entry { at_ms, tier, events: events.to_vec(), bundles: bundles.to_vec() })
}

/// The conversation whose memory this is, if anything is kept of it, and its place and count of settled traces.
pub(super) fn talk_of(snapshot: &Snapshot<'_>, memory: &Id) -> Result<Option<(Id, Talk)>, ReplicaError> {
    snapshot.ledger_row(&key(TALK, &[memory]))?.map(|value| read_talk(&value)).transpose()
}

/// The same from its row.
pub(super) fn read_talk(value: &[u8]) -> Result<(Id, Talk), ReplicaError> {
    let mut cut = Cut(value);
    let conversation = cut.take()?;
    let talk = Talk { archived: cut.number()?, folded: cut.number()?, ..Talk::default() };
    cut.end()?;
    Ok((conversation, talk))
}

/// What is kept of a conversation.
pub(super) fn kept(snapshot: &Snapshot<'_>, conversation: &Id) -> Result<Talk, ReplicaError> {
    let Some((_, mut talk)) = talk_of(snapshot, &memory_of(conversation))? else { return Ok(Talk::default()) };
    talk.traces = traces(snapshot, conversation)?;
    let begin = key(ENTRY, &[conversation]);
    for row in snapshot.ledger_rows(&begin, &behind(&begin))? {
        let (key, value) = row?;
        let id: Id = key.last_chunk().copied().ok_or_else(wrong)?;
        talk.entries.insert(id, read_entry(&value)?);
    }
    talk.forget = snapshot.ledger_row(&key(FORGET, &[conversation]))?.is_some();
    Ok(talk)
}

/// The traces of a conversation that are not settled.
pub(super) fn traces(snapshot: &Snapshot<'_>, conversation: &Id) -> Result<BTreeMap<(u64, EventId), Life>, ReplicaError> {
    let mut traces = BTreeMap::new();
    let begin = key(TRACE, &[conversation]);
    for row in snapshot.ledger_rows(&begin, &behind(&begin))? {
        let (key, value) = row?;
        let mut cut = Cut(key.get(begin.len()..).ok_or_else(wrong)?);
        let at = (cut.number()?, cut.take()?);
        cut.end()?;
        let life = match value[..] {
            [0] => Life::Active,
            [1] => Life::Consolidated,
            _ => return Err(wrong()),
        };
        traces.insert(at, life);
    }
    Ok(traces)
}

/// An entry of a conversation.
pub(super) fn entry(snapshot: &Snapshot<'_>, conversation: &Id, id: &Id) -> Result<Option<Entry>, ReplicaError> {
    snapshot.ledger_row(&key(ENTRY, &[conversation, id]))?.map(|value| read_entry(&value)).transpose()
}

/// Entries whose ids begin with these bytes, and the conversation of each.
pub(super) fn named<'s>(
    snapshot: &'s Snapshot<'_>,
    begin: &[u8],
) -> Result<impl Iterator<Item = Result<(Id, Id), ReplicaError>> + use<'s>, ReplicaError> {
    let begin = key(NAME, &[begin]);
    let rows = snapshot.ledger_rows(&begin, &behind(&begin))?;
    Ok(rows.map(|row| {
        let (key, _) = row?;
        let mut cut = Cut(key.get(1..).ok_or_else(wrong)?);
        Ok((cut.take()?, cut.take()?))
    }))
}
