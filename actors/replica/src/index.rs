//! What whoever keeps an index beside the store needs of it: a seal for the index's files under a key of their own, and the
//! events to make it from. The index itself lives elsewhere; it can be thrown away and made again at any time.

use std::{ops::Bound, sync::Arc};

use zeroize::Zeroizing;

use crate::{Record, Replica, ReplicaError, StoreKeys, fold::FILES, log, read::Snapshot, sealed, tables::Table, views::File};

/// Seals the files of an index, without giving out the key.
#[derive(Clone)]
pub struct IndexSeal {
    keys: Arc<StoreKeys>,
}

impl IndexSeal {
    /// The name under which a file of the index lies on disk, which does not tell what it is called.
    pub fn name(&self, file: &str) -> [u8; 16] {
        self.keys.blind("index", &[file.as_bytes()])
    }

    /// Seals a block for this place in a file.
    pub fn seal(&self, place: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, ReplicaError> {
        sealed::seal(&self.keys.index, place, plain)
    }

    /// Opens a block; `None` if it is not what was sealed for this place.
    pub fn open(&self, place: &[&[u8]], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        sealed::open(&self.keys.index, place, sealed)
    }
}

impl Replica {
    /// The seal for the files of the index that lies beside this store.
    pub fn index_seal(&self) -> IndexSeal {
        IndexSeal { keys: Arc::clone(&self.keys) }
    }
}

impl Snapshot<'_> {
    /// The place of the newest event and its id; `None` in an empty store. Of one that is damaged it is what its bytes make,
    /// which is another as soon as it is mended.
    pub fn newest_event(&self) -> Result<Option<(u64, [u8; 32])>, ReplicaError> {
        let last = self.txn.range_back(Table::Event, Bound::Unbounded, Bound::Unbounded)?.next().transpose()?;
        let Some((key, value)) = last else { return Ok(None) };
        Ok(Some((log::position(key, "events")?, log::id_of(value))))
    }

    /// The id of the event at a place, as its bytes make it: see [`Snapshot::newest_event`]. `None` if there is none.
    pub fn id_at(&self, position: u64) -> Result<Option<[u8; 32]>, ReplicaError> {
        Ok(self.txn.get(Table::Event, &position.to_be_bytes())?.map(log::id_of))
    }

    /// The event at a place with what it says; `None` if there is none or it was erased.
    pub fn record(&self, position: u64) -> Result<Option<Record>, ReplicaError> {
        if self.txn.get(Table::Event, &position.to_be_bytes())?.is_none() {
            return Ok(None);
        }
        self.replica.record(&*self.txn, position)
    }

    /// A file of a volume as it stands; `None` if there never was one.
    pub fn file_view(&self, entity: &[u8; 16]) -> Result<Option<File>, ReplicaError> {
        self.replica.view(&*self.txn, Table::File, FILES, entity)
    }
}
