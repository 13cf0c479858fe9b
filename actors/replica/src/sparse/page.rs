//! Reading what is here, and saying what is not.
//!
//! What is known of an entity is known from some clock on: all of its events from there on are here, as far as the archive
//! has told. Going down from the newest, the knowledge also ends at an event that has seen another which is not here, and at
//! one whose body is not here, unless the archive was asked for everything below and had nothing more. What is older than
//! that end may be here and is not shown: between it and the rest something may be missing.

use std::{
    collections::HashMap,
    ops::Bound,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    Sparse, SparseError,
    uses::{Known, Use, find},
};
use crate::{
    Record, Recorded, ReplicaError, Snapshot,
    body::{self, Body, Content},
    engine::prefix_back,
    fold::FILES,
    log::position,
    state::State,
    tables::Table,
    views::File,
};

/// What is to be asked for: with [`crate::chum::Session::fetch_entity`], and when that has come, [`Sparse::fetched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Of this.
    pub entity: [u8; 16],
    /// The newest events with an earlier clock.
    pub before: u64,
    /// So many.
    pub limit: u32,
    /// Tells this request from later ones: what leaves meanwhile makes its answer void.
    pub issue: u64,
}

/// What a file is made of.
const VERSIONS: &[u16] = &[body::FILE, body::FILE_REMOVED];

/// Most requests that may be on their way.
const MAX_ISSUES: usize = 4096;

/// Numbers of requests, for all stores of a process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Which requests are on their way for things of which nothing has left since.
#[derive(Debug, Default)]
pub(super) struct Issues(HashMap<[u8; 16], u64>);

impl Issues {
    /// The number of a request.
    fn begin(&mut self, entity: &[u8; 16]) -> u64 {
        if self.0.len() >= MAX_ISSUES {
            self.0.clear();
        }
        *self.0.entry(*entity).or_insert_with(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Something of these has left.
    pub(super) fn end(&mut self, entities: &[[u8; 16]]) {
        for entity in entities {
            self.0.remove(entity);
        }
    }

    /// What was known of everything is known anew.
    pub(super) fn end_all(&mut self) {
        self.0.clear();
    }

    fn holds(&self, missing: &Missing) -> bool {
        self.0.get(&missing.entity) == Some(&missing.issue)
    }
}

/// Some of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Messages, oldest first. They are as the archive has them, without a gap.
    pub items: Vec<Record>,
    /// There are older ones.
    pub more: bool,
    /// And this is not here, which may be older ones or all.
    pub missing: Option<Missing>,
}

/// One thing that is here, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// It is here; `None` if there is no such thing.
    Here(Option<T>),
    /// It is not known here.
    Missing(Missing),
}

/// Goes down through the events of an entity as far as they are known.
struct Descent<'t> {
    snapshot: &'t Snapshot<'t>,
    /// Known from this clock on.
    from: u64,
    /// Below this one the archive has nothing more.
    told: u64,
    /// The last event that was looked at had seen none before it.
    root: bool,
}

impl Descent<'_> {
    /// Looks at the next older event. Where knowledge ends it returns the clock below which the archive is to be asked.
    fn step(&mut self, event: &Recorded) -> Result<Option<u64>, ReplicaError> {
        let clock = event.header.clock.0;
        if clock < self.from {
            return Ok(Some(self.from));
        }
        if clock >= self.told {
            let txn = &*self.snapshot.txn;
            let absent = txn.get(Table::Body, &event.position.to_be_bytes())?.is_none();
            if absent && !self.snapshot.is_erased(&event.header, &event.id)? {
                return Ok(Some(clock.saturating_add(1)));
            }
            for seen in &event.header.seen {
                if txn.get(Table::Id, seen)?.is_none() {
                    // What has seen it is shown; then it ends.
                    (self.from, self.told) = (clock, 0);
                    break;
                }
            }
        }
        self.root = event.header.seen.is_empty();
        Ok(None)
    }

    /// Below which clock something may be missing though no event of it is here; `None` if all is here.
    fn rest(&self) -> Option<u64> {
        (self.from > 0 && !self.root).then_some(self.from)
    }
}

