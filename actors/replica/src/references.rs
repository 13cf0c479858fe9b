//! What refers to what, in both directions, so that either question costs as much as its answer is long.
//!
//! An event refers to what its body names; a state refers to what its values name, as long as they do. A name is half as
//! long as the id of an event: an event is named by the first half of its id, an entity by its id, and what is kept once
//! under an identity (an attachment, an entry of the memory) by that.
//!
//! **Architecture Invariant:** nothing is read here but the two tables and the body that is handed in. What a name leads to
//! is for whoever asks: it may be erased, or not have come yet.

use std::{collections::BTreeSet, ops::Bound};

use crate::{
    Damage, Page, ReplicaError, Snapshot,
    body::{Body, Commit, Merge, OnBranch},
    body::{Granted, Right},
    engine::{keys, successor},
    log::Recorded,
    state::{Act, Value},
    tables::Table,
    write::Batch,
};

/// The most that one body is taken to refer to; what it names beyond them is not found by its name.
pub const MAX_REFERENCES: usize = 4096;

/// What is referred to; see the [module](self).
pub type Name = [u8; 16];

/// By what one thing refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// This event of it says so.
    Event([u8; 32]),
    /// Its state says so.
    State,
}

/// One thing refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The entity that refers.
    pub source: [u8; 16],
    /// By what.
    pub by: By,
    /// What is referred to.
    pub target: Name,
}

/// Bytes of [`By`] in a key: which, and the id of the event or zeros.
const BY: usize = 33;

impl By {
    fn key(self) -> [u8; BY] {
        let mut key = [0; BY];
        match self {
            By::Event(id) => key[1..].copy_from_slice(&id),
            By::State => key[0] = 1,
        }
        key
    }

    fn read(key: &[u8]) -> Option<By> {
        match key.split_first()? {
            (0, id) => id.try_into().ok().map(By::Event),
            (1, _) => Some(By::State),
            _ => None,
        }
    }
}

impl Reference {
    /// Its key in [`Table::Refers`].
    fn forth(&self) -> Vec<u8> {
        [&self.source[..], &self.by.key(), &self.target].concat()
    }

    /// Its key in [`Table::Reference`].
    fn back(&self) -> Vec<u8> {
        [&self.target[..], &self.source, &self.by.key()].concat()
    }

    fn read_forth(key: &[u8]) -> Result<Reference, Damage> {
        let read = || {
            let (source, rest) = key.split_first_chunk()?;
            let (by, target) = rest.split_last_chunk()?;
            Some(Reference { source: *source, by: By::read(by)?, target: *target })
        };
        read().ok_or(Damage::Record("references"))
    }

    fn read_back(key: &[u8]) -> Result<Reference, Damage> {
        let read = || {
            let (target, rest) = key.split_first_chunk()?;
            let (source, by) = rest.split_first_chunk()?;
            Some(Reference { source: *source, by: By::read(by)?, target: *target })
        };
        read().ok_or(Damage::Record("references"))
    }
}

/// What an event is named by.
pub fn name_of_event(id: &[u8; 32]) -> Name {
    std::array::from_fn(|index| id[index])
}

impl Body {
    /// What it refers to, at most [`MAX_REFERENCES`]. What it is about stands in its header and is not among them.
    pub fn references(&self) -> BTreeSet<Name> {
        let mut found = BTreeSet::new();
        let mut name = |name: Name| {
            if found.len() < MAX_REFERENCES {
                found.insert(name);
            }
        };
        match self {
            Body::Message(message) => message.attachments.iter().for_each(|attached| name(attached.id)),
            Body::Experience(made) => {
                name(made.conversation);
                made.traces.iter().for_each(|trace| name(name_of_event(&trace.0)));
            }
            Body::Bundle(bundle) => {
                name(bundle.conversation);
                bundle.items.iter().for_each(|item| name(item.id));
            }
            Body::Erase(erase) => name(erase.event.map_or(erase.entity, |event| name_of_event(&event))),
            Body::Change(change) => change.operations.iter().for_each(|operation| match &operation.act {
                Act::Set(value) | Act::Add(value) | Act::Insert(_, Some(value)) => value.names().into_iter().for_each(&mut name),
                Act::Insert(_, None)
                | Act::Clear
                | Act::Remove(_)
                | Act::Move(..)
                | Act::Delete(_)
                | Act::Increment(_)
                | Act::Text(_)
                | Act::Reviewed => {}
            }),
            Body::File(file) => of_version(file.branch, file.commit.as_ref()).for_each(name),
            Body::FileRemoved(removed) => of_version(removed.branch, removed.commit.as_ref()).for_each(name),
            Body::Branch(branch) => of_version(None, branch.commit.as_ref()).for_each(name),
            Body::Right(Right::Access(_, Granted::Entity(entity), _)) => name(*entity),
            Body::Conversation(_) | Body::Title(_) | Body::Trace(_) | Body::Attachment(_) | Body::Right(_) | Body::Unknown(_) => {
            }
        }
        found
    }

