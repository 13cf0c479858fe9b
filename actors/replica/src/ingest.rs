//! Taking events of other authors in. Each author's events come in the order of their numbers, without a gap; which
//! author's come first makes no difference, and one that comes twice is there once.
//!
//! Whether an author may write at all is not asked here: who is a member is known to whoever carries the parcels.

use std::ops::Bound;

use ipc::event::Clock;

use crate::{
    Damage, ReplicaError, Writer,
    body::{self, Body},
    engine::{all, prefix},
    log::{self, Recorded},
    parcel::{Parcel, Unfit, Verified},
    read::Snapshot,
    sealed,
    tables::Table,
    write::{Batch, Head, Kept, once_key},
};

/// What became of a parcel that was in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept.
    Kept(Kept),
    /// It is kept without what it says, which is erased or did not come with it.
    Bare(Kept),
    /// It was there without what it says, and now says it.
    Filled(Kept),
    /// It was there.
    Known,
    /// It is not kept: its author's events before it are not there.
    Gap(Gap),
    /// It is not kept but put aside as evidence: its author has made two events of one number. Someone uses a copy of
    /// that device.
    Fork(Fork),
    /// The same, and the author is this device: this store is a restored copy, or there is a copy of it. It must go on
    /// under a new key.
    Cloned(Fork),
}

/// What is missing before an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose events.
    pub author: [u8; 32],
    /// The first that is missing.
    pub from: u64,
    /// The last that is missing.
    pub to: u64,
}

/// What becomes of an event whose author's events before it are not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    /// It waits until they are.
    Refused,
    /// It is kept.
    Left,
}

/// Two events of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Whose.
    pub author: [u8; 32],
    /// The number of the other.
    pub sequence: u64,
    /// The id of the other, which is evidence and not kept as an event.
    pub other: [u8; 32],
}

/// Evidence that is kept against one author. More proves nothing more.
const MAX_EVIDENCE: usize = 16;

impl Writer {
    /// Takes parcels in, in this order and in one transaction; there is one answer for each.
    pub fn take(&mut self, parcels: &[Parcel]) -> Result<Vec<Result<Taken, Unfit>>, ReplicaError> {
        // Signatures take longest and need no transaction.
        let replica = self.replica.clone();
        let checked: Vec<_> = parcels.iter().map(|parcel| replica.check(parcel)).collect();
        self.write(|batch| {
            let mut taken = Vec::with_capacity(checked.len());
            for verified in &checked {
                taken.push(match verified {
                    Ok(verified) => batch.take(verified)?,
                    Err(unfit) => Err(*unfit),
                });
            }
            Ok(taken)
        })
    }
}