impl Sparse {
    /// The newest messages of a conversation with a clock below `before`, `limit` of them and those of the same clock as the
    /// last. The next page begins below the oldest. It counts as a use.
    pub fn page(&self, conversation: &[u8; 16], before: Option<u64>, limit: usize) -> Result<Shown, SparseError> {
        self.page_within(conversation, before, limit, usize::MAX)
    }

    /// The same within so many bytes of bodies, but for the first message.
    pub fn page_within(
        &self,
        conversation: &[u8; 16],
        before: Option<u64>,
        limit: usize,
        bytes: usize,
    ) -> Result<Shown, SparseError> {
        self.used_now(conversation);
        let shown = self.page_again(conversation, before, limit, bytes)?;
        self.hits().page(shown.missing.is_none());
        Ok(shown)
    }

    /// The same for who reads again after something has come: it counts neither as a use nor among [`Sparse::hit_rate`].
    pub fn page_again(
        &self,
        conversation: &[u8; 16],
        before: Option<u64>,
        limit: usize,
        bytes: usize,
    ) -> Result<Shown, SparseError> {
        let before = before.unwrap_or(u64::MAX);
        let mut total = 0;
        let mut shown = Shown { items: Vec::new(), more: false, missing: None };
        let snapshot = self.replica.snapshot()?;
        let missing = |below: u64| {
            let limit = self.profile.first.max(u32::try_from(limit).unwrap_or(u32::MAX)).min(crate::chum::limits::MAX_ENTITY);
            self.missing(conversation, below, limit)
        };
        let below = self.descend(&snapshot, conversation, |event| {
            let clock = event.header.clock.0;
            if event.header.kind != body::MESSAGE || clock >= before {
                return Ok(true);
            }
            let full = shown.items.len() >= limit || total + event.header.body_len as usize > bytes;
            if full && shown.items.last().is_some_and(|last: &Record| last.event.header.clock.0 != clock) {
                shown.more = true;
                return Ok(false);
            }
            total += event.header.body_len as usize;
            shown.items.extend(snapshot.record(event.position)?);
            Ok(true)
        })?;
        shown.items.reverse();
        // A page that is full is whole; what is missing is for the next one.
        if below.is_some() && shown.items.len() >= limit {
            shown.more = true;
        } else {
            shown.missing = below.map(missing);
        }
        Ok(shown)
    }

    /// The state of an entity, if all of its events are here. It counts as a use. Where changes do not come by themselves it
    /// is missing each time: [`Sparse::state_again`] reads what was fetched.
    pub fn state(&self, entity: &[u8; 16]) -> Result<Found<State>, SparseError> {
        self.used_now(entity);
        if self.is_kept_back(&[body::CHANGE]) {
            return Ok(Found::Missing(self.missing(entity, u64::MAX, crate::chum::limits::MAX_ENTITY)));
        }
        self.state_again(entity)
    }

    /// The same for who reads again after what was missing has come: as it stood then. It is no use.
    pub fn state_again(&self, entity: &[u8; 16]) -> Result<Found<State>, SparseError> {
        if self.is_turned_away(&[body::CHANGE]) {
            return Ok(Found::Missing(self.missing(entity, u64::MAX, crate::chum::limits::MAX_ENTITY)));
        }
        let snapshot = self.replica.snapshot()?;
        Ok(match self.descend(&snapshot, entity, |_| Ok(true))? {
            Some(before) => Found::Missing(self.missing(entity, before, crate::chum::limits::MAX_ENTITY)),
            None => Found::Here(snapshot.state(entity)?),
        })
    }

    /// The newest version of a file of a volume and its content, which for large files is the name of chunks that are not
    /// here. It counts as a use. Where files do not come by themselves it is missing each time: [`Sparse::file_again`] reads
    /// what was fetched.
    pub fn file(&self, entity: &[u8; 16]) -> Result<Found<(File, Content)>, SparseError> {
        self.used_now(entity);
        if self.is_kept_back(VERSIONS) {
            return Ok(Found::Missing(self.missing(entity, u64::MAX, self.profile.first)));
        }
        self.file_again(entity)
    }

