//! What manifests say of chunks: a name alone opens nothing and says nothing about what ought to be there.

use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
};

use super::{
    Blob,
    keys::{Made, Name},
    manifest::{self, Entry, TOP},
};
use crate::{Replica, ReplicaError, Table, body::WITH_BLOBS, engine::Reading, log};

/// Events whose manifests are read in one transaction.
const PAGE: usize = 256;

/// What was found of some chunks.
pub(crate) struct Named {
    /// Those that something names, and how it names them.
    pub(crate) found: HashMap<Name, (Made, Entry)>,
    /// Whether all that could name the rest was read. Where something is damaged, or of a kind that only a newer program
    /// knows, it may name them.
    pub(crate) complete: bool,
}

struct Search<'s> {
    replica: &'s Replica,
    wanted: &'s HashSet<Name>,
    lists: HashSet<Name>,
    named: Named,
}

impl Replica {
    /// Looks for these chunks in the manifests of all events, the newest first, until all are found.
    pub(crate) fn named_chunks(&self, wanted: &HashSet<Name>) -> Result<Named, ReplicaError> {
        let complete = self.read()?.count(Table::Unknown)? == 0;
        let named = Named { found: HashMap::new(), complete };
        let mut search = Search { replica: self, wanted, lists: HashSet::new(), named };
        for kind in WITH_BLOBS {
            let mut before = u64::MAX;
            while !search.is_done()
                && let Some(blobs) = search.blobs_before(*kind, &mut before)?
            {
                for blob in blobs {
                    match manifest::decode(&blob.entries, TOP) {
                        Some(entries) => search.walk(blob.levels, &entries)?,
                        None => search.named.complete = false,
                    }
                }
            }
        }
        Ok(search.named)
    }
}

impl Search<'_> {
    fn is_done(&self) -> bool {
        self.named.found.len() == self.wanted.len()
    }

    /// The blobs of some events of a kind, those before a place; `None` at the beginning.
    fn blobs_before(&mut self, kind: u16, before: &mut u64) -> Result<Option<Vec<Blob>>, ReplicaError> {
        let txn = self.replica.read()?;
        let positions = positions_before(&*txn, kind, *before)?;
        let Some(first) = positions.last() else { return Ok(None) };
        *before = *first;
        let mut blobs = Vec::new();
        for position in positions {
            match self.replica.record(&*txn, position) {
                Ok(record) => blobs.extend(record.and_then(|record| record.body.blob().cloned())),
                Err(ReplicaError::Damaged(_)) => self.named.complete = false,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(blobs))
    }

    fn walk(&mut self, levels: u8, entries: &[Entry]) -> Result<(), ReplicaError> {
        let made = if levels == 0 { Made::Leaf } else { Made::Node };
        for entry in entries {
            let name = self.replica.keys.blobs.name(&entry.digest);
            if self.wanted.contains(&name) {
                self.named.found.insert(name, (made, *entry));
            }
            if made == Made::Node && self.lists.insert(name) {
                match self.replica.list(entry) {
                    Ok(below) => self.walk(levels.saturating_sub(1), &below)?,
                    Err(ReplicaError::Damaged(_) | ReplicaError::Io(_)) => self.named.complete = false,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Places of events of a kind, newest first, those before a place.
fn positions_before(txn: &dyn Reading, kind: u16, before: u64) -> Result<Vec<u64>, ReplicaError> {
    let key = |position: u64| [&kind.to_be_bytes()[..], &position.to_be_bytes()].concat();
    let (lower, upper) = (key(0), key(before));
    let rows = txn.range_back(Table::Kind, Bound::Included(&lower), Bound::Excluded(&upper))?;
    rows.take(PAGE).map(|row| log::position(row?.0, "kinds")).collect()
}
