//! What is known about where everything is: ids and moments, no words. It is kept in a table of the archive ([`rows`] has
//! its rows), so that a start reads one row of it and memory holds nothing of it, however much was ever done.
//!
//! It follows the log by its kinds: what this device moved, what another one moved and what was erased come the same way.
//! Each event says of which conversation something has changed, and the rows of that one are made anew from its events
//! ([`talk::fold`]); so what is kept is what would be made from the beginning, in whatever order things came. A slice is
//! planned from a snapshot, beside everything else, and written in one short transaction together with how far it came; if
//! the head of the ledger is no longer the one it was planned from, nothing of it is.
//!
//! **It is derived.** Where it is missing, of another version or damaged, it is dropped and followed from the beginning.
//! A row that is not what was written is seen when it is read, by its digest; rows that are gone, by their number.

use std::collections::BTreeSet;

use ipc::messages::storage::MemoryCounts;
use replica::{
    Batch, Damage, LEDGER, Listed, ReplicaError, Snapshot,
    body::{self, Body, Erase, memory_of},
};

use super::{
    EventId, Id,
    lifecycle::{Life, Tier},
    rows::{self, Cut, Rows, wrong},
    talk::{self, Talk},
};

/// The form of the rows and how they are made. To be raised when either changes; all are then made anew.
const VERSION: u32 = 1;

/// Events of one kind taken in while one snapshot is held.
const SLICE: usize = 256;

/// Events looked at and rows changed in one slice, but for the last conversation of it.
const WORK: usize = 4096;

/// What is followed.
const FOLLOWED: [u16; 5] = [body::TRACE, body::EXPERIENCE, body::BUNDLE, body::CHANGE, body::ERASE];

/// How much there is of everything.
const COUNTED: usize = 6;

/// The key of the head.
const HEAD: [u8; 1] = [rows::HEAD];

/// The one row that says how far the others are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    /// Of each kind the place of the last event that was taken in.
    followed: [u64; FOLLOWED.len()],
    /// See [`counts_of`].
    counts: [u64; COUNTED],
    /// Other rows there are.
    rows: u64,
}

impl Head {
    fn value(&self) -> Vec<u8> {
        let numbers = self.followed.iter().chain(&self.counts).chain([&self.rows]);
        let mut value = VERSION.to_be_bytes().to_vec();
        numbers.for_each(|number| value.extend(number.to_be_bytes()));
        value
    }

    /// `None` if it is of another version.
    fn read(value: &[u8]) -> Result<Option<Head>, ReplicaError> {
        let mut cut = Cut(value);
        if u32::from_be_bytes(cut.take()?) != VERSION {
            return Ok(None);
        }
        let mut head = Head::default();
        for number in head.followed.iter_mut().chain(&mut head.counts).chain([&mut head.rows]) {
            *number = cut.number()?;
        }
        cut.end()?;
        Ok(Some(head))
    }

    fn of(snapshot: &Snapshot<'_>) -> Result<Option<Head>, ReplicaError> {
        Ok(snapshot.ledger_row(&HEAD)?.map(|value| Head::read(&value)).transpose()?.flatten())
    }
}

/// What is to be written next.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The head it was planned from; none if all is to begin anew.
    before: Option<Head>,
    head: Head,
    put: Rows,
    dropped: BTreeSet<Vec<u8>>,
    /// Entities that were looked at again.
    again: Vec<Id>,
    /// Conversations that are in it.
    done: BTreeSet<Id>,
    /// Events that were taken in.
    pub(super) taken: u64,
    work: usize,
}

/// Plans the next slice; `None` if there is nothing to take in.
pub(super) fn plan(snapshot: &Snapshot<'_>) -> Result<Option<Plan>, ReplicaError> {
    match look(snapshot) {
        Err(error) if is_damaged(&error) => Ok(Some(Plan::default())),
        plan => plan,
    }
}