    /// The same for who reads again after what was missing has come: as it stood then. It is no use.
    pub fn file_again(&self, entity: &[u8; 16]) -> Result<Found<(File, Content)>, SparseError> {
        if self.is_turned_away(VERSIONS) {
            return Ok(Found::Missing(self.missing(entity, u64::MAX, self.profile.first)));
        }
        let snapshot = self.replica.snapshot()?;
        let mut newest = None;
        let below = self.descend(&snapshot, entity, |event| {
            if VERSIONS.contains(&event.header.kind) {
                newest = Some(event.position);
            }
            Ok(newest.is_none())
        })?;
        if let Some(before) = below {
            return Ok(Found::Missing(self.missing(entity, before, self.profile.first)));
        }
        let view: Option<File> = self.replica.view(&*snapshot.txn, Table::File, FILES, entity)?;
        let content = newest.map(|position| snapshot.record(position)).transpose()?.flatten();
        Ok(Found::Here(match (view, content) {
            (Some(view), Some(Record { body: Body::File(file), .. })) => Some((view, file.content())),
            _ => None,
        }))
    }

    pub(super) fn missing(&self, entity: &[u8; 16], before: u64, limit: u32) -> Missing {
        Missing { entity: *entity, before, limit, issue: self.issues().begin(entity) }
    }

    /// What was missing was asked for, and the archive gave so many events, by [`crate::chum::Progress::Fetched`]. If
    /// something of it left before this is said, it is missing still and will be asked for again.
    pub fn fetched(&mut self, missing: &Missing, came: u64) -> Result<(), SparseError> {
        let entity = missing.entity;
        // Writing this may let something leave too; that comes first.
        self.make_room(super::SMALL)?;
        if !self.issues().holds(missing) {
            return Ok(());
        }
        self.write(super::SMALL, |batch| {
            let old = find(batch.txn.reading(), &entity)?;
            let known = Known::get(batch.txn.reading())?;
            let mut one = old.unwrap_or(Use::new(&known));
            let from = one.known_from();
            // What is between has left meanwhile.
            if missing.before < from {
                return Ok(());
            }
            let upper = [&entity[..], &missing.before.to_be_bytes()].concat();
            let bounds = (Bound::Included(&entity[..]), Bound::Excluded(&upper[..]));
            let clock_of = |key: &[u8]| position(key.get(..24).unwrap_or_default(), "entities");
            let mut clocks = batch.txn.reading().range_back(Table::Entity, bounds.0, bounds.1)?.map(|row| clock_of(row?.0));
            let newest = clocks.next().transpose()?;
            let reached = if came < u64::from(missing.limit) {
                0
            } else {
                let last = match usize::try_from(came).unwrap_or(usize::MAX) {
                    0 | 1 => newest,
                    more => clocks.nth(more - 2).transpose()?,
                };
                match last {
                    // Of its clock there may be more, unless it is the clock of all that came.
                    Some(clock) if clock.saturating_add(1) < missing.before => clock.saturating_add(1),
                    Some(clock) => clock,
                    None => from,
                }
            };
            drop(clocks);
            (one.since, one.left) = (one.since.min(reached), one.left.min(reached));
            // Of what is made later nothing was told.
            one.told = one.told.max(missing.before.min(newest.map_or(0, |clock| clock.saturating_add(1))));
            batch.put_use(&entity, Some(&one))
        })
    }

    /// Goes down from the newest event until `each` says that it is enough, or to where knowledge ends; that clock is
    /// returned.
    pub(super) fn descend(
        &self,
        snapshot: &Snapshot<'_>,
        entity: &[u8; 16],
        mut each: impl FnMut(&Recorded) -> Result<bool, ReplicaError>,
    ) -> Result<Option<u64>, ReplicaError> {
        let Some(one) = find(&*snapshot.txn, entity)? else { return Ok(Some(u64::MAX)) };
        let mut descent = Descent { snapshot, from: one.known_from(), told: one.told, root: false };
        for row in prefix_back(&*snapshot.txn, Table::Entity, entity)? {
            let event = self.replica.event(&*snapshot.txn, position(row?.0, "entities")?)?;
            if let Some(below) = descent.step(&event)? {
                return Ok(Some(below));
            }
            if !each(&event)? {
                return Ok(None);
            }
        }
        Ok(descent.rest())
    }
}
