//! Erasing for good. An erasure is an event like others, so it reaches every store; it wins over whatever it meets,
//! before or after, and nothing takes it back. What it erases keeps its header and signature as a tombstone, so that
//! chains stay whole and stores agree on what there is; what it said is gone.
//!
//! Erased bodies are overwritten in their pages before they are removed, and so is the wrapped key of an entity that is
//! erased whole: without it nothing opens that was sealed under it. LMDB copies pages when it writes, so older copies of those pages lie on free pages until these are
//! taken again: [`crate::Writer::overwrite_free`] takes them all at once. What then may be left is an older version of a
//! sealed view (such as a title that was replaced before) in the unused part of a page that is in use; what a disk keeps
//! aside by itself; and copies elsewhere: backups, file system snapshots, other devices that were not reached.

use ipc::event::{Clock, EventHeader};

use crate::{
    Draft, Recorded, ReplicaError, Snapshot,
    body::{self, Body, ERASURES, Erase, RIGHTS},
    engine::Reading,
    log,
    tables::Table,
    write::{Batch, ERASED_DIGEST, once_key},
};

impl Draft {
    /// Erases one event.
    pub fn erase_event(entity: [u8; 16], event: [u8; 32]) -> Draft {
        Draft { entity: ERASURES, body: Body::Erase(Erase { entity, event: Some(event), until: None }), once: None }
    }

    /// Erases an entity: all its events there are and ever will be, or those up to a clock.
    pub fn erase_entity(entity: [u8; 16], until: Option<u64>) -> Draft {
        Draft { entity: ERASURES, body: Body::Erase(Erase { entity, event: None, until }), once: None }
    }
}

/// Whether events of this kind are erased by nothing: an erasure, which wins for good, and what was said about rights, for an
/// erasure of another device would bring back what was taken.
fn lasts(kind: u16) -> bool {
    matches!(kind, body::ERASE | body::RIGHT)
}

fn entity_tomb(entity: &[u8; 16]) -> Vec<u8> {
    [&[0][..], entity].concat()
}

fn event_tomb(id: &[u8; 32]) -> Vec<u8> {
    [&[1][..], id].concat()
}

impl Batch<'_> {
    /// Whether any erasure took of this entity.
    pub(crate) fn has_tomb(&self, entity: &[u8; 16]) -> Result<bool, ReplicaError> {
        Ok(self.txn.get(Table::Tomb, &entity_tomb(entity))?.is_some())
    }

    /// Whether an event of this entity, kind and clock is erased with its entity.
    pub(crate) fn is_entity_erased(&self, entity: &[u8; 16], kind: u16, clock: Clock) -> Result<bool, ReplicaError> {
        is_entity_erased(self.txn.reading(), entity, kind, clock)
    }

    /// Whether this event is erased, be it here or not yet.
    pub(crate) fn is_erased(&self, header: &EventHeader, id: &[u8; 32]) -> Result<bool, ReplicaError> {
        is_erased(self.txn.reading(), header, id)
    }

    /// Does what an erasure says, for what is here and for what may come.
    pub(crate) fn erase(&mut self, erase: &Erase) -> Result<(), ReplicaError> {
        match erase.event {
            Some(id) => {
                self.txn.put(Table::Tomb, &event_tomb(&id), &[])?;
                let Some(position) = self.replica.position_of(self.txn.reading(), &id)? else { return Ok(()) };
                // One whose header cannot be read is still listed under its id and what it is about.
                let event = log::readable(self.replica.event(self.txn.reading(), position))?;
                let entity = match &event {
                    Some(event) => Some(event.header.entity),
                    None => self.replica.entity_of(self.txn.reading(), position)?,
                };
                if !self.is_lasting(event.as_ref(), position)? && self.drop_body(position)? {
                    self.dirty.extend(entity);
                }
            }
            None if matches!(erase.entity, ERASURES | RIGHTS) => {}
            None => {
                let key = entity_tomb(&erase.entity);
                let before = self.txn.get(Table::Tomb, &key)?.map(|until| log::position(until, "erasures")).transpose()?;
                let until = erase.until.unwrap_or(u64::MAX).max(before.unwrap_or(0));
                self.txn.put(Table::Tomb, &key, &until.to_be_bytes())?;
                for (listed, position) in self.replica.clocks_of(self.txn.reading(), &erase.entity)? {
                    let event = log::readable(self.replica.event(self.txn.reading(), position))?;
                    let clock = event.as_ref().map_or(listed, Recorded::clock);
                    if clock.0 <= until && !self.is_lasting(event.as_ref(), position)? {
                        self.drop_body(position)?;
                    }
                }
                self.drop_key(&erase.entity)?;
                self.dirty.insert(erase.entity);
            }
        }
        Ok(())
    }

    /// Whether the event at a place is one that nothing erases.
    fn is_lasting(&self, event: Option<&Recorded>, position: u64) -> Result<bool, ReplicaError> {
        let txn = self.txn.reading();
        match event {
            Some(event) => Ok(lasts(event.header.kind)),
            None => {
                Ok(self.replica.is_of_kind(txn, position, body::ERASE)? || self.replica.is_of_kind(txn, position, body::RIGHT)?)
            }
        }
    }

    /// Removes what an event said; whether it said anything.
    fn drop_body(&mut self, position: u64) -> Result<bool, ReplicaError> {
        // What can still be read tells under which identity it was kept.
        if let Ok(Some(record)) = self.replica.record(self.txn.reading(), position)
            && let Some(identity) = record.body.identity(&record.event.header.entity)
        {
            let key = once_key(record.event.header.kind, &identity);
            if self.txn.get(Table::Once, &key)?.is_some_and(|value| value.starts_with(&position.to_be_bytes())) {
                self.txn.put(Table::Once, &key, &[&position.to_be_bytes()[..], &ERASED_DIGEST].concat())?;
            }
        }
        self.txn.delete(Table::Unknown, &position.to_be_bytes())?;
        self.wipe(Table::Body, &position.to_be_bytes())
    }

    /// Removes the key of an entity if nothing is sealed under it.
    fn drop_key(&mut self, entity: &[u8; 16]) -> Result<(), ReplicaError> {
        for position in self.replica.places_of(self.txn.reading(), entity)? {
            if self.txn.get(Table::Body, &position.to_be_bytes())?.is_some() {
                return Ok(());
            }
        }
        self.forget_key(entity);
        self.wipe(Table::Key, entity)?;
        Ok(())
    }

    /// Overwrites a value and removes it; whether it was there.
    pub(crate) fn wipe(&mut self, table: Table, key: &[u8]) -> Result<bool, ReplicaError> {
        let Some(length) = self.txn.get(table, key)?.map(<[u8]>::len) else { return Ok(false) };
        self.txn.put(table, key, &vec![0; length])?;
        self.txn.delete(table, key)?;
        Ok(true)
    }
}