/// Plans to bring one conversation up to date, whatever is to be followed; `None` if nothing has changed, or there is no
/// ledger.
pub(super) fn plan_one(snapshot: &Snapshot<'_>, conversation: &Id) -> Result<Option<Plan>, ReplicaError> {
    let Some(mut plan) = Plan::begin(snapshot)? else { return Ok(None) };
    plan.bring_up(snapshot, conversation)?;
    Ok((!plan.put.is_empty() || !plan.dropped.is_empty()).then_some(plan))
}

/// Whether the ledger is what is damaged, and can be made anew.
pub(super) fn is_damaged(error: &ReplicaError) -> bool {
    matches!(error, ReplicaError::Damaged(Damage::Record(what)) if *what == LEDGER)
}

fn look(snapshot: &Snapshot<'_>) -> Result<Option<Plan>, ReplicaError> {
    let Some(mut plan) = Plan::begin(snapshot)? else { return Ok(Some(Plan::default())) };
    if snapshot.ledger_count()? != plan.head.rows + 1 {
        return Err(wrong());
    }
    for entity in snapshot.ledger_again(SLICE)? {
        plan.bring_up(snapshot, &entity)?;
        if let Some(conversation) = whose(snapshot, &entity)? {
            plan.bring_up(snapshot, &conversation)?;
        }
        plan.again.push(entity);
        plan.taken += 1;
    }
    for (index, kind) in FOLLOWED.into_iter().enumerate() {
        for listed in snapshot.of_kind(kind, plan.head.followed[index], SLICE)? {
            if plan.is_full() {
                return Ok(Some(plan));
            }
            plan.take(snapshot, &listed)?;
            plan.head.followed[index] = listed.event.position;
            plan.taken += 1;
        }
    }
    Ok((plan.taken > 0).then_some(plan))
}

impl Plan {
    fn begin(snapshot: &Snapshot<'_>) -> Result<Option<Plan>, ReplicaError> {
        let head = Head::of(snapshot)?;
        Ok(head.map(|head| Plan { before: Some(head), head, ..Plan::default() }))
    }

    fn is_full(&self) -> bool {
        self.work + self.put.len() + self.dropped.len() >= WORK
    }

    fn take(&mut self, snapshot: &Snapshot<'_>, listed: &Listed) -> Result<(), ReplicaError> {
        self.work += 1;
        let header = &listed.event.header;
        let position = listed.event.position;
        if listed.sealed.is_none() {
            // It says nothing any more, and what made it so is followed too.
            return Ok(());
        }
        match header.kind {
            body::TRACE => self.changed(snapshot, &header.entity, position),
            // A change of anything else is none of a memory.
            body::CHANGE => match rows::talk_of(snapshot, &header.entity)? {
                Some((conversation, _)) => self.changed(snapshot, &conversation, position),
                None => Ok(()),
            },
            body::ERASE => match talk::read(snapshot, &listed.event.id)? {
                Some(Body::Erase(erase)) => self.take_erasure(snapshot, &erase, position),
                _ => Ok(()),
            },
            _ => match named(snapshot, listed)? {
                Some(conversation) => self.changed(snapshot, &conversation, position),
                None => Ok(()),
            },
        }
    }

    /// Of a conversation, of its memory, or of one event of either: what it is about is brought up to date, whatever it is.
    fn take_erasure(&mut self, snapshot: &Snapshot<'_>, erase: &Erase, position: u64) -> Result<(), ReplicaError> {
        let of_event = erase.event.map(|id| talk::event(snapshot, &id)).transpose()?.flatten();
        let of_event = of_event.map(|event| event.header.entity);
        for entity in BTreeSet::from_iter([erase.entity].into_iter().chain(of_event)) {
            self.changed(snapshot, &entity, position)?;
            if let Some((conversation, _)) = rows::talk_of(snapshot, &entity)? {
                self.changed(snapshot, &conversation, position)?;
            }
        }
        Ok(())
    }

    /// Something of a conversation has changed at this place, which may have been taken in already.
    fn changed(&mut self, snapshot: &Snapshot<'_>, conversation: &Id, position: u64) -> Result<(), ReplicaError> {
        let known = rows::talk_of(snapshot, &memory_of(conversation))?;
        if known.is_some_and(|(_, talk)| talk.folded >= position) {
            return Ok(());
        }
        self.bring_up(snapshot, conversation)
    }

