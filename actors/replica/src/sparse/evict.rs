//! Letting go: the least recently used first, and of that the oldest first.
//!
//! A conversation leaves in two steps. First what is said in it, and what it is called and the headers of its newest events
//! stay, so that it can be listed and goes on where it was; these leave when the titles of everything take too much room.
//! Everything else leaves whole. Nothing remains of an event that left, except, while it is young enough to come again with
//! the next comparison, its header: a list of what was let go, which is listed as held. That list is bounded; what no longer
//! fits is not compared any more.
//!
//! What is pinned stays, whatever its age and use, as far as it keeps to its share of the room, which is a half. Two rules
//! contradict each other where more is pinned than that: what is pinned never leaves, and the limit is never exceeded while
//! what is new can always come. The limit wins: what is beyond the share has its turn like anything else, by its last use and
//! oldest events first, until what is pinned keeps to its share again; and within the share it stays while anything else can
//! leave. It stays pinned, it is fetched again when it is read, and [`Sparse::pins`](super::Sparse::pins) tells.
//!
//! Each transaction leaves the store as if what left had never come, so one that is killed between two of them has lost
//! nothing but some of the cache.

use std::{collections::HashSet, ops::Bound};

use super::uses::{BARE_CLASS, FULL_CLASS, Known, PINNED_CLASS, Use, find};
use crate::{
    Conversation, Recorded, ReplicaError, body,
    engine::{Reading, keys, prefix},
    log::{position, sequence_key},
    tables::Table,
    write::{AWAITED, Batch, HEAD},
};

/// What an event takes beside its body, about: its row, seven index rows and their share of half-full pages.
pub(super) const AROUND: u64 = 1200;

/// What is counted for the title and headers of one conversation whose content left.
const BARE_BYTES: u64 = 3 << 10;

/// What is counted for the header of one event that was let go.
const GONE_BYTES: u64 = 450;

/// A title longer than this leaves with the rest, in plain bytes.
const LONG_TITLE: u32 = 4 << 10;

/// What is to leave in one transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Events, at most.
    pub(super) events: usize,
    /// Bytes, about, and then enough.
    pub(super) bytes: u64,
    /// Only what was used before this moment, and no titles.
    pub(super) before: Option<u64>,
    /// Bytes by which what is pinned is beyond its share.
    pub(super) pinned: u64,
    /// Bytes that the database may use between transactions.
    pub(super) capacity: u64,
    /// Events since this clock would come again with a comparison.
    pub(super) window: u64,
}

/// What has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Events, or their bodies.
    pub events: u64,
    /// Bytes, about.
    pub bytes: u64,
    /// Of these, bytes of what is pinned.
    pub pinned: u64,
    /// Entities of which nothing more can leave but titles.
    pub entities: u64,
}

impl Left {
    pub(super) fn add(&mut self, other: Left) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.pinned += other.pinned;
        self.entities += other.entities;
    }

    fn is_enough(&self, order: &Order) -> bool {
        self.events >= order.events as u64 || self.bytes >= order.bytes
    }
}

/// Bytes of the pages for a body of this length.
pub(super) fn body_bytes(length: u64) -> u64 {
    // Longer values lie on pages of their own.
    if length > 2000 { (length + 16).next_multiple_of(4096) } else { length + 24 }
}

