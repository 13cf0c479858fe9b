//! What is to stay, as far as it keeps to its share of the room: [`evict`](super::evict) says what becomes of the rest. A pin is
//! a wish, and putting or removing one needs no room that could be missing. The person has said so to nobody else, so it is kept in the outbox, which outlives what is cached; in
//! the store it is kept beside each entity's uses, where it is looked for. When the store is opened it is made to say what the
//! outbox says: then a store that is new, or was cut off between the two, comes to know it.

use std::collections::BTreeSet;

use super::{
    SMALL, Sparse, SparseError,
    evict::{AROUND, body_bytes, touched},
    profile,
    uses::{Known, PINNED_BARE_CLASS, PINNED_CLASS, Use, find},
};
use crate::{
    Batch, Damage, ReplicaError,
    engine::{Reading, all, prefix},
    log::position,
    tables::Table,
};

/// Bytes of a row of uses and its place in the order, with their share of a page.
const ROW: u64 = 256;

/// Tells whose key the store is under.
const META_KEY: &[u8] = b"sparse key";

/// What is pinned, and how much of it is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Things that are pinned.
    pub count: u64,
    /// Bytes of them that are here, about.
    pub bytes: u64,
    /// Bytes that stay in any case. What is beyond leaves when something else needs the room.
    pub share: u64,
    /// Things of which some had to leave for want of room, and is not here.
    pub cut: u64,
}

impl Sparse {
    /// From now on this stays before all that is not pinned, be it here or yet to come; see [`Pins::share`].
    pub fn pin(&mut self, entity: &[u8; 16]) -> Result<(), SparseError> {
        self.set_pinned(entity, true)
    }

    /// It may leave again.
    pub fn unpin(&mut self, entity: &[u8; 16]) -> Result<(), SparseError> {
        self.set_pinned(entity, false)
    }

    fn set_pinned(&mut self, entity: &[u8; 16], pinned: bool) -> Result<(), SparseError> {
        let was = find(&*self.replica.read()?, entity)?.is_some_and(|one| one.pinned);
        self.put_pinned(&BTreeSet::from([*entity]), pinned)?;
        // Last, because it is what counts.
        if let Err(error) = self.outbox.set_pinned(entity, pinned) {
            self.put_pinned(&BTreeSet::from([*entity]), was)?;
            return Err(error.into());
        }
        Ok(())
    }

    /// What is pinned, and how much of it is here. It looks at every event of that.
    pub fn pins(&self) -> Result<Pins, SparseError> {
        let txn = self.replica.read()?;
        let listed = listed(&*txn)?;
        let mut pins = Pins { count: listed.len() as u64, share: profile::pinned(self.capacity()), ..Pins::default() };
        for entity in &listed {
            let Some(one) = find(&*txn, entity)? else { continue };
            pins.cut += u64::from(one.cut && one.known_from() > 0);
            if !one.bare {
                pins.bytes += bytes_of(&*txn, entity)?;
            }
        }
        Ok(pins)
    }

    /// Bytes by which what is pinned is beyond its share.
    pub(super) fn pinned_beyond(&self) -> Result<u64, SparseError> {
        let pins = self.pins()?;
        Ok(pins.bytes.saturating_sub(pins.share))
    }

    /// Makes the store say what the outbox says.
    pub(super) fn pin_as_said(&mut self) -> Result<(), SparseError> {
        let said = self.outbox.pinned()?;
        let mut pinned = self.pinned()?;
        // A program before this one did not list what is pinned among what leaves.
        let listed: BTreeSet<_> = listed(&*self.replica.read()?)?.into_iter().collect();
        pinned.retain(|entity| listed.contains(entity) || !said.contains(entity));
        for (entities, pinned) in [(&said - &pinned, true), (&pinned - &said, false)] {
            if !entities.is_empty() {
                self.put_pinned(&entities, pinned)?;
            }
        }
        Ok(())
    }

    fn pinned(&self) -> Result<BTreeSet<[u8; 16]>, ReplicaError> {
        let txn = self.replica.read()?;
        let mut pinned = BTreeSet::new();
        for row in all(&*txn, Table::Use)? {
            let (entity, value) = row?;
            if Use::read(value)?.pinned {
                pinned.insert(entity.try_into().map_err(|_| Damage::Record("uses"))?);
            }
        }
        Ok(pinned)
    }

    fn put_pinned(&mut self, entities: &BTreeSet<[u8; 16]>, pinned: bool) -> Result<(), SparseError> {
        let now = self.replica.wall.millis();
        let work = |batch: &mut Batch<'_>| {
            let known = Known::get(batch.txn.reading())?;
            for entity in entities {
                let old = find(batch.txn.reading(), entity)?;
                if old.is_none() && !pinned {
                    continue;
                }
                let mut one = touched(old, &known, if pinned { now } else { 0 });
                one.pinned = pinned;
                one.cut &= pinned;
                batch.put_use(entity, Some(&one))?;
            }
            Ok(())
        };
        match self.write(SMALL + ROW * entities.len() as u64, work) {
            // What can make room is not refused for want of it: so little finds its place in what is kept free.
            Err(SparseError::Full { .. }) => Ok(self.write_pending(work)?),
            done => done,
        }
    }

    /// Refuses a store under another key: nothing in it could be opened.
    pub(super) fn own_key(&mut self) -> Result<(), SparseError> {
        let name = self.replica.keys.blind("sparse", &[]);
        let found = self.replica.read()?.get(Table::Meta, META_KEY)?.map(|found| found == name);
        match found {
            Some(true) => Ok(()),
            Some(false) => Err(ReplicaError::OtherSpace.into()),
            None => self.write(SMALL, |batch| batch.txn.put(Table::Meta, META_KEY, &name)),
        }
    }
}

/// All that is pinned, what has content first and of that the least recently used.
pub(super) fn listed(txn: &dyn Reading) -> Result<Vec<[u8; 16]>, ReplicaError> {
    let mut listed = Vec::new();
    for class in [PINNED_CLASS, PINNED_BARE_CLASS] {
        for row in prefix(txn, Table::Least, &[class])? {
            listed.push(row?.0.last_chunk::<16>().copied().ok_or(Damage::Record("uses"))?);
        }
    }
    Ok(listed)
}

/// Bytes that the events of an entity take, about, counted as they are when they leave.
fn bytes_of(txn: &dyn Reading, entity: &[u8; 16]) -> Result<u64, ReplicaError> {
    let mut bytes = 0;
    for row in prefix(txn, Table::Entity, entity)? {
        let body = txn.get(Table::Body, &position(row?.0, "entities")?.to_be_bytes())?;
        bytes += AROUND + body.map_or(0, |body| body_bytes(body.len() as u64));
    }
    Ok(bytes)
}
