//! Looking at single things without using them: what they are called, whether they are here, how much there is.

use std::collections::BTreeMap;

use super::{Entry, Sparse, SparseError, uses::find};
use crate::{
    Conversation, KindSize, ReplicaError, Snapshot, body::Body, chum::Id, engine::prefix_back, log::position, tables::Table,
};

/// A conversation, with how it is held.
pub(super) fn entry(snapshot: &Snapshot<'_>, id: [u8; 16], view: Conversation) -> Result<Entry, ReplicaError> {
    let one = find(&*snapshot.txn, &id)?;
    Ok(Entry { id, view, bare: one.is_none_or(|one| one.bare), pinned: one.is_some_and(|one| one.pinned) })
}

impl Sparse {
    /// A conversation as far as it is known here; `None` if nothing is.
    pub fn conversation(&self, id: &[u8; 16]) -> Result<Option<Entry>, SparseError> {
        let snapshot = self.replica.snapshot()?;
        let view = snapshot.conversation(id)?;
        Ok(view.map(|view| entry(&snapshot, *id, view)).transpose()?)
    }

    /// Goes down through the messages of a conversation as far as they are here, newest first, with the id that each has by
    /// itself and its clock, until `each` says that it is enough.
    pub fn newest_said(&self, conversation: &[u8; 16], mut each: impl FnMut([u8; 16], u64) -> bool) -> Result<(), SparseError> {
        let snapshot = self.replica.snapshot()?;
        for row in prefix_back(&*snapshot.txn, Table::Message, conversation)? {
            let place = position(row?.0, "messages")?;
            let Some(record) = snapshot.record(place)? else { continue };
            if let Body::Message(message) = record.body
                && !each(message.id, record.event.header.clock.0)
            {
                break;
            }
        }
        Ok(())
    }

    /// Whether an event has come, be it here or let go.
    pub fn has_come(&self, id: &Id) -> Result<bool, SparseError> {
        let txn = self.replica.read()?;
        Ok(txn.get(Table::Id, id)?.is_some() || txn.get(Table::Gone, id)?.is_some())
    }

    /// See [`Snapshot::add_up`].
    pub fn add_up(&self, after: u64, limit: usize, sizes: &mut BTreeMap<u16, KindSize>) -> Result<Option<u64>, SparseError> {
        Ok(self.replica.snapshot()?.add_up(after, limit, sizes)?)
    }

    /// The conversations of which anything is here, by number.
    pub fn conversation_count(&self) -> Result<u64, SparseError> {
        Ok(self.replica.read()?.count(Table::Conversation)?)
    }
}
