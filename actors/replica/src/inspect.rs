//! Looking at the store itself: which events there are, and how much room they take. Numbers are counted, not estimated.
//!
//! It gives out headers, names of kinds and lengths. What is said in an event is given out elsewhere.

use std::{collections::BTreeMap, ops::Bound};

use crate::{
    AuthorHead, Damage, Recorded, Replica, ReplicaError, Snapshot,
    engine::{Row, all, prefix, prefix_back},
    log::{self, hex, position},
    tables::Table,
    write::Head,
};

/// Which events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those of a kind.
    Kind(u16),
    /// Those about this.
    Entity([u8; 16]),
}

/// An event and how its body lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The event.
    pub event: Recorded,
    /// Bytes of its sealed body; `None` if it was erased.
    pub sealed: Option<u64>,
}

/// Some events and how their bodies lie on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPage {
    /// Those that can be read.
    pub items: Vec<Listed>,
    /// How many were passed over because their headers cannot be read.
    pub damaged: usize,
    /// The place of the last that was looked at.
    pub last: Option<u64>,
    /// There are more.
    pub more: bool,
}

/// A table and its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub name: &'static str,
    /// Rows in it.
    pub entries: u64,
    /// Bytes of all its pages.
    pub bytes: u64,
}

/// The events of one kind and their room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSize {
    /// Events.
    pub events: u64,
    /// Of those, without a signature.
    pub unsigned: u64,
    /// Of those, erased.
    pub erased: u64,
    /// Bytes of their bodies as they were said.
    pub plain: u64,
    /// Bytes of their bodies as they lie on disk, compressed and sealed.
    pub sealed: u64,
}

/// The room of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of the database file.
    pub file: u64,
    /// The most the file may grow to.
    pub reserved: u64,
}

/// What begins with some digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beginning {
    /// Ids of events.
    pub events: Vec<[u8; 32]>,
    /// What events are about.
    pub entities: Vec<[u8; 16]>,
}