    /// Makes the rows of a conversation what its events make them.
    fn bring_up(&mut self, snapshot: &Snapshot<'_>, conversation: &Id) -> Result<(), ReplicaError> {
        if !self.done.insert(*conversation) {
            return Ok(());
        }
        let folded = talk::fold(snapshot, conversation)?;
        let place = snapshot.newest_event()?.map_or(0, |(position, _)| position);
        let talk = Talk { folded: place, ..folded.talk };
        let kept = rows::kept(snapshot, conversation)?;
        self.work += folded.looked;
        let (before, after) = (rows::of(conversation, &kept), rows::of(conversation, &talk));
        for (count, (less, more)) in self.head.counts.iter_mut().zip(counts_of(&kept).into_iter().zip(counts_of(&talk))) {
            *count = count.checked_sub(less).ok_or_else(wrong)? + more;
        }
        self.head.rows = self.head.rows.checked_sub(before.len() as u64).ok_or_else(wrong)? + after.len() as u64;
        self.dropped.extend(before.keys().filter(|key| !after.contains_key(*key)).cloned());
        self.put.extend(after.into_iter().filter(|(key, value)| before.get(key) != Some(value)));
        Ok(())
    }

    /// Writes it, unless the ledger is no longer the one it was planned from.
    pub(super) fn write(&self, batch: &mut Batch<'_>) -> Result<(), ReplicaError> {
        match &self.before {
            None => batch.clear_ledger()?,
            Some(before) if batch.ledger_row(&HEAD)? != Some(before.value()) => return Ok(()),
            Some(_) => {}
        }
        self.dropped.iter().try_for_each(|key| batch.drop_ledger_row(key))?;
        self.put.iter().try_for_each(|(key, value)| batch.put_ledger_row(key, value))?;
        self.again.iter().try_for_each(|entity| batch.drop_ledger_again(entity))?;
        batch.put_ledger_row(&HEAD, &self.head.value())
    }
}

/// Of which conversation an entry or a bundle is.
fn named(snapshot: &Snapshot<'_>, listed: &Listed) -> Result<Option<Id>, ReplicaError> {
    let memory = listed.event.header.entity;
    if let Some((conversation, _)) = rows::talk_of(snapshot, &memory)? {
        return Ok(Some(conversation));
    }
    let said = match talk::read(snapshot, &listed.event.id)? {
        Some(Body::Experience(made)) => Some(made.conversation),
        Some(Body::Bundle(bundle)) => Some(bundle.conversation),
        _ => None,
    };
    Ok(said.filter(|conversation| memory_of(conversation) == memory))
}

/// The conversation whose memory this is, if it is one: by what is kept, or else by what it says itself.
fn whose(snapshot: &Snapshot<'_>, memory: &Id) -> Result<Option<Id>, ReplicaError> {
    for listed in snapshot.of_entity(memory)? {
        let listed = listed?;
        if matches!(listed.event.header.kind, body::EXPERIENCE | body::BUNDLE | body::CHANGE)
            && let Some(conversation) = named(snapshot, &listed)?
        {
            return Ok(Some(conversation));
        }
    }
    Ok(None)
}

/// Active, consolidated and archived traces; live, archived and compressed entries.
fn counts_of(talk: &Talk) -> [u64; COUNTED] {
    let lives = |life| talk.traces_in(life).count() as u64;
    let tiers = |tier| talk.entries.values().filter(|entry| entry.tier == tier).count() as u64;
    let entries = [tiers(Tier::Live), tiers(Tier::Archived), tiers(Tier::Compressed)];
    [lives(Life::Active), lives(Life::Consolidated), talk.archived, entries[0], entries[1], entries[2]]
}

/// How much there is of everything.
pub(super) fn counts(snapshot: &Snapshot<'_>) -> Result<MemoryCounts, ReplicaError> {
    let [active, consolidated, archived, live, archived_entries, compressed_entries] =
        Head::of(snapshot)?.ok_or_else(wrong)?.counts;
    let archived_entries = archived_entries + compressed_entries;
    Ok(MemoryCounts { active, consolidated, archived, live, archived_entries, compressed_entries })
}

