//! What the store asks of a database: tables of ordered bytes, read as of one moment, written by one at a time, all of a
//! transaction or nothing of it, and on disk when [`Writing::commit`] returns.
//!
//! [`lmdb`] is the one that ships and the one file that names it. Tests put another in its place: one in memory, and one
//! that fails when told to. A transaction is a trait object: a call through it costs nanoseconds where a look-up costs
//! hundreds.

use std::{ops::Bound, path::Path, sync::Arc};

use crate::{ReplicaError, tables::Table};

mod lmdb;

/// One row.
pub type Row<'t> = Result<(&'t [u8], &'t [u8]), ReplicaError>;

/// Rows in the order of their keys, or in reverse.
pub type Rows<'t> = Box<dyn Iterator<Item = Row<'t>> + 't>;

/// How far overwriting is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overwritten {
    /// Bytes overwritten.
    pub bytes: u64,
    /// Transactions it took.
    pub rounds: u32,
    /// Pages after which it ends in any case.
    most: u64,
}

/// A database.
pub trait Engine: Send + Sync {
    /// What is there at this moment, for milliseconds: what it sees cannot be reused meanwhile.
    fn read(&self) -> Result<Box<dyn Reading + Send + '_>, ReplicaError>;

    /// The one writing transaction. Whoever comes second waits.
    fn write(&self) -> Result<Box<dyn Writing + '_>, ReplicaError>;

    /// Bytes on disk.
    fn bytes(&self) -> Result<u64, ReplicaError>;

    /// The most that [`Engine::bytes`] may come to.
    fn most(&self) -> u64;

    /// Puts a copy of everything beside it, under this name, and syncs it. One that is there already stays.
    fn copy(&self, name: &Path) -> Result<(), ReplicaError>;

    /// Removes such a copy; it need not be there.
    fn drop_copy(&self, name: &Path) -> Result<(), ReplicaError>;

    /// Overwrites what was removed and lies on pages that nothing has taken since. Returns the bytes overwritten.
    fn overwrite_free(&self) -> Result<u64, ReplicaError>;

    /// Overwrites some of that, in one short transaction, and adds up what was done; whether there is more to do. It is to
    /// be gone on with until there is not: pages that were filled are given back at the end.
    fn overwrite_some(&self, done: &mut Overwritten) -> Result<bool, ReplicaError> {
        done.bytes += self.overwrite_free()?;
        Ok(false)
    }
}

/// Reading as of one moment.
pub trait Reading {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, ReplicaError>;

    /// The rows between two keys, in order.
    fn range(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError>;

    /// The rows between two keys, in reverse.
    fn range_back(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows<'_>, ReplicaError>;

    /// How many rows there are, without counting them.
    fn count(&self, table: Table) -> Result<u64, ReplicaError>;

    /// Bytes that a table takes, what is unused of its pages included.
    fn size(&self, table: Table) -> Result<u64, ReplicaError>;
}

/// Writing. What is not committed never was.
pub trait Writing: Reading {
    /// Sets the value of a key.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError>;

    /// Sets the value of a key that comes after all others of its table.
    fn append(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), ReplicaError>;

    /// Removes a key; it need not be there.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), ReplicaError>;

    /// Removes all of a table.
    fn clear(&mut self, table: Table) -> Result<(), ReplicaError>;

    /// When this returns well, all of it is on disk and synced.
    fn commit(self: Box<Self>) -> Result<(), ReplicaError>;

    /// Itself, to be read from.
    fn reading(&self) -> &dyn Reading;
}

/// Opens the database that ships in this directory, or makes a new one in an empty directory. What is in it is nobody's
/// business but [`crate::Replica`]'s; this is for a database that stands before it, and for tests.
pub fn open(directory: &Path) -> Result<Arc<dyn Engine>, ReplicaError> {
    Ok(Arc::new(lmdb::Lmdb::open(directory)?))
}

/// The same, and its file never grows beyond `most` bytes, which must be a multiple of the machine's page; a transaction
/// that would need more fails with [`ReplicaError::MapFull`] and changes nothing. No copy is made of it. A file that is
/// longer already stays so long; see [`compact`].
pub fn open_within(directory: &Path, most: u64) -> Result<Arc<dyn Engine>, ReplicaError> {
    let most = usize::try_from(most).map_err(|_| ReplicaError::Engine("more than there are addresses".to_owned()))?;
    Ok(Arc::new(lmdb::Lmdb::open_within(directory, most)?))
}

/// Makes the file of a database that nobody has open as short as what is in it. While it works there are two of it.
pub(crate) fn compact(directory: &Path) -> Result<(), ReplicaError> {
    lmdb::compact(directory)
}

/// The rows whose keys begin with `prefix`, in order.
pub(crate) fn prefix<'t>(txn: &'t dyn Reading, table: Table, prefix: &[u8]) -> Result<Rows<'t>, ReplicaError> {
    let end = successor(prefix);
    txn.range(table, Bound::Included(prefix), end.as_deref().map_or(Bound::Unbounded, Bound::Excluded))
}

/// The rows whose keys begin with `prefix`, in reverse.
pub(crate) fn prefix_back<'t>(txn: &'t dyn Reading, table: Table, prefix: &[u8]) -> Result<Rows<'t>, ReplicaError> {
    let end = successor(prefix);
    txn.range_back(table, Bound::Included(prefix), end.as_deref().map_or(Bound::Unbounded, Bound::Excluded))
}

/// All rows of a table.
pub(crate) fn all(txn: &dyn Reading, table: Table) -> Result<Rows<'_>, ReplicaError> {
    txn.range(table, Bound::Unbounded, Bound::Unbounded)
}

/// The keys whose rows begin with `prefix`, to be written over while they are looked at.
pub(crate) fn keys(txn: &dyn Reading, table: Table, begin: &[u8]) -> Result<Vec<Vec<u8>>, ReplicaError> {
    prefix(txn, table, begin)?.map(|row| Ok(row?.0.to_vec())).collect()
}

/// The first key after all that begin with `prefix`; `None` if there is none.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn a_prefix_ends_where_the_next_begins() {
        assert_eq!(successor(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(successor(&[1, 0xff]), Some(vec![2]));
        assert_eq!(successor(&[0xff, 0xff]), None);
        assert_eq!(successor(&[]), None);
    }
}