impl Batch<'_> {
    /// Takes a parcel in.
    pub fn take(&mut self, parcel: &Verified<'_>) -> Result<Result<Taken, Unfit>, ReplicaError> {
        self.take_by(parcel, Gaps::Refused)
    }

    /// Takes a parcel in though its author's events before it are not there and may be lost: for what is left of a backup.
    /// Where they come later they find their places.
    pub fn take_over_gaps(&mut self, parcel: &Verified<'_>) -> Result<Result<Taken, Unfit>, ReplicaError> {
        self.take_by(parcel, Gaps::Left)
    }

    fn take_by(&mut self, parcel: &Verified<'_>, gaps: Gaps) -> Result<Result<Taken, Unfit>, ReplicaError> {
        let header = &parcel.header;
        if header.kind == body::ERASE && parcel.body.is_none() {
            return Ok(Err(Unfit::Body));
        }
        if let Some(position) = self.replica.position_of(self.txn.reading(), &parcel.id)? {
            return self.fill(parcel, position).map(Ok);
        }
        let head = match self.txn.get(Table::Head, &header.author)? {
            Some(value) => Head::read(value)?,
            None => Head::default(),
        };
        if !self.is_missing(parcel, &head)?
            && let Some(taken) = self.judge(parcel, &head, gaps)?
        {
            return Ok(taken);
        }
        let sealed = self.seal(parcel)?;
        let event = Recorded { position: 0, id: parcel.id, header: header.clone(), signature: Some(*parcel.signature) };
        let event = self.store(event, parcel.bytes, sealed.as_deref())?;
        let kept = kept(&event);
        match &parcel.body {
            Some(opened) if sealed.is_some() => {
                self.say(&event, &opened.plain)?;
                Ok(Ok(Taken::Kept(kept)))
            }
            _ => Ok(Ok(Taken::Bare(kept))),
        }
    }

    /// Whether it follows its author's last event; if not, what is to be said of it.
    fn judge(&mut self, parcel: &Verified<'_>, head: &Head, gaps: Gaps) -> Result<Option<Result<Taken, Unfit>>, ReplicaError> {
        let header = &parcel.header;
        let ours = header.author == self.replica.keys.device;
        let next = head.sequence.saturating_add(1);
        if header.sequence == 0 || (header.sequence == 1 && header.previous != [0; 32]) {
            return Ok(Some(Err(Unfit::Chain)));
        }
        // What this device has signed and this store has not written was written elsewhere.
        let forked = header.sequence < next || (header.sequence == next && header.previous != head.id);
        if ours || forked {
            let fork = Fork { author: header.author, sequence: header.sequence, other: parcel.id };
            self.keep_evidence(parcel)?;
            return Ok(Some(Ok(if ours { Taken::Cloned(fork) } else { Taken::Fork(fork) })));
        }
        if header.sequence > next && gaps == Gaps::Refused {
            return Ok(Some(Ok(Taken::Gap(Gap { author: header.author, from: next, to: header.sequence - 1 }))));
        }
        if header.clock <= head.clock || header.clock.0 == u64::MAX {
            return Ok(Some(Err(Unfit::Chain)));
        }
        Ok(None)
    }

    /// Whether it is one that a gap was left for: its number is free, and what is there of its neighbours fits.
    fn is_missing(&self, parcel: &Verified<'_>, head: &Head) -> Result<bool, ReplicaError> {
        let header = &parcel.header;
        if header.author == self.replica.keys.device || header.sequence == 0 || header.sequence >= head.sequence {
            return Ok(false);
        }
        let at = |sequence| -> Result<Option<Recorded>, ReplicaError> {
            let txn = self.txn.reading();
            let Some(place) = txn.get(Table::Sequence, &log::sequence_key(&header.author, sequence))? else { return Ok(None) };
            self.replica.event(txn, log::position(place, "numbers")?).map(Some)
        };
        if at(header.sequence)?.is_some() {
            return Ok(false);
        }
        let follows = match header.sequence {
            1 => header.previous == [0; 32],
            sequence => at(sequence - 1)?.is_none_or(|before| before.id == header.previous && before.header.clock < header.clock),
        };
        let leads =
            at(header.sequence + 1)?.is_none_or(|after| after.header.previous == parcel.id && header.clock < after.header.clock);
        Ok(follows && leads)
    }

    pub(crate) fn keep_evidence(&mut self, parcel: &Verified<'_>) -> Result<(), ReplicaError> {
        let header = &parcel.header;
        if prefix(self.txn.reading(), Table::Fork, &header.author)?.count() < MAX_EVIDENCE {
            let key = [&log::sequence_key(&header.author, header.sequence)[..], &parcel.id].concat();
            self.txn.put(Table::Fork, &key, &[&parcel.signature[..], parcel.bytes].concat())?;
        }
        Ok(())
    }

    /// The sealed body as it will lie here; nothing if there is none or it is erased.
    pub(crate) fn seal(&mut self, parcel: &Verified<'_>) -> Result<Option<Vec<u8>>, ReplicaError> {
        let header = &parcel.header;
        let Some(opened) = &parcel.body else { return Ok(None) };
        if self.is_erased(header, &parcel.id)? {
            return Ok(None);
        }
        // The sender's key is taken where there is none, so that nothing is sealed twice; but not where there was one
        // that an erasure took, for it may be the same.
        if let Some((wrapped, sealed)) = parcel.sealed
            && self.txn.get(Table::Key, &header.entity)?.is_none()
            && !self.has_tomb(&header.entity)?
        {
            self.txn.put(Table::Key, &header.entity, wrapped)?;
            return Ok(Some(sealed.to_vec()));
        }
        let key = self.entity_key(&header.entity)?;
        sealed::seal_kept(&key, &parcel.id, &opened.kept).map(Some)
    }

    /// A parcel of an event that is there may bring what it says, if that is not there and not erased.
    fn fill(&mut self, parcel: &Verified<'_>, position: u64) -> Result<Taken, ReplicaError> {
        let key = position.to_be_bytes();
        // One of our own in a restored copy may have been signed since the copy was made.
        if self.txn.get(Table::Unsigned, &key)?.is_some() {
            self.sign(position, parcel.signature)?;
        }
        if self.txn.get(Table::Body, &key)?.is_some() {
            return Ok(Taken::Known);
        }
        let (Some(sealed), Some(opened)) = (self.seal(parcel)?, &parcel.body) else { return Ok(Taken::Known) };
        self.txn.put(Table::Body, &key, &sealed)?;
        let event = self.replica.event(self.txn.reading(), position)?;
        self.say(&event, &opened.plain)?;
        self.look_again(&event.header.entity)?;
        Ok(Taken::Filled(kept(&event)))
    }

    /// Folds what a foreign event says, and remembers the identity under which it is kept once.
    fn say(&mut self, event: &Recorded, plain: &[u8]) -> Result<(), ReplicaError> {
        let body = Body::read(event.header.kind, plain);
        if let Some(identity) = body.identity(&event.header.entity) {
            let key = once_key(event.header.kind, &identity);
            if self.txn.get(Table::Once, &key)?.is_none() {
                let digest = self.replica.keys.blind("once", &[plain]);
                self.txn.put(Table::Once, &key, &[&event.position.to_be_bytes()[..], &digest].concat())?;
            }
        }
        self.fold(event, &body)
    }
}

