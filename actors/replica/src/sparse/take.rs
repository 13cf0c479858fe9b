//! Taking events in whose chains are not here. Id, signature, body, seal and clock are checked as an archive checks them;
//! of its author's other events it is compared with those that are here.

use std::collections::{HashMap, HashSet};

use super::{
    Sparse, SparseError,
    evict::{AROUND, body_bytes, touched},
    uses::{Known, Pending, find},
};
use crate::{
    Fork, Kept, Parcel, Recorded, ReplicaError, Taken, Unfit,
    body::{self, Body},
    log::{self, position, sequence_key},
    parcel::{Carried, Verified},
    tables::Table,
    write::Batch,
};

impl Sparse {
    /// Takes parcels in, in this order and in one transaction; there is one answer for each. Room is made for them first.
    pub fn take(&mut self, parcels: &[Parcel]) -> Result<Vec<Result<Taken, Unfit>>, SparseError> {
        // Signatures take longest and need no transaction.
        let replica = self.replica.clone();
        let checked: Vec<_> = parcels.iter().map(|parcel| replica.check(parcel)).collect();
        let need = parcels.iter().map(|parcel| AROUND + body_bytes(carried(parcel) + 64)).sum();
        let now = self.replica.wall.millis();
        // What comes is in use before anything leaves for it.
        for verified in checked.iter().flatten() {
            self.pending().touched(&verified.header.entity, verified.header.clock.millis().min(now));
        }
        self.write(need, |batch| {
            let known = Known::get(batch.txn.reading())?;
            let mut results = Vec::with_capacity(checked.len());
            let mut newest: HashMap<[u8; 16], Come> = HashMap::new();
            for verified in &checked {
                let verified = match verified {
                    Ok(verified) => verified,
                    Err(unfit) => {
                        results.push(Err(*unfit));
                        continue;
                    }
                };
                let taken = batch.take_alone(verified)?;
                if let Ok(Taken::Kept(_) | Taken::Bare(_) | Taken::Filled(_)) = taken {
                    let made = verified.header.clock.millis().min(now);
                    let come = newest.entry(verified.header.entity).or_default();
                    come.made = made.max(come.made);
                    come.content |= !matches!(verified.header.kind, body::CONVERSATION | body::TITLE);
                    come.seen.extend(&verified.header.seen);
                }
                results.push(taken);
            }
            for (entity, come) in &newest {
                let mut one = touched(find(batch.txn.reading(), entity)?, &known, come.made);
                one.bare &= !come.content;
                for seen in &come.seen {
                    if one.told > 0 && batch.txn.get(Table::Id, seen)?.is_none() {
                        // What the archive was asked for is not all that it has.
                        one.told = 0;
                    }
                }
                batch.put_use(entity, Some(&one))?;
            }
            Ok(results)
        })
    }
}

/// What has come of an entity.
#[derive(Default)]
struct Come {
    /// The newest was made then, in milliseconds.
    made: u64,
    /// There is more than what it is called.
    content: bool,
    /// What it had seen.
    seen: HashSet<[u8; 32]>,
}

fn carried(parcel: &Parcel) -> u64 {
    match &parcel.body {
        Carried::Open(bytes) | Carried::Sealed(bytes) => bytes.len() as u64,
        Carried::Erased => 0,
    }
}

impl Batch<'_> {
    /// Writes what waited to be written.
    pub(super) fn put_pending(&mut self, pending: &Pending) -> Result<(), ReplicaError> {
        for (author, (sequence, id)) in &pending.reached {
            self.txn.put(Table::Reached, author, &[&sequence.to_le_bytes()[..], id].concat())?;
        }
        self.put_uses(&pending.uses)
    }

    /// Takes a parcel in, whatever of its author's is here.
    fn take_alone(&mut self, parcel: &Verified<'_>) -> Result<Result<Taken, Unfit>, ReplicaError> {
        let header = &parcel.header;
        if header.kind == body::ERASE && parcel.body.is_none() {
            return Ok(Err(Unfit::Body));
        }
        if let Some(position) = self.replica.position_of(self.txn.reading(), &parcel.id)? {
            return self.fill_alone(parcel, position).map(Ok);
        }
        if let Some(judged) = self.judge_alone(parcel)? {
            return Ok(judged);
        }
        let sealed = self.seal(parcel)?;
        self.place.position += 1;
        let place = self.place.position;
        let event = Recorded { position: place, id: parcel.id, header: header.clone(), signature: Some(*parcel.signature) };
        self.txn.append(Table::Event, &place.to_be_bytes(), &log::value(parcel.bytes, Some(parcel.signature)))?;
        if let Some(sealed) = &sealed {
            self.txn.append(Table::Body, &place.to_be_bytes(), sealed)?;
        }
        self.index(&event)?;
        self.not_gone(&event)?;
        match &parcel.body {
            Some(opened) if sealed.is_some() => {
                self.fold(&event, &Body::read(header.kind, &opened.plain))?;
                Ok(Ok(Taken::Kept(kept(&event))))
            }
            _ => Ok(Ok(Taken::Bare(kept(&event)))),
        }
    }

    /// Whether it agrees with those of its author's events that are here; if not, what is to be said of it.
    fn judge_alone(&mut self, parcel: &Verified<'_>) -> Result<Option<Result<Taken, Unfit>>, ReplicaError> {
        let header = &parcel.header;
        if header.sequence == 0 || (header.sequence == 1 && header.previous != [0; 32]) || header.clock.0 == u64::MAX {
            return Ok(Some(Err(Unfit::Chain)));
        }
        let at = |sequence: u64| -> Result<Option<Recorded>, ReplicaError> {
            let Some(value) = self.txn.get(Table::Sequence, &sequence_key(&header.author, sequence))? else { return Ok(None) };
            self.replica.event(self.txn.reading(), position(value, "numbers")?).map(Some)
        };
        let before = at(header.sequence - 1)?;
        let after = header.sequence.checked_add(1).map(at).transpose()?.flatten();
        let forked = at(header.sequence)?.is_some()
            || before.as_ref().is_some_and(|before| before.id != header.previous)
            || after.as_ref().is_some_and(|after| after.header.previous != parcel.id);
        if forked {
            self.keep_evidence(parcel)?;
            let fork = Fork { author: header.author, sequence: header.sequence, other: parcel.id };
            return Ok(Some(Ok(Taken::Fork(fork))));
        }
        let backwards = before.is_some_and(|before| before.header.clock >= header.clock)
            || after.is_some_and(|after| after.header.clock <= header.clock);
        Ok(backwards.then_some(Err(Unfit::Chain)))
    }

    /// A parcel of an event that is here may bring what it says, if that is not here and not erased.
    fn fill_alone(&mut self, parcel: &Verified<'_>, position: u64) -> Result<Taken, ReplicaError> {
        let key = position.to_be_bytes();
        if self.txn.get(Table::Body, &key)?.is_some() {
            return Ok(Taken::Known);
        }
        let (Some(sealed), Some(opened)) = (self.seal(parcel)?, &parcel.body) else { return Ok(Taken::Known) };
        self.txn.put(Table::Body, &key, &sealed)?;
        let event = self.replica.event(self.txn.reading(), position)?;
        self.fold(&event, &Body::read(event.header.kind, &opened.plain))?;
        Ok(Taken::Filled(kept(&event)))
    }
}

fn kept(event: &Recorded) -> Kept {
    Kept { position: event.position, id: event.id, kind: event.header.kind, entity: event.header.entity, again: false }
}
