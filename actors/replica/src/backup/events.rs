//! Packing events: each is checked and opened before it goes into a pack, so that what is in a backup can be put back.

use std::ops::Bound;

use super::{
    EventPack,
    pack::{Events, Pack},
};
use crate::{
    Damage, ReplicaError, body,
    engine::all,
    ingest::Gap,
    log::{self, Recorded},
    parcel::{Carried, Form, Parcel},
    read::Snapshot,
    tables::Table,
};

/// A pack of events, and what its makers found.
pub(super) struct Made {
    pub(super) pack: Pack,
    pub(super) entry: EventPack,
    /// What is damaged, by place.
    pub(super) damaged: Vec<(u64, String)>,
    /// Places of events that say nothing here though nothing is known to have erased them.
    pub(super) silent: Vec<u64>,
}

/// An event that is to be packed.
pub(super) enum Look {
    Whole(Parcel),
    /// It has no signature yet. `Ours`: it will have one.
    Unsigned {
        ours: bool,
    },
    /// What is wrong.
    Damaged(String),
}

impl Snapshot<'_> {
    /// Packs the events after a place, up to and with `to`, or up to the first of this device that has no signature yet;
    /// nothing if there is none.
    ///
    /// What another device left unsigned when it took a new key can be checked by nobody and is left out. So is what is
    /// damaged.
    pub(super) fn event_pack(&self, after: u64, to: u64) -> Result<Option<Made>, ReplicaError> {
        let (mut events, mut ids, mut last) = (Events::new(), blake3::Hasher::new(), after);
        let (mut damaged, mut silent) = (Vec::new(), Vec::new());
        let from = after.saturating_add(1).to_be_bytes();
        for row in self.txn.range(Table::Event, Bound::Included(&from), Bound::Included(&to.to_be_bytes()))? {
            let (key, value) = row?;
            let position = log::position(key, "events")?;
            match self.look_for_backup(position, value)? {
                Look::Whole(parcel) => {
                    let id = blake3::hash(&parcel.header);
                    ids.update(key).update(id.as_bytes());
                    if parcel.body == Carried::Erased && !self.is_known_erased(position, value, id.as_bytes())? {
                        silent.push(position);
                    }
                    events.push(&parcel)?;
                }
                Look::Unsigned { ours: true } => break,
                Look::Unsigned { ours: false } => {}
                Look::Damaged(what) => damaged.push((position, what)),
            }
            last = position;
            if events.is_full() {
                break;
            }
        }
        if last == after {
            return Ok(None);
        }
        let first = after + 1;
        let count = events.count;
        let pack = events.seal(self.replica, first, last)?;
        let entry = EventPack {
            name: pack.name,
            length: pack.file.len() as u64,
            first,
            last,
            present: self.present(first, last)?,
            count,
            ids: Some(half(&ids)),
            skipped: damaged.iter().map(|(position, _)| *position).collect(),
        };
        Ok(Some(Made { pack, entry, damaged, silent }))
    }

    fn is_known_erased(&self, position: u64, value: &[u8], id: &[u8; 32]) -> Result<bool, ReplicaError> {
        self.is_erased(&Recorded::read(position, value)?.header, id)
    }

    /// The event of a row as it goes into a pack, if it is what it was.
    pub(super) fn look_for_backup(&self, position: u64, value: &[u8]) -> Result<Look, ReplicaError> {
        let damaged = |what: &str| Ok(Look::Damaged(what.to_owned()));
        let bytes = log::header_bytes(value).unwrap_or_default();
        let read = Recorded::read(position, value).ok().filter(|event| event.header.encode() == bytes);
        let Some(event) = read else { return damaged("its header cannot be read") };
        if event.signature.is_none() {
            // It will never get one, and what comes after it must not wait for that.
            if !self.is_listed(&event)? {
                return damaged("its header is not what its id was made of");
            }
            return match self.txn.get(Table::Unsigned, &position.to_be_bytes())? {
                Some(_) => Ok(Look::Unsigned { ours: event.header.author == self.replica.keys.device }),
                None => damaged("its signature is gone"),
            };
        }
        let parcel = match self.parcel(&event, Form::Sealed) {
            Ok(Some(parcel)) => parcel,
            Ok(None) => return damaged("its signature is gone"),
            Err(ReplicaError::Damaged(damage)) => return Ok(Look::Damaged(damage.to_string())),
            Err(error) => return Err(error),
        };
        if event.header.kind == body::ERASE && parcel.body == Carried::Erased {
            return damaged("what it erased is gone");
        }
        match self.replica.intact(&parcel) {
            Ok(_) => Ok(Look::Whole(parcel)),
            Err(unfit) => Ok(Look::Damaged(unfit.to_string())),
        }
    }

    /// What is wrong with the event at a place; nothing if it is whole, or is not there.
    pub(super) fn is_damaged(&self, position: u64) -> Result<Option<String>, ReplicaError> {
        let Some(value) = self.txn.get(Table::Event, &position.to_be_bytes())? else { return Ok(None) };
        Ok(match self.look_for_backup(position, value)? {
            Look::Damaged(what) => Some(what),
            Look::Whole(_) | Look::Unsigned { .. } => None,
        })
    }

    /// A digest of the places and ids of the signed events from one place to another, both included, without those that
    /// are skipped. What they say is not looked at.
    pub(super) fn ids(&self, first: u64, last: u64, skipped: &[u64]) -> Result<[u8; 16], ReplicaError> {
        let (first, last) = (first.to_be_bytes(), last.to_be_bytes());
        let mut ids = blake3::Hasher::new();
        for row in self.txn.range(Table::Event, Bound::Included(&first), Bound::Included(&last))? {
            let (key, value) = row?;
            if log::is_signed(value) && skipped.binary_search(&log::position(key, "events")?).is_err() {
                ids.update(key).update(blake3::hash(log::header_bytes(value).unwrap_or_default()).as_bytes());
            }
        }
        Ok(half(&ids))
    }

    /// A digest of the places between these two, both included, that have a body.
    pub(super) fn present(&self, first: u64, last: u64) -> Result<[u8; 16], ReplicaError> {
        let (first, last) = (first.to_be_bytes(), last.to_be_bytes());
        let mut places = blake3::Hasher::new();
        for row in self.txn.range(Table::Body, Bound::Included(&first), Bound::Included(&last))? {
            places.update(row?.0);
        }
        Ok(half(&places))
    }

    /// The newest place.
    pub fn newest_place(&self) -> Result<u64, ReplicaError> {
        let last = self.txn.range_back(Table::Event, Bound::Unbounded, Bound::Unbounded)?.next().transpose()?;
        last.map_or(Ok(0), |(key, _)| log::position(key, "events"))
    }

    /// How many events are missing between others of their authors.
    pub fn missing(&self) -> Result<u64, ReplicaError> {
        Ok(self.gaps(0)?.1)
    }

    /// The first gaps between events of their authors, so many at most, and how many events are missing in all.
    pub fn gaps(&self, most: usize) -> Result<(Vec<Gap>, u64), ReplicaError> {
        let (mut gaps, mut missing) = (Vec::new(), 0);
        let mut before: Option<([u8; 32], u64)> = None;
        for row in all(&*self.txn, Table::Sequence)? {
            let key = row?.0;
            let (author, rest) = key.split_first_chunk::<32>().ok_or(Damage::Record("numbers"))?;
            let sequence = log::position(rest, "numbers")?;
            let next = before.filter(|(of, _)| of == author).map_or(1, |(_, last)| last + 1);
            if sequence > next {
                missing += sequence - next;
                if gaps.len() < most {
                    gaps.push(Gap { author: *author, from: next, to: sequence - 1 });
                }
            }
            before = Some((*author, sequence));
        }
        Ok((gaps, missing))
    }
}

fn half(hasher: &blake3::Hasher) -> [u8; 16] {
    let hash = hasher.finalize();
    std::array::from_fn(|index| hash.as_bytes()[index])
}
