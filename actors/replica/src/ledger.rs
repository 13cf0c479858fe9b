//! Room for who follows the log and keeps what it found in it: rows of its own in a table of the store, written in the
//! one transaction that also says how far it came, so that a kill leaves nothing double and nothing out. They are derived
//! as views are: [`crate::Writer::rebuild`] drops them, and who follows begins again.
//!
//! What is in a row this file does not know. It must be ids, moments and numbers alone: rows are not sealed. Each has a
//! keyed digest, since the engine has no checksums, and one that is not what was written is
//! [`Damage::Record`]`(`[`LEDGER`]`)`.
//!
//! Who follows reads each event once, by its place. What an event says may come later than the event, in the same place; so
//! its entity is then listed to be looked at again.

use std::ops::Bound;

use crate::{
    Damage, ReplicaError, Snapshot, StoreKeys,
    engine::{Reading, Row, prefix},
    tables::Table,
    write::Batch,
};

/// How a damaged row is called.
pub const LEDGER: &str = "ledger";

/// A row: its key and its value.
pub type LedgerRow = (Vec<u8>, Vec<u8>);

/// Rows, as they are come by.
pub type LedgerRows<'s> = Box<dyn Iterator<Item = Result<LedgerRow, ReplicaError>> + 's>;

/// Bytes of a row's digest.
const DIGEST_LEN: usize = 16;

/// Before the key of a row.
const ROW: u8 = 0;
/// Before an entity that is to be looked at again.
const AGAIN: u8 = 1;

fn place(key: &[u8]) -> Vec<u8> {
    [&[ROW], key].concat()
}

fn digest(keys: &StoreKeys, key: &[u8], value: &[u8]) -> [u8; DIGEST_LEN] {
    keys.blind(LEDGER, &[key, value])
}

/// The value of a row as it was.
fn checked(keys: &StoreKeys, key: &[u8], kept: &[u8]) -> Result<Vec<u8>, ReplicaError> {
    let (found, value) = kept.split_first_chunk::<DIGEST_LEN>().ok_or(Damage::Record(LEDGER))?;
    if *found == digest(keys, key, value) { Ok(value.to_vec()) } else { Err(Damage::Record(LEDGER).into()) }
}

fn row(keys: &StoreKeys, txn: &dyn Reading, key: &[u8]) -> Result<Option<Vec<u8>>, ReplicaError> {
    txn.get(Table::Ledger, &place(key))?.map(|kept| checked(keys, key, kept)).transpose()
}

impl Snapshot<'_> {
    /// The value of a row.
    pub fn ledger_row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReplicaError> {
        row(&self.replica.keys, &*self.txn, key)
    }

    /// The rows from one key on and before another, in order.
    pub fn ledger_rows(&self, from: &[u8], to: &[u8]) -> Result<LedgerRows<'_>, ReplicaError> {
        let rows = self.txn.range(Table::Ledger, Bound::Included(&place(from)), Bound::Excluded(&place(to)))?;
        Ok(Box::new(rows.map(|row| self.read_row(row))))
    }

    /// The same in reverse.
    pub fn ledger_rows_back(&self, from: &[u8], to: &[u8]) -> Result<LedgerRows<'_>, ReplicaError> {
        let rows = self.txn.range_back(Table::Ledger, Bound::Included(&place(from)), Bound::Excluded(&place(to)))?;
        Ok(Box::new(rows.map(|row| self.read_row(row))))
    }

    fn read_row(&self, row: Row<'_>) -> Result<LedgerRow, ReplicaError> {
        let (place, kept) = row?;
        let key = place.get(1..).ok_or(Damage::Record(LEDGER))?;
        Ok((key.to_vec(), checked(&self.replica.keys, key, kept)?))
    }

    /// How many rows there are. It costs no more where there are many.
    pub fn ledger_count(&self) -> Result<u64, ReplicaError> {
        let again = prefix(&*self.txn, Table::Ledger, &[AGAIN])?.count() as u64;
        Ok(self.txn.count(Table::Ledger)?.saturating_sub(again))
    }

    /// Entities of which something was said since that was followed without it; `limit` of them.
    pub fn ledger_again(&self, limit: usize) -> Result<Vec<[u8; 16]>, ReplicaError> {
        let entity = |row: Row<'_>| Ok(row?.0.get(1..).and_then(|id| id.try_into().ok()).ok_or(Damage::Record(LEDGER))?);
        prefix(&*self.txn, Table::Ledger, &[AGAIN])?.take(limit).map(entity).collect()
    }
}

impl Batch<'_> {
    /// The value of a row.
    pub fn ledger_row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReplicaError> {
        row(&self.replica.keys, self.txn.reading(), key)
    }

    /// Sets the value of a row.
    pub fn put_ledger_row(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReplicaError> {
        let kept = [&digest(&self.replica.keys, key, value)[..], value].concat();
        self.txn.put(Table::Ledger, &place(key), &kept)
    }

    /// Overwrites the value of a row and removes the row; it need not be there.
    pub fn drop_ledger_row(&mut self, key: &[u8]) -> Result<(), ReplicaError> {
        self.wipe(Table::Ledger, &place(key)).map(drop)
    }

    /// An entity was looked at again.
    pub fn drop_ledger_again(&mut self, entity: &[u8; 16]) -> Result<(), ReplicaError> {
        self.txn.delete(Table::Ledger, &[&[AGAIN], &entity[..]].concat())
    }

    /// Removes all rows, so that all is followed anew.
    pub fn clear_ledger(&mut self) -> Result<(), ReplicaError> {
        self.txn.clear(Table::Ledger)
    }

    /// What was said of this entity came after its event. Where nobody follows nobody is told.
    pub(crate) fn look_again(&mut self, entity: &[u8; 16]) -> Result<(), ReplicaError> {
        if self.txn.count(Table::Ledger)? == 0 {
            return Ok(());
        }
        self.txn.put(Table::Ledger, &[&[AGAIN], &entity[..]].concat(), &[])
    }
}