fn kept(event: &Recorded) -> Kept {
    Kept { position: event.position, id: event.id, kind: event.header.kind, entity: event.header.entity, again: false }
}

impl Snapshot<'_> {
    /// All evidence that authors have made two events of one number.
    pub fn forks(&self) -> Result<Vec<Fork>, ReplicaError> {
        all(&*self.txn, Table::Fork)?.map(|row| fork(row?.0)).collect()
    }

    /// Evidence that this device's key is used elsewhere: this store is a restored copy, or there is a copy of it.
    pub fn cloned(&self) -> Result<Option<Fork>, ReplicaError> {
        let own = prefix(&*self.txn, Table::Fork, &self.replica.keys.device)?.next();
        own.map(|row| fork(row?.0)).transpose()
    }

    /// The latest clock of any event.
    pub fn latest(&self) -> Result<Clock, ReplicaError> {
        let last = self.txn.range_back(Table::Time, Bound::Unbounded, Bound::Unbounded)?.next();
        let Some((key, _)) = last.transpose()? else { return Ok(Clock::default()) };
        Ok(key.first_chunk::<8>().map(|clock| Clock(u64::from_be_bytes(*clock))).ok_or(Damage::Record("clocks"))?)
    }
}

fn fork(key: &[u8]) -> Result<Fork, ReplicaError> {
    let read = |key: &[u8]| {
        let (author, rest) = key.split_first_chunk::<32>()?;
        let (sequence, other) = rest.split_first_chunk::<8>()?;
        Some(Fork { author: *author, sequence: u64::from_be_bytes(*sequence), other: other.try_into().ok()? })
    };
    Ok(read(key).ok_or(Damage::Record("forks"))?)
}