    /// What others may name the event with this body by: its id, and the identity under which it is kept once. A message has
    /// an identity too, which nothing refers to.
    pub fn names(&self, id: &[u8; 32]) -> Vec<Name> {
        let identity = match self {
            Body::Attachment(attachment) => attachment.id,
            Body::Experience(made) => Some(made.id),
            _ => None,
        };
        [Some(name_of_event(id)), identity].into_iter().flatten().collect()
    }
}

/// The versions that a version of a file was made of.
fn of_version(branch: Option<OnBranch>, commit: Option<&Commit>) -> impl Iterator<Item = Name> {
    let over = branch.and_then(|OnBranch { generation: _, over }| over);
    let merge = commit.and_then(|commit| commit.merge.as_ref());
    let [ours, theirs] = merge.map_or([None; 2], |Merge { ours, theirs, .. }| [*ours, *theirs]);
    [over, ours, theirs].into_iter().flatten().map(|id| name_of_event(&id))
}

impl Value {
    /// What it refers to.
    pub(crate) fn names(&self) -> Option<Name> {
        match self {
            Value::Reference(entity) => Some(*entity),
            Value::Event(id) => Some(name_of_event(id)),
            Value::Truth(_) | Value::Number(_) | Value::Fraction(_) | Value::Text(_) | Value::Bytes(_) => None,
        }
    }
}

impl Batch<'_> {
    /// Takes in what an event refers to.
    pub(crate) fn refer_by_event(&mut self, event: &Recorded, body: &Body) -> Result<(), ReplicaError> {
        let (source, by) = (event.header.entity, By::Event(event.id));
        body.references().into_iter().try_for_each(|target| self.add_reference(&Reference { source, by, target }))
    }

    /// Makes what the state of an entity refers to be this.
    pub(crate) fn refer_by_state(&mut self, source: [u8; 16], targets: &BTreeSet<Name>) -> Result<(), ReplicaError> {
        let by = By::State;
        let keys = keys(self.txn.reading(), Table::Refers, &[&source[..], &by.key()].concat())?;
        let before: BTreeSet<_> = keys.iter().map(|key| Reference::read_forth(key)).collect::<Result<_, _>>()?;
        let now: BTreeSet<_> = targets.iter().map(|target| Reference { source, by, target: *target }).collect();
        before.difference(&now).try_for_each(|reference| self.remove_reference(reference))?;
        now.difference(&before).try_for_each(|reference| self.add_reference(reference))
    }

    /// An entity refers to nothing. What cannot be read of it goes too.
    pub(crate) fn drop_references(&mut self, source: &[u8; 16]) -> Result<(), ReplicaError> {
        for key in keys(self.txn.reading(), Table::Refers, source)? {
            match Reference::read_forth(&key) {
                Ok(reference) => self.remove_reference(&reference)?,
                Err(_) => self.txn.delete(Table::Refers, &key)?,
            }
        }
        Ok(())
    }

    pub(crate) fn add_reference(&mut self, reference: &Reference) -> Result<(), ReplicaError> {
        self.txn.put(Table::Refers, &reference.forth(), &[])?;
        self.txn.put(Table::Reference, &reference.back(), &[])
    }

    fn remove_reference(&mut self, reference: &Reference) -> Result<(), ReplicaError> {
        self.txn.delete(Table::Refers, &reference.forth())?;
        self.txn.delete(Table::Reference, &reference.back())
    }
}

impl Snapshot<'_> {
    /// What refers to a thing, after one of them if that is given; `limit` at most. It costs as much as it finds.
    pub fn references_to(&self, target: &Name, after: Option<&Reference>, limit: usize) -> Result<Page<Reference>, ReplicaError> {
        self.references_at(Table::Reference, target, after.map(Reference::back), limit, Reference::read_back)
    }

    /// What an entity refers to, or one of its events or its state alone.
    pub fn references_from(
        &self,
        source: &[u8; 16],
        by: Option<By>,
        after: Option<&Reference>,
        limit: usize,
    ) -> Result<Page<Reference>, ReplicaError> {
        let begin = by.map_or(source.to_vec(), |by| [&source[..], &by.key()].concat());
        self.references_at(Table::Refers, &begin, after.map(Reference::forth), limit, Reference::read_forth)
    }

    /// What the events of an entity refer to, as they are in the tables.
    pub(crate) fn references_of_events(&self, source: &[u8; 16]) -> Result<BTreeSet<Reference>, ReplicaError> {
        let keys = keys(&*self.txn, Table::Refers, &[&source[..], &[0]].concat())?;
        Ok(keys.iter().map(|key| Reference::read_forth(key)).collect::<Result<_, _>>()?)
    }

    fn references_at(
        &self,
        table: Table,
        begin: &[u8],
        after: Option<Vec<u8>>,
        limit: usize,
        read: fn(&[u8]) -> Result<Reference, Damage>,
    ) -> Result<Page<Reference>, ReplicaError> {
        let end = successor(begin);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let from = match after.as_deref() {
            Some(after) if !after.starts_with(begin) => return Ok(Page { items: Vec::new(), more: false }),
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(begin),
        };
        let mut page = Page { items: Vec::new(), more: false };
        for row in self.txn.range(table, from, to)? {
            if page.items.len() == limit {
                page.more = true;
                break;
            }
            page.items.push(read(row?.0)?);
        }
        Ok(page)
    }
}
