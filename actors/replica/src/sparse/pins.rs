//! What never leaves. The person has said so to nobody else, so it is kept in the outbox, which outlives what is cached; in
//! the store it is kept beside each entity's uses, where it is looked for. When the store is opened it is made to say what the
//! outbox says: then a store that is new, or was cut off between the two, comes to know it.

use std::collections::BTreeSet;

use super::{
    SMALL, Sparse, SparseError,
    evict::touched,
    uses::{Known, Use, find},
};
use crate::{Damage, ReplicaError, engine::all, tables::Table};

/// Bytes of a row of uses and its place in the order, with their share of a page.
const ROW: u64 = 256;

/// Tells whose key the store is under.
const META_KEY: &[u8] = b"sparse key";

impl Sparse {
    /// From now on this never leaves, be it here or yet to come. Much of what is pinned leaves little room for the rest.
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

    /// Makes the store say what the outbox says.
    pub(super) fn pin_as_said(&mut self) -> Result<(), SparseError> {
        let said = self.outbox.pinned()?;
        let pinned = self.pinned()?;
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
        self.write(SMALL + ROW * entities.len() as u64, |batch| {
            let known = Known::get(batch.txn.reading())?;
            for entity in entities {
                let old = find(batch.txn.reading(), entity)?;
                if old.is_none() && !pinned {
                    continue;
                }
                let mut one = touched(old, &known, if pinned { now } else { 0 });
                one.pinned = pinned;
                batch.put_use(entity, Some(&one))?;
            }
            Ok(())
        })
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