impl Snapshot<'_> {
    /// Events, newest first by their place, before a place if that is not 0. Those of one entity come by their clocks, and
    /// `before` is then how many to leave out.
    pub fn listed(&self, which: Which, before: u64, limit: usize) -> Result<ListedPage, ReplicaError> {
        let upper = if before == 0 { u64::MAX } else { before.saturating_sub(1) }.to_be_bytes();
        let (rows, what, skip) = match which {
            Which::All => (self.txn.range_back(Table::Event, Bound::Unbounded, Bound::Included(&upper))?, "events", 0),
            Which::Kind(kind) => {
                let (from, to) = ([&kind.to_be_bytes()[..], &[0; 8]].concat(), [&kind.to_be_bytes()[..], &upper].concat());
                (self.txn.range_back(Table::Kind, Bound::Included(&from), Bound::Included(&to))?, "kinds", 0)
            }
            Which::Entity(entity) => {
                let skip = usize::try_from(before).unwrap_or(usize::MAX);
                (prefix_back(&*self.txn, Table::Entity, &entity)?, "entities", skip)
            }
        };
        let mut positions = Vec::new();
        for row in rows.skip(skip).take(limit + 1) {
            positions.push(position(row?.0, what)?);
        }
        let more = positions.len() > limit;
        positions.truncate(limit);
        let mut page = ListedPage { items: Vec::new(), damaged: 0, last: positions.last().copied(), more };
        for position in positions {
            match log::readable(self.replica.event(&*self.txn, position))? {
                Some(event) => page.items.push(self.listed_as(event)?),
                None => page.damaged += 1,
            }
        }
        Ok(page)
    }

    /// Events of a kind after a place, the oldest first, without those whose headers cannot be read.
    pub fn of_kind(&self, kind: u16, after: u64, limit: usize) -> Result<Vec<Listed>, ReplicaError> {
        let key = |position: u64| [&kind.to_be_bytes()[..], &position.to_be_bytes()].concat();
        let (from, to) = (key(after), key(u64::MAX));
        let rows = self.txn.range(Table::Kind, Bound::Excluded(&from), Bound::Included(&to))?;
        let listed = |row: Row<'_>| self.listed_at(position(row?.0, "kinds")?);
        rows.map(listed).filter_map(Result::transpose).take(limit).collect()
    }

    /// The events of an entity, by their clocks, without those whose headers cannot be read.
    pub fn of_entity<'s>(
        &'s self,
        entity: &[u8; 16],
    ) -> Result<impl Iterator<Item = Result<Listed, ReplicaError>> + use<'s>, ReplicaError> {
        let rows = prefix(&*self.txn, Table::Entity, entity)?;
        Ok(rows.map(|row| self.listed_at(position(row?.0, "entities")?)).filter_map(Result::transpose))
    }

    /// The event at a place, unless its header cannot be read.
    fn listed_at(&self, position: u64) -> Result<Option<Listed>, ReplicaError> {
        log::readable(self.replica.event(&*self.txn, position))?.map(|event| self.listed_as(event)).transpose()
    }

    /// Ids of events that begin with these lower-case hexadecimal digits, at most `limit`.
    pub fn ids_beginning(&self, digits: &str, limit: usize) -> Result<Vec<[u8; 32]>, ReplicaError> {
        self.keys_beginning(Table::Id, digits, limit)
    }

    fn listed_as(&self, event: Recorded) -> Result<Listed, ReplicaError> {
        let sealed = self.txn.get(Table::Body, &event.position.to_be_bytes())?.map(|body| body.len() as u64);
        Ok(Listed { event, sealed })
    }

    /// The event with this id.
    pub fn listed_one(&self, id: &[u8; 32]) -> Result<Option<Listed>, ReplicaError> {
        self.event(id)?.map(|event| self.listed_as(event)).transpose()
    }

    /// Ids of events and entities that begin with these lower-case hexadecimal digits, at most `limit` of each.
    pub fn beginning(&self, digits: &str, limit: usize) -> Result<Beginning, ReplicaError> {
        // Every entity with an event has a key of its own, so that table has each of them once; those aside that were erased.
        let mut entities: Vec<[u8; 16]> = self.keys_beginning(Table::Key, digits, limit)?;
        for row in self.txn.range(Table::Tomb, Bound::Included(&[0]), Bound::Excluded(&[1]))? {
            let Some(Ok(entity)) = row?.0.get(1..).map(<[u8; 16]>::try_from) else { continue };
            let is_new = hex(&entity).starts_with(digits) && !entities.contains(&entity);
            if is_new && !digits.is_empty() && entities.len() < limit {
                entities.push(entity);
            }
        }
        Ok(Beginning { events: self.keys_beginning(Table::Id, digits, limit)?, entities })
    }

    fn keys_beginning<const N: usize>(&self, table: Table, digits: &str, limit: usize) -> Result<Vec<[u8; N]>, ReplicaError> {
        let mut found = Vec::new();
        let Some(begin) = whole_bytes(digits) else { return Ok(found) };
        // The engine knows no empty key: every key lies beyond this one.
        let from = if begin.is_empty() { &[0][..] } else { &begin };
        for row in self.txn.range(table, Bound::Included(from), Bound::Unbounded)? {
            let key: [u8; N] = row?.0.try_into().map_err(|_| Damage::Record(table.name()))?;
            if found.len() == limit || !key.starts_with(&begin) {
                break;
            }
            if hex(&key).starts_with(digits) {
                found.push(key);
            }
        }
        Ok(found)
    }

    /// Where each author stands here, what is not signed yet included: it is shown and never given to another store, which
    /// is told [`Snapshot::heads`].
    pub fn newest_of_authors(&self) -> Result<Vec<AuthorHead>, ReplicaError> {
        let mut heads = Vec::new();
        for row in all(&*self.txn, Table::Head)? {
            let (author, value) = row?;
            let author = author.try_into().map_err(|_| Damage::Record("heads"))?;
            let Head { sequence, clock, id } = Head::read(value)?;
            heads.push(AuthorHead { author, sequence, clock, id });
        }
        Ok(heads)
    }

    /// Every table and its room.
    pub fn tables(&self) -> Result<Vec<TableSize>, ReplicaError> {
        let size =
            |&table: &Table| Ok(TableSize { name: table.name(), entries: self.txn.count(table)?, bytes: self.txn.size(table)? });
        Table::ALL.iter().map(size).collect()
    }

    /// Adds up events after a place by their kinds, at most `limit` of them; the place of the last one, if there was one.
    /// A store is added up in several steps so that no snapshot is held for long. What cannot be read has no kind and is left out.
    pub fn add_up(&self, after: u64, limit: usize, sizes: &mut BTreeMap<u16, KindSize>) -> Result<Option<u64>, ReplicaError> {
        let from = after.saturating_add(1).to_be_bytes();
        let mut last = None;
        for row in self.txn.range(Table::Event, Bound::Included(&from), Bound::Unbounded)?.take(limit) {
            let (key, value) = row?;
            let position = position(key, "events")?;
            last = Some(position);
            let Some(event) = log::readable(Recorded::read(position, value))? else { continue };
            let size = sizes.entry(event.header.kind).or_default();
            size.events += 1;
            size.unsigned += u64::from(event.signature.is_none());
            match self.txn.get(Table::Body, key)? {
                Some(body) => {
                    size.plain += u64::from(event.header.body_len);
                    size.sealed += body.len() as u64;
                }
                None => size.erased += 1,
            }
        }
        Ok(last)
    }
}

impl Replica {
    /// The room of the whole.
    pub fn room(&self) -> Result<Room, ReplicaError> {
        Ok(Room { file: self.bytes_on_disk()?, reserved: self.engine.most() })
    }
}

/// The bytes that an even number of these digits stands for; `None` if they are no digits.
fn whole_bytes(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Vec<u8> =
        digits.chars().map(|digit| digit.to_digit(16).and_then(|value| value.try_into().ok())).collect::<Option<_>>()?;
    Some(nibbles.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