impl Snapshot<'_> {
    /// How many events of an entity still say something.
    pub fn bodies_of(&self, entity: &[u8; 16]) -> Result<u64, ReplicaError> {
        let mut bodies = 0;
        for position in self.replica.places_of(&*self.txn, entity)? {
            bodies += u64::from(self.txn.get(Table::Body, &position.to_be_bytes())?.is_some());
        }
        Ok(bodies)
    }

    /// How many events of an entity cannot be read though they still say something: their headers, their seals or what is
    /// under these are damaged. They are erased like others.
    pub fn unreadable_of(&self, entity: &[u8; 16]) -> Result<u64, ReplicaError> {
        let mut unreadable = 0;
        for position in self.replica.places_of(&*self.txn, entity)? {
            let says = self.txn.get(Table::Body, &position.to_be_bytes())?.is_some();
            unreadable += u64::from(says && log::readable(self.replica.record(&*self.txn, position))?.is_none());
        }
        Ok(unreadable)
    }

    /// Whether an event is erased, or will be when it comes.
    pub fn is_erased(&self, header: &EventHeader, id: &[u8; 32]) -> Result<bool, ReplicaError> {
        is_erased(&*self.txn, header, id)
    }

    /// The last clock up to which an entity is erased: the greatest there is if it is so for good.
    pub fn erased_until(&self, entity: &[u8; 16]) -> Result<Option<Clock>, ReplicaError> {
        let until = self.txn.get(Table::Tomb, &entity_tomb(entity))?;
        until.map(|until| log::position(until, "erasures").map(Clock)).transpose()
    }

    /// Whether one event was erased by itself, be it here or not.
    pub fn is_event_erased(&self, id: &[u8; 32]) -> Result<bool, ReplicaError> {
        Ok(self.txn.get(Table::Tomb, &event_tomb(id))?.is_some())
    }
}

fn is_entity_erased(txn: &dyn Reading, entity: &[u8; 16], kind: u16, clock: Clock) -> Result<bool, ReplicaError> {
    if lasts(kind) || matches!(*entity, ERASURES | RIGHTS) {
        return Ok(false);
    }
    let Some(until) = txn.get(Table::Tomb, &entity_tomb(entity))? else { return Ok(false) };
    Ok(clock.0 <= log::position(until, "erasures")?)
}

fn is_erased(txn: &dyn Reading, header: &EventHeader, id: &[u8; 32]) -> Result<bool, ReplicaError> {
    let alone = !lasts(header.kind) && txn.get(Table::Tomb, &event_tomb(id))?.is_some();
    Ok(alone || is_entity_erased(txn, &header.entity, header.kind, header.clock)?)
}
