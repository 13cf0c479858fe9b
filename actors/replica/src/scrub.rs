//! Looking at everything: each event's id, signature, place in its chain, seal and digest; in `views`, what is derived.
//! A disk that forgets a bit says nothing; this does, and names the event. An intact copy from another store or a backup
//! is put in its place by [`Batch::repair`]; views and indexes are made anew by [`crate::Writer::rebuild`].

mod views;

use std::ops::Bound;

use crate::{
    Replica, ReplicaError, Snapshot, StoreKeys,
    engine::{Reading, all},
    log::{self, Recorded},
    parcel::{Unfit, Verified, is_signed},
    sealed,
    tables::Table,
    write::{Batch, Kept},
};

pub use views::Folds;

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Events that were looked at.
    pub events: u64,
    /// Those of them that say nothing: they are erased, or came so.
    pub bare: u64,
    /// The last place that was looked at.
    pub last: u64,
    /// What is wrong.
    pub damaged: Vec<Damaged>,
}

/// Something is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where.
    pub position: u64,
    /// The event's id, as far as anything still tells.
    pub id: Option<[u8; 32]>,
    /// What.
    pub what: What,
}

/// What of an event is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Its header: it is not what its id was made of.
    Header,
    /// Its signature.
    Signature,
    /// Its chain: its author's event before it is another.
    Chain,
    /// The key of its entity.
    Key,
    /// Its seal, or what is under it.
    Body,
    /// An index does not lead to it.
    Index,
}

impl Snapshot<'_> {
    /// Looks at the events after a place, `limit` at most.
    pub fn verify(&self, after: u64, limit: usize) -> Result<Scrubbed, ReplicaError> {
        let mut found = Scrubbed { last: after, ..Scrubbed::default() };
        let from = after.saturating_add(1).to_be_bytes();
        for row in self.txn.range(Table::Event, Bound::Included(&from), Bound::Unbounded)?.take(limit) {
            let (key, value) = row?;
            let position = log::position(key, "events")?;
            found.events += 1;
            found.last = position;
            match self.look_at(position, value)? {
                Ok(bare) => found.bare += u64::from(bare),
                Err((id, what)) => found.damaged.push(Damaged { position, id, what }),
            }
        }
        Ok(found)
    }

    /// Whether an event says nothing, or what is wrong with it.
    #[expect(clippy::type_complexity, reason = "a damaged event is no error of looking at it")]
    fn look_at(&self, position: u64, value: &[u8]) -> Result<Result<bool, (Option<[u8; 32]>, What)>, ReplicaError> {
        let key = position.to_be_bytes();
        let bytes = log::header_bytes(value).unwrap_or_default();
        let id = *blake3::hash(bytes).as_bytes();
        let read = Recorded::read(position, value).ok().filter(|event| event.header.encode() == bytes);
        // The indexes say which events are here; they were written beside it and not made from it since.
        let listed = self.replica.position_of(&*self.txn, &id)? == Some(position);
        let Some(event) = read.filter(|_| listed) else {
            let known = self.id_of(position)?;
            let whole = Recorded::read(position, value).is_ok_and(|event| is_whole(&event));
            return Ok(Err(if whole { (Some(id), What::Index) } else { (known, What::Header) }));
        };
        let header = &event.header;
        let wrong = |what| Ok(Err((Some(id), what)));
        match event.signature {
            Some(signature) if !is_signed(&header.author, &id, &signature) => return wrong(What::Signature),
            None if self.txn.get(Table::Unsigned, &key)?.is_none() => return wrong(What::Signature),
            _ => {}
        }
        let at = |sequence| self.txn.get(Table::Sequence, &log::sequence_key(&header.author, sequence));
        let timed = [&header.clock.0.to_be_bytes()[..], &id].concat();
        if at(header.sequence)? != Some(&key) || self.txn.get(Table::Time, &timed)? != Some(&key) {
            return wrong(What::Index);
        }
        let before = match header.sequence {
            1 => Some([0; 32]),
            sequence => self.by_sequence_id(&header.author, sequence - 1)?,
        };
        if before != Some(header.previous) {
            return wrong(What::Chain);
        }
        let Some(sealed) = self.txn.get(Table::Body, &key)? else { return Ok(Ok(true)) };
        let Some(entity_key) = self.unwrapped(&self.replica.keys, &header.entity)? else { return wrong(What::Key) };
        match sealed::Opened::open(&entity_key, &id, header, sealed) {
            Some(_) => Ok(Ok(false)),
            None => wrong(What::Body),
        }
    }

    /// Whether this intact copy of an event would mend something here.
    pub fn would_mend(&self, parcel: &Verified<'_>) -> Result<bool, ReplicaError> {
        let Some(position) = place_of(self.replica, &*self.txn, parcel)? else { return Ok(false) };
        match self.txn.get(Table::Event, &position.to_be_bytes())? {
            Some(value) => Ok(self.look_at(position, value)?.is_err_and(|(_, what)| what != What::Chain)),
            None => Ok(false),
        }
    }

    fn unwrapped(&self, keys: &StoreKeys, entity: &[u8; 16]) -> Result<Option<zeroize::Zeroizing<[u8; 32]>>, ReplicaError> {
        Ok(self.txn.get(Table::Key, entity)?.and_then(|wrapped| sealed::unwrap(keys, entity, wrapped)))
    }

    /// The id of an author's event by its number, as the bytes there make it.
    fn by_sequence_id(&self, author: &[u8; 32], sequence: u64) -> Result<Option<[u8; 32]>, ReplicaError> {
        let Some(place) = self.txn.get(Table::Sequence, &log::sequence_key(author, sequence))? else { return Ok(None) };
        // A damaged one before it is named itself; this one is as it should be.
        self.id_of_place(place)
    }

    fn id_of_place(&self, place: &[u8]) -> Result<Option<[u8; 32]>, ReplicaError> {
        let position = log::position(place, "numbers")?;
        let Some(value) = self.txn.get(Table::Event, place)? else { return Ok(None) };
        let id = *blake3::hash(log::header_bytes(value).unwrap_or_default()).as_bytes();
        if self.txn.get(Table::Id, &id)?.is_some() { Ok(Some(id)) } else { self.id_of(position) }
    }

    /// The id under which a place is listed. It looks through all, which is done only for a damaged event.
    fn id_of(&self, position: u64) -> Result<Option<[u8; 32]>, ReplicaError> {
        for row in all(&*self.txn, Table::Id)? {
            let (id, place) = row?;
            if place == position.to_be_bytes() {
                return Ok(id.try_into().ok());
            }
        }
        Ok(None)
    }
}

