//! What is damaged in the log while views and indexes are made anew: it must not look afterwards as if it had never been.
//! An event whose header cannot be read keeps the rows that led to it, and a thing with an event that says nothing any more
//! keeps its views where these are as new as what can still be folded: they may be all that tells what it said.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::AT_ONCE;
use crate::{
    Replica, ReplicaError,
    branches::Branch,
    engine::{Reading, all, keys},
    fold::{BRANCHES, CONVERSATIONS, FILES, STATES},
    log::{self, Recorded},
    parcel::is_signed,
    state::State,
    tables::Table,
    views::{Conversation, File},
    write::{Batch, HEAD},
};

/// Indexes whose rows name a place at the end of their keys.
const PLACE_IN_KEY: [Table; 3] = [Table::Entity, Table::Kind, Table::Message];
/// Indexes whose rows name a place in their values.
const PLACE_IN_VALUE: [Table; 3] = [Table::Id, Table::Sequence, Table::Time];
/// Views that tell what an event said.
const TELLING: [Table; 4] = [Table::Conversation, Table::File, Table::Branch, Table::State];

/// A row of a table.
type Kept = (Table, Vec<u8>, Vec<u8>);

/// What is damaged.
#[derive(Default)]
pub(super) struct Damaged {
    /// Places of events whose headers are not what their ids were made of.
    pub(super) lost: BTreeSet<u64>,
    /// Things of which an event is damaged.
    pub(super) entities: BTreeSet<[u8; 16]>,
}

impl Damaged {
    /// Looks at all events, in snapshots that do not last.
    pub(super) fn find(replica: &Replica) -> Result<Damaged, ReplicaError> {
        let mut damaged = Damaged::default();
        let mut last = Some(0);
        while let Some(after) = last {
            last = damaged.look(replica, after)?;
        }
        if !damaged.lost.is_empty() {
            let txn = replica.read()?;
            for row in all(&*txn, Table::Entity)? {
                let key = row?.0;
                if damaged.lost.contains(&log::position(key, "entities")?) {
                    damaged.entities.extend(key.first_chunk::<16>());
                }
            }
        }
        Ok(damaged)
    }

