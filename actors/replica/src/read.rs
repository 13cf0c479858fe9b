//! Reading what is there at one moment.

use std::ops::Bound;

use heed::{RoTxn, WithoutTls};

use crate::{
    Damage, Record, Recorded, Replica, ReplicaError,
    body::Body,
    log,
    views::{self, Conversation, File},
};

/// What is there at one moment. See [`Replica::snapshot`].
pub struct Snapshot<'r> {
    pub(crate) replica: &'r Replica,
    pub(crate) txn: RoTxn<'r, WithoutTls>,
}

/// Some of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// These.
    pub items: Vec<T>,
    /// There are more.
    pub more: bool,
}

impl Snapshot<'_> {
    /// A conversation.
    pub fn conversation(&self, id: &[u8; 16]) -> Result<Option<Conversation>, ReplicaError> {
        let bytes = self.replica.tables.conversation.get(&self.txn, id)?;
        bytes.map(|bytes| views::open(&self.replica.keys, "conversations", id, bytes)).transpose()
    }

    /// The conversations, newest change first, after `(clock, id)` if that is given.
    pub fn conversations(
        &self,
        after: Option<(u64, [u8; 16])>,
        limit: usize,
    ) -> Result<Page<([u8; 16], Conversation)>, ReplicaError> {
        let before = after.map(|(clock, id)| [&clock.to_be_bytes()[..], &id].concat());
        let upper = before.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = Page { items: Vec::new(), more: false };
        for entry in
            self.replica.tables.recent.rev_range::<(Bound<&[u8]>, Bound<&[u8]>)>(&self.txn, &(Bound::Unbounded, upper))?
        {
            let id: [u8; 16] = *entry?.0.last_chunk().ok_or(Damage::Record("recent conversations"))?;
            if page.items.len() == limit {
                page.more = true;
                break;
            }
            let view = self.conversation(&id)?.ok_or(Damage::Record("recent conversations"))?;
            page.items.push((id, view));
        }
        Ok(page)
    }

    /// The messages of a conversation, oldest first. The page ends early where its bodies come to more than `bytes`.
    pub fn messages(&self, id: &[u8; 16], skip: usize, limit: usize, bytes: usize) -> Result<Page<Record>, ReplicaError> {
        let mut page = Page { items: Vec::new(), more: false };
        let mut total = 0;
        for entry in self.replica.tables.message.prefix_iter(&self.txn, id)?.skip(skip) {
            if page.items.len() == limit || (total >= bytes && !page.items.is_empty()) {
                page.more = true;
                break;
            }
            let position =
                entry?.0.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(Damage::Record("messages"))?;
            let Some(record) = self.replica.record(&self.txn, position)? else { continue };
            let length = record.event.header.body_len as usize;
            if total + length > bytes && !page.items.is_empty() {
                page.more = true;
                break;
            }
            total += length;
            page.items.push(record);
        }
        Ok(page)
    }

    /// The newest events of a kind, newest first.
    pub fn newest(&self, kind: u16, limit: usize) -> Result<Vec<Record>, ReplicaError> {
        let mut records = Vec::new();
        for entry in self.replica.tables.kind.rev_prefix_iter(&self.txn, &kind.to_be_bytes())? {
            if records.len() == limit {
                break;
            }
            let position = entry?.0.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(Damage::Record("kinds"))?;
            records.extend(self.replica.record(&self.txn, position)?);
        }
        Ok(records)
    }

    /// What was kept once under an identity.
    pub fn once(&self, kind: u16, identity: &[u8; 16]) -> Result<Option<Record>, ReplicaError> {
        let key = [&kind.to_be_bytes()[..], identity].concat();
        let Some(value) = self.replica.tables.once.get(&self.txn, &key)? else { return Ok(None) };
        let position = value.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(Damage::Record("identities"))?;
        self.replica.record(&self.txn, position)
    }

    /// The content of a file.
    pub fn file(&self, entity: &[u8; 16]) -> Result<Option<Vec<u8>>, ReplicaError> {
        let Some(bytes) = self.replica.tables.file.get(&self.txn, entity)? else { return Ok(None) };
        let file: File = views::open(&self.replica.keys, "files", entity, bytes)?;
        if file.position == 0 {
            return Ok(None);
        }
        match self.replica.record(&self.txn, file.position)? {
            Some(Record { body: Body::File(file), .. }) => Ok(Some(file.bytes)),
            _ => Ok(None),
        }
    }

    /// The files whose paths begin with `prefix`, by path, after the path `after`.
    ///
    /// Names are sealed, so this reads every file's view; that is a few microseconds for each.
    pub fn files(&self, prefix: &str, after: &str, limit: usize) -> Result<Page<File>, ReplicaError> {
        let mut files = Vec::new();
        for entry in self.replica.tables.file.iter(&self.txn)? {
            let (entity, bytes) = entry?;
            let entity: &[u8; 16] = entity.try_into().map_err(|_| Damage::Record("files"))?;
            let file: File = views::open(&self.replica.keys, "files", entity, bytes)?;
            if file.position != 0 && file.path.starts_with(prefix) && file.path.as_str() > after {
                files.push(file);
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let more = files.len() > limit;
        files.truncate(limit);
        Ok(Page { items: files, more })
    }

    /// Events after a place, oldest first.
    pub fn after(&self, position: u64, limit: usize) -> Result<Vec<Recorded>, ReplicaError> {
        let from = position.saturating_add(1).to_be_bytes();
        let range: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(&from), Bound::Unbounded);
        let mut events = Vec::new();
        for entry in self.replica.tables.event.range(&self.txn, &range)?.take(limit) {
            let (key, value) = entry?;
            let position = u64::from_be_bytes(key.try_into().map_err(|_| Damage::Record("events"))?);
            events.push(Recorded::read(position, value)?);
        }
        Ok(events)
    }

    /// Headers of events that have no signature yet, oldest first.
    pub fn unsigned(&self, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, ReplicaError> {
        let mut headers = Vec::new();
        for entry in self.replica.tables.unsigned.iter(&self.txn)?.take(limit) {
            let key = entry?.0;
            let position = u64::from_be_bytes(key.try_into().map_err(|_| Damage::Record("unsigned events"))?);
            let value = self.replica.tables.event.get(&self.txn, key)?.ok_or(Damage::Record("events"))?;
            headers.push((position, log::header_bytes(value).ok_or(Damage::Record("events"))?.to_vec()));
        }
        Ok(headers)
    }

    /// How many events, how many of them unsigned, how many conversations.
    pub fn counts(&self) -> Result<(u64, u64, u64), ReplicaError> {
        let tables = &self.replica.tables;
        Ok((tables.event.len(&self.txn)?, tables.unsigned.len(&self.txn)?, tables.conversation.len(&self.txn)?))
    }
}