/// Where an event is, see [`Batch::place_of`].
fn place_of(replica: &Replica, txn: &dyn Reading, parcel: &Verified<'_>) -> Result<Option<u64>, ReplicaError> {
    if let Some(position) = replica.position_of(txn, &parcel.id)? {
        return Ok(Some(position));
    }
    let header = &parcel.header;
    let Some(place) = txn.get(Table::Sequence, &log::sequence_key(&header.author, header.sequence))? else {
        return Ok(None);
    };
    let position = log::position(place, "numbers")?;
    let whole = replica.event(txn, position).is_ok_and(|event| is_whole(&event));
    Ok((!whole).then_some(position))
}

/// Whether its author signed what is there.
fn is_whole(event: &Recorded) -> bool {
    event.signature.is_some_and(|signature| is_signed(&event.header.author, &event.id, &signature))
}

impl Batch<'_> {
    /// Puts an intact copy of an event back in its place: header, signature and, unless it is erased, what it says.
    pub fn repair(&mut self, parcel: &Verified<'_>) -> Result<Result<Kept, Unfit>, ReplicaError> {
        let header = &parcel.header;
        let Some(position) = self.place_of(parcel)? else { return Ok(Err(Unfit::NotHere)) };
        let key = position.to_be_bytes();
        self.txn.put(Table::Event, &key, &log::value(parcel.bytes, Some(parcel.signature)))?;
        self.txn.delete(Table::Unsigned, &key)?;
        let event = Recorded { position, id: parcel.id, header: header.clone(), signature: Some(*parcel.signature) };
        self.index_again(&event)?;
        if let Some(opened) = &parcel.body
            && !self.is_erased(header, &parcel.id)?
        {
            self.mend_key(parcel)?;
            let entity_key = self.entity_key(&header.entity)?;
            self.txn.put(Table::Body, &key, &sealed::seal_kept(&entity_key, &parcel.id, &opened.kept)?)?;
        }
        self.dirty.insert(header.entity);
        self.look_again(&header.entity)?;
        Ok(Ok(Kept { position, id: parcel.id, kind: header.kind, entity: header.entity, again: true }))
    }

    /// Where an event is that may be too damaged to be listed by its id. One that its author signed is not damaged, even if
    /// it has the same number.
    fn place_of(&self, parcel: &Verified<'_>) -> Result<Option<u64>, ReplicaError> {
        place_of(self.replica, self.txn.reading(), parcel)
    }

    /// A key that does not unwrap opens nothing. The copy's may be the very one; otherwise there is a new one, and what was
    /// sealed under the old one has to be put back too.
    fn mend_key(&mut self, parcel: &Verified<'_>) -> Result<(), ReplicaError> {
        let entity = &parcel.header.entity;
        let damaged = match self.txn.get(Table::Key, entity)? {
            Some(wrapped) => sealed::unwrap(&self.replica.keys, entity, wrapped).is_none(),
            None => false,
        };
        if !damaged {
            return Ok(());
        }
        self.forget_key(entity);
        match parcel.sealed {
            Some((wrapped, _)) if !self.has_tomb(entity)? => self.txn.put(Table::Key, entity, wrapped),
            _ => self.txn.delete(Table::Key, entity),
        }
    }
}