    fn look(&mut self, replica: &Replica, after: u64) -> Result<Option<u64>, ReplicaError> {
        let txn = replica.read()?;
        let from = after.saturating_add(1).to_be_bytes();
        let mut last = None;
        for row in txn.range(Table::Event, Bound::Included(&from), Bound::Unbounded)?.take(AT_ONCE) {
            let (key, value) = row?;
            let position = log::position(key, "events")?;
            last = Some(position);
            let Ok(event) = Recorded::read(position, value) else {
                self.lost.insert(position);
                continue;
            };
            match replica.record(&*txn, position) {
                // What it says is sealed for its id, so its header is what it was.
                Ok(Some(_)) => {}
                Ok(None) if event.signature.is_none() || is_whole(replica, &*txn, &event)? => {}
                Err(ReplicaError::Damaged(_)) if is_whole(replica, &*txn, &event)? => {
                    self.entities.insert(event.header.entity);
                }
                Ok(None) | Err(ReplicaError::Damaged(_)) => {
                    self.lost.insert(position);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(last)
    }

    /// The rows that are to stay though their tables are emptied.
    pub(super) fn rows(&self, replica: &Replica, txn: &dyn Reading) -> Result<Vec<Kept>, ReplicaError> {
        let mut rows = Vec::new();
        for entity in &self.entities {
            for table in TELLING {
                if opens(replica, txn, table, entity)
                    && let Some(view) = txn.get(table, entity)?
                {
                    rows.push((table, entity.to_vec(), view.to_vec()));
                }
            }
        }
        if self.lost.is_empty() {
            return Ok(rows);
        }
        let is_lost = |place: &[u8]| place.last_chunk::<8>().is_some_and(|place| self.lost.contains(&u64::from_be_bytes(*place)));
        for table in PLACE_IN_KEY.into_iter().chain(PLACE_IN_VALUE) {
            for row in all(txn, table)? {
                let (key, value) = row?;
                if is_lost(if PLACE_IN_KEY.contains(&table) { key } else { value }) {
                    rows.push((table, key.to_vec(), value.to_vec()));
                }
            }
        }
        let ids: BTreeSet<Vec<u8>> = rows.iter().filter(|(table, ..)| *table == Table::Id).map(|(_, id, _)| id.clone()).collect();
        for entity in &self.entities {
            for key in keys(txn, Table::Tip, entity)? {
                if ids.contains(&key[16..]) && txn.get(Table::Tip, &key)? == Some(&[HEAD]) {
                    rows.push((Table::Tip, key, vec![HEAD]));
                }
            }
        }
        Ok(rows)
    }
}

fn opens(replica: &Replica, txn: &dyn Reading, table: Table, entity: &[u8; 16]) -> bool {
    match table {
        Table::Conversation => replica.view::<Conversation>(txn, table, CONVERSATIONS, entity).is_ok(),
        Table::File => replica.view::<File>(txn, table, FILES, entity).is_ok(),
        Table::Branch => replica.view::<Branch>(txn, table, BRANCHES, entity).is_ok(),
        _ => replica.view::<State>(txn, table, STATES, entity).is_ok(),
    }
}

/// Whether a header is what its id was made of: it is listed under that id, or its author signed it.
fn is_whole(replica: &Replica, txn: &dyn Reading, event: &Recorded) -> Result<bool, ReplicaError> {
    let listed = replica.position_of(txn, &event.id)? == Some(event.position);
    Ok(listed || event.signature.is_some_and(|signature| is_signed(&event.header.author, &event.id, &signature)))
}

/// The keys under which messages are listed that are not to be lost, by their conversations.
pub(super) fn listed(rows: &[Kept]) -> BTreeMap<[u8; 16], Vec<Vec<u8>>> {
    let mut listed: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (_, key, _) in rows.iter().filter(|(table, ..)| *table == Table::Message) {
        if let Some(entity) = key.first_chunk::<16>() {
            listed.entry(*entity).or_default().push(key.clone());
        }
    }
    listed
}

impl Batch<'_> {
    /// Folds a thing of which an event is damaged. The views that are there stay where nothing newer can be folded.
    pub(super) fn refold_damaged(&mut self, entity: &[u8; 16], listed: &[Vec<u8>]) -> Result<(), ReplicaError> {
        let conversation: Option<Conversation> = self.there(Table::Conversation, CONVERSATIONS, entity);
        let file: Option<File> = self.there(Table::File, FILES, entity);
        let branch: Option<Branch> = self.there(Table::Branch, BRANCHES, entity);
        let state: Option<State> = self.there(Table::State, STATES, entity);
        self.refold(entity)?;
        if let Some(before) = conversation {
            let folded: Option<Conversation> = self.there(Table::Conversation, CONVERSATIONS, entity);
            let folded = folded.unwrap_or_default();
            if folded.changed <= before.changed {
                if folded.changed != 0 {
                    self.take_out_of_recent(entity, folded.changed)?;
                }
                self.put_conversation(entity, &before)?;
            }
        }
        if let Some(before) = file {
            let folded: File = self.there(Table::File, FILES, entity).unwrap_or_default();
            if (folded.changed, folded.author) <= (before.changed, before.author) {
                self.put_view(Table::File, FILES, entity, &before)?;
            }
        }
        if let Some(before) = branch {
            self.put_view(Table::Branch, BRANCHES, entity, &before)?;
        }
        if let Some(before) = state {
            let folded: Option<State> = self.there(Table::State, STATES, entity);
            if folded.is_none_or(|folded| folded.last <= before.last) {
                self.put_state(entity, &before)?;
            }
        }
        listed.iter().try_for_each(|key| self.txn.put(Table::Message, key, &[]))
    }

    /// A view, if there is one that opens.
    fn there<V: for<'b> minicbor::Decode<'b, ()>>(&self, table: Table, name: &'static str, entity: &[u8; 16]) -> Option<V> {
        self.replica.view(self.txn.reading(), table, name, entity).ok().flatten()
    }
}