/// What was found of some conversations when their rows were made anew and compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Those whose rows are not what their events make.
    pub(crate) wrong: Vec<Id>,
    /// Rows of all that were looked at so far, as they should be.
    rows: u64,
    /// How much there is in them.
    counts: [u64; COUNTED],
    /// The ledger as it was at first: what was added up can be compared if it stays so.
    head: Option<Head>,
    /// Where to go on; none if that were all.
    pub(crate) after: Option<Id>,
}

/// Compares the rows of some conversations with what their events make. `None` if there is nothing to compare: there is no
/// ledger, or it has not taken in all there is.
pub(crate) fn compare(snapshot: &Snapshot<'_>, before: &Compared, limit: usize) -> Result<Option<Compared>, ReplicaError> {
    let Some(head) = Head::of(snapshot)? else { return Ok(None) };
    let is_at_end = |(kind, after)| Ok::<_, ReplicaError>(snapshot.of_kind(kind, after, 1)?.is_empty());
    for followed in FOLLOWED.into_iter().zip(head.followed) {
        if !is_at_end(followed)? {
            return Ok(None);
        }
    }
    if !snapshot.ledger_again(1)?.is_empty() {
        return Ok(None);
    }
    let first = before.head.or(Some(head));
    let mut found = Compared { rows: before.rows, counts: before.counts, head: first, ..Compared::default() };
    let from = before.after.map_or_else(|| vec![rows::TALK], |after| rows::behind(&rows::key(rows::TALK, &[&after])));
    let mut looked = 0;
    for row in snapshot.ledger_rows(&from, &[rows::TALK + 1])?.take(limit) {
        let (key, value) = row?;
        looked += 1;
        found.after = key.last_chunk().copied();
        let (conversation, kept) = rows::read_talk(&value)?;
        let folded = Talk { folded: kept.folded, ..talk::fold(snapshot, &conversation)?.talk };
        let rows = rows::of(&conversation, &folded);
        found.rows += rows.len() as u64;
        found.counts.iter_mut().zip(counts_of(&folded)).for_each(|(sum, count)| *sum += count);
        if rows != rows::of(&conversation, &rows::kept(snapshot, &conversation)?) || !are_there(snapshot, &rows)? {
            found.wrong.push(conversation);
        }
    }
    if looked < limit {
        found.after = None;
        // What belongs to nothing, and what is gone with all that it belonged to.
        let adds_up = (found.rows, found.counts) == (head.rows, head.counts);
        if (first == Some(head) && !adds_up) || snapshot.ledger_count()? != head.rows + 1 {
            return Err(wrong());
        }
    }
    Ok(Some(found))
}

fn are_there(snapshot: &Snapshot<'_>, rows: &Rows) -> Result<bool, ReplicaError> {
    for (key, value) in rows {
        if snapshot.ledger_row(key)?.as_ref() != Some(value) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Every row there is but the head, and without the places at which things were folded.
#[cfg(test)]
pub(super) fn all_rows(snapshot: &Snapshot<'_>) -> Rows {
    let rows = snapshot.ledger_rows(&[rows::TALK], &[u8::MAX]).expect("rows");
    let plain = |(key, mut value): replica::LedgerRow| {
        if key[0] == rows::TALK {
            value.truncate(24);
        }
        (key, value)
    };
    rows.map(|row| plain(row.expect("a row"))).collect()
}

/// A trace that cannot be read is as good as none until the next start; `lamos verify` names it.
#[derive(Default)]
pub(super) struct GivenUp(BTreeSet<EventId>);

/// As many are remembered. Where more are damaged there is little that could be put together.
const MOST_GIVEN_UP: usize = 4096;

impl GivenUp {
    /// Whether it is remembered now and was not before.
    pub(super) fn add(&mut self, trace: EventId) -> bool {
        self.0.len() < MOST_GIVEN_UP && self.0.insert(trace)
    }

    pub(super) fn has(&self, trace: &EventId) -> bool {
        self.0.contains(trace)
    }
}