impl Batch<'_> {
    /// Lets go of something, and says whose it was.
    pub(super) fn let_go(&mut self, order: &Order, whose: &mut Vec<[u8; 16]>) -> Result<Left, ReplicaError> {
        let mut left = Left::default();
        let bare = prefix(self.txn.reading(), Table::Least, &[BARE_CLASS])?.count() as u64;
        let crowded = bare * BARE_BYTES > order.capacity / 4;
        while !left.is_enough(order) {
            let (beyond, before) = (order.pinned.saturating_sub(left.pinned), left.bytes);
            let Some(entity) = self.least(order, crowded, beyond > 0)? else { break };
            whose.push(entity);
            let pinned = find(self.txn.reading(), &entity)?.is_some_and(|one| one.pinned);
            let mut part = *order;
            if pinned && beyond > 0 {
                part.bytes = part.bytes.min(before + beyond);
            }
            if self.leaves_whole(&entity)? {
                self.let_go_whole(&entity, &part, &mut left)?;
            } else {
                self.let_go_content(&entity, &part, &mut left)?;
            }
            left.pinned += if pinned { left.bytes - before } else { 0 };
        }
        self.forget_gone(order)?;
        Ok(left)
    }

    /// Whose turn it is, where titles take too much room, and what is pinned is beyond its share.
    fn least(&self, order: &Order, crowded: bool, beyond: bool) -> Result<Option<[u8; 16]>, ReplicaError> {
        let first = |class: u8| -> Result<Option<(u64, [u8; 16])>, ReplicaError> {
            let Some(row) = prefix(self.txn.reading(), Table::Least, &[class])?.next() else { return Ok(None) };
            let key = row?.0;
            let entity = key.last_chunk::<16>().copied().ok_or(crate::Damage::Record("uses"))?;
            Ok(Some((position(&key[..key.len() - 16], "uses")?, entity)))
        };
        let content = first(FULL_CLASS)?;
        if let Some(before) = order.before {
            return Ok(content.filter(|(at, _)| *at < before).map(|(_, entity)| entity));
        }
        let pinned = first(PINNED_CLASS)?;
        let content = content.into_iter().chain(pinned.filter(|_| beyond)).min();
        let titles = if crowded || content.is_none() { first(BARE_CLASS)? } else { None };
        // Where nothing else is left to leave, something still must.
        Ok(titles.or(content).or(pinned).map(|(_, entity)| entity))
    }

    /// Whether it leaves whole: it is no conversation, or one whose content has left.
    fn leaves_whole(&self, entity: &[u8; 16]) -> Result<bool, ReplicaError> {
        let bare = find(self.txn.reading(), entity)?.is_none_or(|one| one.bare);
        Ok(bare || self.txn.get(Table::Conversation, entity)?.is_none())
    }

    /// Lets go of what is said in a conversation, oldest first.
    fn let_go_content(&mut self, entity: &[u8; 16], order: &Order, left: &mut Left) -> Result<(), ReplicaError> {
        let Some(mut one) = find(self.txn.reading(), entity)? else { return Ok(()) };
        let mut view = self.conversation(entity)?;
        let heads: HashSet<[u8; 32]> = self.replica.heads_of(self.txn.reading(), entity)?.into_iter().collect();
        let mut some = Vec::new();
        let mut kept = Vec::new();
        for row in prefix(self.txn.reading(), Table::Entity, entity)? {
            let event = self.replica.event(self.txn.reading(), position(row?.0, "entities")?)?;
            if is_title(&view, &event) || heads.contains(&event.id) {
                kept.push(event);
                continue;
            }
            some.push(event);
            if left.events as usize + some.len() >= order.events {
                break;
            }
        }
        let mut enough = false;
        for event in &some {
            left.bytes += self.evict(event, order, &mut view)?;
            left.events += 1;
            one.leave(event.header.clock.0);
            one.cut |= one.pinned;
            self.txn.put(Table::Tip, &[&entity[..], &event.id].concat(), &[AWAITED])?;
            if left.is_enough(order) {
                enough = true;
                break;
            }
        }
        if !enough {
            // All of it: the newest keep their headers, so that what comes next can be seen to follow them.
            for event in &kept {
                if !is_title(&view, event) {
                    left.bytes += self.drop_content(event, &mut view)?;
                    one.leave(event.header.clock.0);
                    one.cut |= one.pinned;
                }
            }
            one.bare = true;
            left.entities += 1;
        }
        if !enough || left.bytes >= order.bytes {
            self.tidy_tips(entity)?;
        }
        self.put_conversation(entity, &view)?;
        self.wipe(Table::State, entity)?;
        self.put_use(entity, Some(&one))
    }

    /// Lets go of an entity of which nothing remains, oldest events first.
    fn let_go_whole(&mut self, entity: &[u8; 16], order: &Order, left: &mut Left) -> Result<(), ReplicaError> {
        let one = find(self.txn.reading(), entity)?;
        self.drop_views(entity)?;
        let most = order.events.saturating_sub(left.events as usize).max(1);
        let mut some = Vec::new();
        for row in prefix(self.txn.reading(), Table::Entity, entity)?.take(most + 1) {
            some.push(self.replica.event(self.txn.reading(), position(row?.0, "entities")?)?);
        }
        let more = some.len() > most;
        some.truncate(most);
        let mut view = Conversation::default();
        let mut last = 0;
        for event in &some {
            left.bytes += self.evict(event, order, &mut view)?;
            left.events += 1;
            last = last.max(event.header.clock.0);
            self.txn.put(Table::Tip, &[&entity[..], &event.id].concat(), &[AWAITED])?;
        }
        if let (true, Some(mut one)) = (more, one) {
            one.leave(last);
            one.cut |= one.pinned;
            return self.put_use(entity, Some(&one));
        }
        for key in keys(self.txn.reading(), Table::Tip, entity)? {
            self.txn.delete(Table::Tip, &key)?;
        }
        self.forget_key(entity);
        self.wipe(Table::Key, entity)?;
        let mut known = Known::get(self.txn.reading())?;
        if last > known.left {
            known.left = last;
            known.put(&mut *self.txn)?;
        }
        left.entities += 1;
        // A pin is remembered though nothing of it is here.
        let pinned = one.filter(|one| one.pinned);
        let pinned = pinned.map(|one| Use { at: one.at, times: one.times, pinned: true, cut: true, ..Use::new(&known) });
        self.put_use(entity, pinned.as_ref())
    }

    /// Removes an event; returns the bytes it took, about.
    fn evict(&mut self, event: &Recorded, order: &Order, view: &mut Conversation) -> Result<u64, ReplicaError> {
        let content = self.drop_content(event, view)?;
        let header = &event.header;
        let (place, clock) = (event.position.to_be_bytes(), header.clock.0.to_be_bytes());
        let by_entity = [&header.entity[..], &clock, &header.author[..16], &place].concat();
        let by_kind = [&header.kind.to_be_bytes()[..], &place].concat();
        let by_time = [&clock[..], &event.id].concat();
        for (table, key) in [
            (Table::Event, &place[..]),
            (Table::Id, &event.id),
            (Table::Entity, &by_entity),
            (Table::Kind, &by_kind),
            (Table::Sequence, &sequence_key(&header.author, header.sequence)),
            (Table::Time, &by_time),
            (Table::Unsigned, &place),
        ] {
            self.txn.delete(table, key)?;
        }
        if header.clock.0 >= order.window.max(Known::get(self.txn.reading())?.floor) {
            self.txn.put(Table::Gone, &event.id, &header.encode())?;
            self.txn.put(Table::GoneTime, &by_time, &[])?;
        }
        Ok(content + AROUND)
    }

    /// Removes what an event says, and what of its conversation's view comes from that.
    fn drop_content(&mut self, event: &Recorded, view: &mut Conversation) -> Result<u64, ReplicaError> {
        let place = event.position.to_be_bytes();
        let header = &event.header;
        let Some(length) = self.txn.get(Table::Body, &place)?.map(<[u8]>::len) else { return Ok(0) };
        self.txn.delete(Table::Body, &place)?;
        self.txn.delete(Table::Unknown, &place)?;
        let listed = [&header.entity[..], &header.clock.0.to_be_bytes(), &header.author[..16], &place].concat();
        if self.txn.get(Table::Message, &listed)?.is_some() {
            self.txn.delete(Table::Message, &listed)?;
            view.messages = view.messages.saturating_sub(1);
        }
        Ok(body_bytes(length as u64))
    }

    /// Makes the heads of an entity be those of the events that are here, and awaits what they have seen and nothing else.
    fn tidy_tips(&mut self, entity: &[u8; 16]) -> Result<(), ReplicaError> {
        let mut here = HashSet::new();
        let mut seen = HashSet::new();
        for row in prefix(self.txn.reading(), Table::Entity, entity)? {
            let event = self.replica.event(self.txn.reading(), position(row?.0, "entities")?)?;
            here.insert(event.id);
            seen.extend(event.header.seen);
        }
        for key in keys(self.txn.reading(), Table::Tip, entity)? {
            let id = key.last_chunk::<32>().copied().unwrap_or_default();
            if !here.contains(&id) && !seen.contains(&id) {
                self.txn.delete(Table::Tip, &key)?;
            }
        }
        for id in here.difference(&seen) {
            self.txn.put(Table::Tip, &[&entity[..], id].concat(), &[HEAD])?;
        }
        Ok(())
    }

    /// Bounds the list of what was let go: what is too old to be compared, and the oldest where it is too long.
    pub(super) fn forget_gone(&mut self, order: &Order) -> Result<(), ReplicaError> {
        let most = order.capacity / 8 / GONE_BYTES;
        let count = self.txn.count(Table::GoneTime)?;
        let too_many = if count > most { (count - most) + most / 8 } else { 0 };
        let mut forgotten = Vec::new();
        for row in self.txn.range(Table::GoneTime, Bound::Unbounded, Bound::Unbounded)?.take(order.events * 4) {
            let key = row?.0.to_vec();
            let clock = key.first_chunk::<8>().map_or(0, |clock| u64::from_be_bytes(*clock));
            if clock >= order.window && forgotten.len() as u64 >= too_many {
                break;
            }
            forgotten.push((clock, key));
        }
        let Some((latest, _)) = forgotten.last() else { return Ok(()) };
        let mut known = Known::get(self.txn.reading())?;
        known.floor = known.floor.max(latest + 1);
        known.put(&mut *self.txn)?;
        for (_, key) in &forgotten {
            self.txn.delete(Table::GoneTime, key)?;
            self.txn.delete(Table::Gone, &key[8..])?;
        }
        Ok(())
    }

    /// It is here again.
    pub(super) fn not_gone(&mut self, event: &Recorded) -> Result<(), ReplicaError> {
        if self.txn.get(Table::Gone, &event.id)?.is_some() {
            self.txn.delete(Table::Gone, &event.id)?;
            self.txn.delete(Table::GoneTime, &[&event.header.clock.0.to_be_bytes()[..], &event.id].concat())?;
        }
        Ok(())
    }
}

/// Whether a conversation is or was first called by this event, and that is short.
fn is_title(view: &Conversation, event: &Recorded) -> bool {
    let header = &event.header;
    let called = (header.clock.0, header.author) == (view.title_clock, view.title_author);
    header.body_len <= LONG_TITLE && (header.kind == body::CONVERSATION || (header.kind == body::TITLE && called))
}

/// Bytes of all pages in use.
pub(super) fn live(txn: &dyn Reading) -> Result<u64, ReplicaError> {
    Table::ALL.iter().try_fold(0, |sum, table| Ok(sum + txn.size(*table)?))
}

/// An entity that is used at this moment, if not later.
pub(super) fn touched(old: Option<Use>, known: &Known, at: u64) -> Use {
    let mut one = old.unwrap_or(Use::new(known));
    one.at = one.at.max(at);
    one
}
