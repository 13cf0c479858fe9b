//! Reading files of volumes: how they stand now, and every version they ever had.
//!
//! A file is an entity, so the versions of a file are the events of that entity. Nothing here writes, and nothing here
//! knows what a path means.

use std::ops::Bound;

use crate::{
    Damage, Page, Recorded, ReplicaError, Snapshot,
    body::{self, Body},
    fold::FILES,
    log::{self, Record},
    tables::Table,
    views::{self, File},
};

/// A version of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The event that made it.
    pub event: Recorded,
    /// [`Body::File`] or [`Body::FileRemoved`]; `None` if it was erased.
    pub body: Option<Body>,
}

impl Snapshot<'_> {
    /// How files stand, in the order of their entities, after this one; removed ones too.
    pub fn file_views(&self, after: Option<&[u8; 16]>, limit: usize) -> Result<Vec<([u8; 16], File)>, ReplicaError> {
        let lower = after.map_or(Bound::Unbounded, |entity| Bound::Excluded(&entity[..]));
        let mut found = Vec::new();
        for row in self.txn.range(Table::File, lower, Bound::Unbounded)?.take(limit) {
            let (entity, bytes) = row?;
            let entity: [u8; 16] = entity.try_into().map_err(|_| Damage::Record("files"))?;
            found.push((entity, views::open(&self.replica.keys, FILES, &entity, bytes)?));
        }
        Ok(found)
    }

    /// The versions of a file, newest first by clock, before `(clock, position)` if that is given. The page ends early
    /// where the bodies come to more than `bytes`; what lies in chunks is not in a body.
    pub fn versions(
        &self,
        entity: &[u8; 16],
        before: Option<(u64, u64)>,
        limit: usize,
        bytes: usize,
    ) -> Result<Page<Version>, ReplicaError> {
        let last = [&entity[..], &[u8::MAX; 32]].concat();
        let before = before.map(|(clock, position)| self.version_key(entity, clock, position)).transpose()?;
        let upper = before.as_deref().map_or(Bound::Included(&last[..]), Bound::Excluded);
        let mut page = Page { items: Vec::new(), more: false };
        let mut total = 0;
        for row in self.txn.range_back(Table::Entity, Bound::Included(entity), upper)? {
            let position = log::position(row?.0, "entities")?;
            let event = self.replica.event(&*self.txn, position)?;
            if !matches!(event.header.kind, body::FILE | body::FILE_REMOVED) {
                continue;
            }
            if page.items.len() == limit || (total >= bytes && !page.items.is_empty()) {
                page.more = true;
                break;
            }
            total += event.header.body_len as usize;
            let body = self.replica.record(&*self.txn, position)?.map(|record| record.body);
            page.items.push(Version { event, body });
        }
        Ok(page)
    }

    /// Where a version stands among those of its file. Of a place that is none, everything before its clock.
    fn version_key(&self, entity: &[u8; 16], clock: u64, position: u64) -> Result<Vec<u8>, ReplicaError> {
        let begin = [&entity[..], &clock.to_be_bytes()].concat();
        if self.txn.get(Table::Event, &position.to_be_bytes())?.is_none() {
            return Ok(begin);
        }
        let author = self.replica.event(&*self.txn, position)?.header.author;
        Ok([&begin[..], &author[..16], &position.to_be_bytes()].concat())
    }

    /// The event with this id, and what it says unless that was erased.
    pub fn version(&self, id: &[u8; 32]) -> Result<Option<Version>, ReplicaError> {
        let Some(event) = self.event(id)? else { return Ok(None) };
        let body = self.replica.record(&*self.txn, event.position)?.map(|Record { body, .. }| body);
        Ok(Some(Version { event, body }))
    }
}
