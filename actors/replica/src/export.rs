//! Giving events out: what is there of each author, ranges of one author's events, events by clock, and single ones.
//!
//! **Architecture Invariant:** what has no signature yet is not given out and not counted, here or in any answer made of
//! this: another store could not check it, and if this one is restored from a copy it would be made a second time.
//!
//! Who may have what is not asked here but by whoever sends it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use ipc::event::Clock;

use crate::{
    Damage, ReplicaError,
    engine::all,
    log::{self, Recorded, sequence_key},
    parcel::{Carried, Form, Parcel},
    read::Snapshot,
    tables::Table,
    write::Head,
};

/// How far an author's events are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorHead {
    /// Who.
    pub author: [u8; 32],
    /// The number of the newest event; in [`Snapshot::heads`], of the newest that is signed.
    pub sequence: u64,
    /// Its clock.
    pub clock: Clock,
    /// Its id.
    pub id: [u8; 32],
}

impl Snapshot<'_> {
    /// How far each author's events are here, by author.
    pub fn heads(&self) -> Result<Vec<AuthorHead>, ReplicaError> {
        let unsigned = self.first_unsigned()?;
        let mut heads = Vec::new();
        for row in all(&*self.txn, Table::Head)? {
            let (author, value) = row?;
            let author: [u8; 32] = author.try_into().map_err(|_| Damage::Record("heads"))?;
            let head = Head::read(value)?;
            let sequence = unsigned.get(&author).map_or(head.sequence, |first| first - 1);
            if sequence == head.sequence {
                heads.push(AuthorHead { author, sequence, clock: head.clock, id: head.id });
            } else if let Some(event) = self.last_whole(&author, sequence)? {
                heads.push(AuthorHead { author, sequence: event.header.sequence, clock: event.header.clock, id: event.id });
            }
        }
        Ok(heads)
    }

    /// An author's events from one number to another, both included, in order; as many as fit into so many bytes, and at
    /// least one.
    pub fn range(&self, author: &[u8; 32], from: u64, to: u64, bytes: usize, form: Form) -> Result<Vec<Parcel>, ReplicaError> {
        if from > to {
            return Ok(Vec::new());
        }
        let (from, to) = (sequence_key(author, from), sequence_key(author, to));
        let mut parcels = Vec::new();
        let mut total = 0;
        for row in self.txn.range(Table::Sequence, Bound::Included(&from), Bound::Included(&to))? {
            let event = self.replica.event(&*self.txn, log::position(row?.1, "numbers")?)?;
            let Some(parcel) = self.parcel(&event, form)? else { break };
            total += parcel.bytes();
            if total > bytes && !parcels.is_empty() {
                break;
            }
            parcels.push(parcel);
        }
        Ok(parcels)
    }

    /// The signed events from one clock up to but not including another, by clock and id, `limit` at most.
    pub fn window(&self, from: Clock, to: Clock, limit: usize) -> Result<Vec<(Clock, [u8; 32])>, ReplicaError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let unsigned = self.unsigned_places()?;
        let mut events = Vec::new();
        let bounds = (from.0.to_be_bytes(), to.0.to_be_bytes());
        for row in self.txn.range(Table::Time, Bound::Included(&bounds.0), Bound::Excluded(&bounds.1))? {
            let (key, value) = row?;
            if events.len() == limit {
                break;
            }
            if unsigned.contains(&log::position(value, "clocks")?) {
                continue;
            }
            let (clock, id) = key.split_first_chunk::<8>().ok_or(Damage::Record("clocks"))?;
            events.push((Clock(u64::from_be_bytes(*clock)), id.try_into().map_err(|_| Damage::Record("clocks"))?));
        }
        Ok(events)
    }

    /// The events with these ids, in this order, as many as fit into so many bytes, and at least one. Those that are not
    /// here are left out.
    pub fn parcels(&self, ids: &[[u8; 32]], bytes: usize, form: Form) -> Result<Vec<Parcel>, ReplicaError> {
        let mut parcels = Vec::new();
        let mut total = 0;
        for id in ids {
            let Some(event) = self.replica.find(&*self.txn, id)? else { continue };
            let Some(parcel) = self.parcel(&event, form)? else { continue };
            total += parcel.bytes();
            if total > bytes && !parcels.is_empty() {
                break;
            }
            parcels.push(parcel);
        }
        Ok(parcels)
    }

    /// An event as it travels; nothing if it has no signature yet.
    pub fn parcel(&self, event: &Recorded, form: Form) -> Result<Option<Parcel>, ReplicaError> {
        let Some(signature) = event.signature else { return Ok(None) };
        let body = match form {
            Form::Open => self.replica.kept(&*self.txn, event)?.map(|opened| Carried::Open(opened.kept.to_vec())),
            Form::Sealed => self.sealed(event)?,
        };
        Ok(Some(Parcel { header: event.header.encode(), signature, body: body.unwrap_or(Carried::Erased) }))
    }

    fn sealed(&self, event: &Recorded) -> Result<Option<Carried>, ReplicaError> {
        let Some(sealed) = self.txn.get(Table::Body, &event.position.to_be_bytes())? else { return Ok(None) };
        let wrapped = self.txn.get(Table::Key, &event.header.entity)?.ok_or(Damage::Record("keys"))?;
        Ok(Some(Carried::Sealed([wrapped, sealed].concat())))
    }

    /// An author's event by its number.
    pub fn by_sequence(&self, author: &[u8; 32], sequence: u64) -> Result<Option<Recorded>, ReplicaError> {
        let Some(value) = self.txn.get(Table::Sequence, &sequence_key(author, sequence))? else { return Ok(None) };
        self.replica.event(&*self.txn, log::position(value, "numbers")?).map(Some)
    }

    /// An author's last event up to a number that is what was written.
    fn last_whole(&self, author: &[u8; 32], upto: u64) -> Result<Option<Recorded>, ReplicaError> {
        for sequence in (1..=upto).rev() {
            if let Some(event) = log::readable(self.by_sequence(author, sequence))?.flatten()
                && self.is_listed(&event)?
            {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Whether an event is listed under its id: its header is what was written. One that is not is given to nobody.
    pub(crate) fn is_listed(&self, event: &Recorded) -> Result<bool, ReplicaError> {
        Ok(self.replica.position_of(&*self.txn, &event.id)? == Some(event.position))
    }

    fn unsigned_places(&self) -> Result<BTreeSet<u64>, ReplicaError> {
        all(&*self.txn, Table::Unsigned)?.map(|row| log::position(row?.0, "unsigned events")).collect()
    }

    /// The first unsigned event of each author that has one: this device, and what it was before it took a new key.
    fn first_unsigned(&self) -> Result<BTreeMap<[u8; 32], u64>, ReplicaError> {
        let mut first = BTreeMap::new();
        for position in self.unsigned_places()? {
            let (author, sequence) = match log::readable(self.replica.event(&*self.txn, position))? {
                Some(event) if self.is_listed(&event)? => (event.header.author, event.header.sequence),
                _ => self.number_of(position)?,
            };
            let least = first.entry(author).or_insert(sequence);
            *least = sequence.min(*least);
        }
        Ok(first)
    }

    /// Whose event is at a place and which of them, by the index of numbers. It looks through all, which is done only for a
    /// damaged event.
    fn number_of(&self, position: u64) -> Result<([u8; 32], u64), ReplicaError> {
        for row in all(&*self.txn, Table::Sequence)? {
            let (key, place) = row?;
            if place == position.to_be_bytes()
                && let Some((author, _)) = key.split_first_chunk::<32>()
            {
                return Ok((*author, log::position(key, "numbers")?));
            }
        }
        Err(Damage::Record("numbers").into())
    }
}
