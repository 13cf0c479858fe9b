//! Reading what is there at one moment.

use std::ops::Bound;

use crate::{
    Damage, Record, Recorded, Replica, ReplicaError, Walked,
    body::{Body, Content},
    engine::{Reading, Row, all, prefix, prefix_back},
    fold::{CONVERSATIONS, FILES},
    log,
    tables::Table,
    views::{self, Conversation, File},
};

/// What is there at one moment. See [`Replica::snapshot`].
pub struct Snapshot<'r> {
    pub(crate) replica: &'r Replica,
    pub(crate) txn: Box<dyn Reading + Send + 'r>,
}

/// The most that is given out in one piece, in bytes.
pub const MAX_WHOLE: u64 = 16 << 20;

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
        self.replica.view(&*self.txn, Table::Conversation, CONVERSATIONS, id)
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
        for row in self.txn.range_back(Table::Recent, Bound::Unbounded, upper)? {
            let id: [u8; 16] = *row?.0.last_chunk().ok_or(Damage::Record("recent conversations"))?;
            if page.items.len() == limit {
                page.more = true;
                break;
            }
            let view = self.conversation(&id)?.ok_or(Damage::Record("recent conversations"))?;
            page.items.push((id, view));
        }
        // The engine has no checksums: a page that says it has fewer rows than it has would make conversations disappear.
        if after.is_none() && !page.more && page.items.len() as u64 != self.txn.count(Table::Recent)? {
            return Err(Damage::Record("recent conversations").into());
        }
        Ok(page)
    }

    /// The messages of a conversation, oldest first. The page ends early where its bodies come to more than `bytes`.
    pub fn messages(&self, id: &[u8; 16], skip: usize, limit: usize, bytes: usize) -> Result<Page<Record>, ReplicaError> {
        let mut page = Page { items: Vec::new(), more: false };
        let mut total = 0;
        for row in prefix(&*self.txn, Table::Message, id)?.skip(skip) {
            if page.items.len() == limit || (total >= bytes && !page.items.is_empty()) {
                page.more = true;
                break;
            }
            let position = log::position(row?.0, "messages")?;
            let Some(record) = self.replica.record(&*self.txn, position)? else { continue };
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

    /// Messages of a conversation that were said about this time, oldest first: `limit` at most until then, and `limit` after
    /// it. Erased ones are left out, and those that cannot be read.
    pub fn messages_near(&self, id: &[u8; 16], clock: u64, limit: usize) -> Result<Vec<Record>, ReplicaError> {
        let then = [&id[..], &clock.saturating_add(1).to_be_bytes()].concat();
        let last = [&id[..], &[u8::MAX; 32]].concat();
        let place = |row: Row<'_>| log::position(row?.0, "messages");
        let before = self.txn.range_back(Table::Message, Bound::Included(id), Bound::Excluded(&then))?.take(limit);
        let mut places = before.map(place).collect::<Result<Vec<u64>, _>>()?;
        places.reverse();
        for row in self.txn.range(Table::Message, Bound::Included(&then), Bound::Included(&last))?.take(limit) {
            places.push(place(row)?);
        }
        let record = |place| log::readable(self.replica.record(&*self.txn, place)).map(Option::flatten);
        places.into_iter().map(record).filter_map(Result::transpose).collect()
    }

    /// The newest events of a kind, newest first, without those that cannot be read.
    pub fn newest(&self, kind: u16, limit: usize) -> Result<Vec<Record>, ReplicaError> {
        let mut records = Vec::new();
        for row in prefix_back(&*self.txn, Table::Kind, &kind.to_be_bytes())? {
            if records.len() == limit {
                break;
            }
            let position = log::position(row?.0, "kinds")?;
            records.extend(log::readable(self.replica.record(&*self.txn, position))?.flatten());
        }
        Ok(records)
    }

    /// What was kept once under an identity.
    pub fn once(&self, kind: u16, identity: &[u8; 16]) -> Result<Option<Record>, ReplicaError> {
        let key = [&kind.to_be_bytes()[..], identity].concat();
        let Some(value) = self.txn.get(Table::Once, &key)? else { return Ok(None) };
        let position = value.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(Damage::Record("identities"))?;
        self.replica.record(&*self.txn, position)
    }

    /// The content of a file.
    pub fn content(&self, entity: &[u8; 16]) -> Result<Option<Content>, ReplicaError> {
        let Some(file) = self.replica.view::<File>(&*self.txn, Table::File, FILES, entity)? else { return Ok(None) };
        if file.position == 0 {
            return Ok(None);
        }
        match self.replica.record(&*self.txn, file.position)? {
            Some(Record { body: Body::File(file), .. }) => Ok(Some(file.content())),
            _ => Ok(None),
        }
    }

    /// The content of a file in one piece, for what is known to be small: at most [`MAX_WHOLE`] bytes.
    pub fn file(&self, entity: &[u8; 16]) -> Result<Option<Vec<u8>>, ReplicaError> {
        match self.content(entity)? {
            None => Ok(None),
            Some(content) => self.whole(content).map(Some),
        }
    }

    /// The first bytes of content, `most` of them; what comes after them is not read.
    pub fn first_of(&self, content: Content, most: u64) -> Result<Vec<u8>, ReplicaError> {
        let blob = match content {
            Content::Blob(blob) if blob.length > most => blob,
            content => return self.whole(content),
        };
        let mut bytes = Vec::new();
        let mut reader = self.replica.read_blob(&blob, 0..most)?;
        while let Some(chunk) = reader.next_chunk()? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Content in one piece, at most [`MAX_WHOLE`] bytes.
    pub fn whole(&self, content: Content) -> Result<Vec<u8>, ReplicaError> {
        match content {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Blob(blob) if blob.length > MAX_WHOLE => Err(ReplicaError::Large(blob.length)),
            Content::Blob(blob) => {
                let mut bytes = Vec::new();
                let mut reader = self.replica.read_blob(&blob, 0..blob.length)?;
                while let Some(chunk) = reader.next_chunk()? {
                    bytes.extend_from_slice(&chunk);
                }
                Ok(bytes)
            }
        }
    }

    /// The files whose paths begin with `prefix`, by path, after the path `after`.
    ///
    /// Names are sealed, so this reads every file's view; that is a few microseconds for each.
    pub fn files(&self, prefix: &str, after: &str, limit: usize) -> Result<Page<File>, ReplicaError> {
        let mut files = Vec::new();
        for row in all(&*self.txn, Table::File)? {
            let (entity, bytes) = row?;
            let entity: &[u8; 16] = entity.try_into().map_err(|_| Damage::Record("files"))?;
            let file: File = views::open(&self.replica.keys, FILES, entity, bytes)?;
            if file.position != 0 && file.path.starts_with(prefix) && file.path.as_str() > after {
                files.push(file);
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let more = files.len() > limit;
        files.truncate(limit);
        Ok(Page { items: files, more })
    }

    /// Events after a place, oldest first; an error where one of them cannot be read. Whoever follows the log walks it, see
    /// [`Snapshot::walk`].
    pub fn after(&self, position: u64, limit: usize) -> Result<Vec<Recorded>, ReplicaError> {
        self.replica.after(&*self.txn, position, limit)
    }

    /// Events after a place, oldest first, with those passed over that cannot be read: one damaged header stops nobody.
    pub fn walk(&self, after: u64, limit: usize) -> Result<Walked, ReplicaError> {
        self.replica.walk(&*self.txn, after, limit)
    }

    /// Whether the event at a place still says something: it was not erased. What it says need not be readable.
    pub fn has_body(&self, position: u64) -> Result<bool, ReplicaError> {
        Ok(self.txn.get(Table::Body, &position.to_be_bytes())?.is_some())
    }

    /// Whether the event at a place is about this. The index tells, also of one whose header cannot be read.
    pub fn is_about(&self, position: u64, entity: &[u8; 16]) -> Result<bool, ReplicaError> {
        Ok(self.replica.places_of(&*self.txn, entity)?.contains(&position))
    }

    /// The event with this id.
    pub fn event(&self, id: &[u8; 32]) -> Result<Option<Recorded>, ReplicaError> {
        self.replica.find(&*self.txn, id)
    }

    /// Headers of this device's events that have no signature yet, oldest first. What it wrote under a key it has no
    /// longer stays unsigned. So does what is no longer what was written: a signature would make it look as if it were.
    pub fn unsigned(&self, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, ReplicaError> {
        let mut headers = Vec::new();
        for row in all(&*self.txn, Table::Unsigned)? {
            if headers.len() == limit {
                break;
            }
            let key = row?.0;
            let value = self.txn.get(Table::Event, key)?.ok_or(Damage::Record("events"))?;
            let position = log::position(key, "unsigned events")?;
            let bytes = log::header_bytes(value).unwrap_or_default();
            let is_ours = bytes.get(AUTHOR..AUTHOR + 32) == Some(&self.replica.keys.device[..]);
            if is_ours && self.replica.position_of(&*self.txn, blake3::hash(bytes).as_bytes())? == Some(position) {
                headers.push((position, bytes.to_vec()));
            }
        }
        Ok(headers)
    }

    /// How many events, how many of them unsigned, how many conversations.
    pub fn counts(&self) -> Result<(u64, u64, u64), ReplicaError> {
        let count = |table| self.txn.count(table);
        Ok((count(Table::Event)?, count(Table::Unsigned)?, count(Table::Conversation)?))
    }

    /// How much there is of everything.
    pub fn statistics(&self) -> Result<Statistics, ReplicaError> {
        let count = |table| self.txn.count(table);
        Ok(Statistics {
            events: count(Table::Event)?,
            bodies: count(Table::Body)?,
            unsigned: count(Table::Unsigned)?,
            unknown: count(Table::Unknown)?,
            authors: count(Table::Head)?,
            erasures: count(Table::Tomb)?,
            forks: count(Table::Fork)?,
            conversations: count(Table::Conversation)?,
            messages: count(Table::Message)?,
            files: count(Table::File)?,
            states: count(Table::State)?,
        })
    }
}

/// Where the author is in a header.
const AUTHOR: usize = 17;

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Events.
    pub events: u64,
    /// Those of them whose body is here.
    pub bodies: u64,
    /// Those without a signature.
    pub unsigned: u64,
    /// Those that are carried and not folded.
    pub unknown: u64,
    /// Authors.
    pub authors: u64,
    /// Events and entities that are erased, here or not.
    pub erasures: u64,
    /// Evidence of forks.
    pub forks: u64,
    /// Conversations.
    pub conversations: u64,
    /// Messages.
    pub messages: u64,
    /// Files, and what is left of those that were removed.
    pub files: u64,
    /// Entities that have a state.
    pub states: u64,
}
