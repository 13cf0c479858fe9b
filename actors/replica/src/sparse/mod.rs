//! A store that holds some of what an archive holds: what is used, within a limit on disk that it never exceeds.
//!
//! It is made of the same [`Replica`] as an archive (engine, sealed bodies, index, views) under a key of its own, with an
//! [`Outbox`] beside it. It writes no events: what a person does is a command in the outbox, and what the archive makes of it
//! comes back by CHUM like everything else. So all that is here but the outbox can be thrown away and fetched again.
//!
//! - [`Profile`] says how much and how long;
//! - `take` takes events in whose chains are not here; `side` is the store as a session of CHUM sees it, and `compared`
//!   what a session leaves;
//! - `page` reads, and says what is missing, and `look` without using anything; [`Missing`] is what to ask the archive for;
//! - `prefetch` says what to ask for before anybody misses it;
//! - `rules` says of which kinds it does not have everything by itself;
//! - `pins` keeps what is to stay, here and in the outbox;
//! - `uses` knows what was used when, `evict` lets go of what was not, and `upkeep` of what was long ago.
//!
//! The limit holds by construction. The map of the database is fixed below it, the outbox has a map of its own, and what
//! other files take is taken off when the store is opened. Between transactions an eighth of the map is free, for LMDB
//! copies the pages that a transaction changes, and one that lets go changes pages too. A transaction that does not fit all
//! the same is not done; more is let go, and it is done again.
//!
//! **Architecture Invariant:** nothing that was not taken from an archive is in the database, and nothing here removes
//! anything from the outbox. Whatever leaves, what remains reads as what the archive has or says that something is missing.
//!
//! When an entity was used last lies in the clear beside its id, so that the order can be kept; what was used does not.

mod compared;
mod evict;
mod look;
mod page;
mod pins;
mod prefetch;
mod profile;
mod room;
mod rules;
mod side;
mod take;
mod upkeep;
mod uses;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipc::event::Clock;

pub use evict::Left;
pub use page::{Found, Missing, Shown};
pub use pins::Pins;
pub use prefetch::{Ask, Hits};
pub use profile::{Pressure, Profile};
pub use room::Room;
pub use rules::{UnfitRules, read_rules};
pub use side::Titles;

use crate::{
    Conversation, Outbox, OutboxError, Page, Replica, ReplicaError, StoreKeys, Wall, Writer,
    chum::Rules,
    engine::{self, Engine},
    tables::Table,
};
use evict::Order;
use page::Issues;
use room::{bytes_of, length_of};
use uses::Pending;

/// The folder of the outbox.
const OUTBOX: &str = "outbox";
/// The folder of large content.
const BLOBS: &str = "blobs";
/// The files that [`Sparse::forget`] removes.
const CACHE: &[&str] = &["data.mdb", "lock.mdb", "new.mdb", "room"];

/// It is no author, so it has no key of one.
const NOBODY: [u8; 32] = [0; 32];

/// Events that leave in one transaction, at most.
const AT_ONCE: usize = 256;

/// A transaction that only moves the database on, so that pages freed before can be taken again.
const META_TICK: &[u8] = b"sparse tick";

/// Bytes of a transaction that brings no events.
const SMALL: u64 = 64 << 10;

/// Why a sparse store cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SparseError {
    /// Everything that can leave has left, what is pinned with it, and there is still no room.
    #[error("there is no room for {need} bytes: {capacity} bytes can be held, and nothing more can leave")]
    Full {
        /// Bytes that were to be taken in.
        need: u64,
        /// Bytes there is room for in all.
        capacity: u64,
    },
    /// These numbers cannot be kept to.
    #[error("the profile cannot be used: {0}")]
    Profile(&'static str),
    /// The outbox takes no more.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] ReplicaError),
}

impl From<io::Error> for SparseError {
    fn from(error: io::Error) -> SparseError {
        SparseError::Store(error.into())
    }
}

/// A conversation as far as it is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub id: [u8; 16],
    /// How it stands by what is here: its messages are those that are held, and its title is the newest that is.
    pub view: Conversation,
    /// Its content has left or never came.
    pub bare: bool,
    /// It is to stay.
    pub pinned: bool,
}

/// An open sparse store. See the module.
pub struct Sparse {
    replica: Replica,
    writer: Writer,
    outbox: Arc<Outbox>,
    directory: PathBuf,
    profile: Profile,
    map: u64,
    pending: Mutex<Pending>,
    hits: Mutex<Hits>,
    issues: Mutex<Issues>,
    rules: Rules,
    /// Kinds of which nobody tells everything, or did not until everything recent is compared, in order.
    kept_back: Vec<u16>,
}

impl Sparse {
    /// Opens the store in this directory, or makes a new one in an empty directory. `key` is its own and no archive's.
    pub fn open(directory: &Path, key: &[u8; 32], space: [u8; 16], profile: Profile) -> Result<Sparse, SparseError> {
        Sparse::open_by(directory, key, space, profile, Wall::system())
    }

    /// The same by another clock.
    pub fn open_by(
        directory: &Path,
        key: &[u8; 32],
        space: [u8; 16],
        profile: Profile,
        wall: Wall,
    ) -> Result<Sparse, SparseError> {
        let outbox = Sparse::outbox_in(directory, key, space, &profile)?;
        Sparse::open_beside(outbox, directory, key, space, profile, wall)
    }

    /// The outbox in this directory, or a new one. It needs nothing of what is cached.
    pub fn outbox_in(directory: &Path, key: &[u8; 32], space: [u8; 16], profile: &Profile) -> Result<Arc<Outbox>, SparseError> {
        if let Some(why) = profile.flaw() {
            return Err(SparseError::Profile(why));
        }
        let place = directory.join(OUTBOX);
        fs::create_dir_all(&place)?;
        fs::File::open(directory)?.sync_all()?;
        let engine = engine::open_within(&place, profile.outbox_map())?;
        Ok(Arc::new(Outbox::on(engine, StoreKeys::new(key, space, NOBODY), profile.outbox_map() / 3)?))
    }

    /// Opens the store in the directory of this outbox, from [`Sparse::outbox_in`] with the same key. Whatever is wrong with
    /// the store is not wrong with the outbox.
    pub fn open_beside(
        outbox: Arc<Outbox>,
        directory: &Path,
        key: &[u8; 32],
        space: [u8; 16],
        profile: Profile,
        wall: Wall,
    ) -> Result<Sparse, SparseError> {
        let map = Sparse::map(directory, &profile)?;
        let length = length_of(&directory.join(CACHE[0]))?;
        let keys = || StoreKeys::new(key, space, NOBODY);
        if length > map {
            // Meanwhile the larger one holds.
            let whole = engine::open_within(directory, length.next_multiple_of(64 << 10))?;
            let large = Sparse::with(whole, Arc::clone(&outbox), directory, keys(), profile, wall.clone())?;
            large.shrink(map)?;
            engine::compact(directory)?;
        }
        Sparse::with(engine::open_within(directory, map)?, outbox, directory, keys(), profile, wall)
    }

    /// The most bytes that the database's file may have beside the others in this directory.
    pub fn map(directory: &Path, profile: &Profile) -> Result<u64, SparseError> {
        if let Some(why) = profile.flaw() {
            return Err(SparseError::Profile(why));
        }
        Ok(profile.map(bytes_of(&directory.join(BLOBS))?))
    }

    /// The store in this database, which must not grow beyond [`Sparse::map`]; the rest is in the directory.
    pub fn on(
        engine: Arc<dyn Engine>,
        directory: &Path,
        key: &[u8; 32],
        space: [u8; 16],
        profile: Profile,
        wall: Wall,
    ) -> Result<Sparse, SparseError> {
        let outbox = Sparse::outbox_in(directory, key, space, &profile)?;
        Sparse::with(engine, outbox, directory, StoreKeys::new(key, space, NOBODY), profile, wall)
    }

    fn with(
        engine: Arc<dyn Engine>,
        outbox: Arc<Outbox>,
        directory: &Path,
        keys: StoreKeys,
        profile: Profile,
        wall: Wall,
    ) -> Result<Sparse, SparseError> {
        let map = engine.most();
        let replica = Replica::on(engine, directory, keys, wall)?;
        let writer = replica.writer()?;
        let directory = directory.to_owned();
        let (pending, hits, issues) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (rules, kept_back) = (Rules::default(), Vec::new());
        let mut sparse = Sparse { replica, writer, outbox, directory, profile, map, pending, hits, issues, rules, kept_back };
        sparse.own_key()?;
        sparse.pin_as_said()?;
        sparse.keep_to(Rules::default())?;
        Ok(sparse)
    }

    /// Removes what is cached in a directory whose store is not open, for one that is damaged. The outbox stays.
    pub fn forget(directory: &Path) -> Result<(), SparseError> {
        for name in CACHE {
            match fs::remove_file(directory.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        match fs::remove_dir_all(directory.join(BLOBS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Lets go of what has no room in a file of this many bytes.
    fn shrink(mut self, map: u64) -> Result<(), SparseError> {
        self.map = map;
        self.evict_to(self.capacity() / 8 * 7, None)?;
        let used = self.used()?;
        if used > self.capacity() {
            return Err(SparseError::Full { need: used, capacity: self.capacity() });
        }
        Ok(())
    }

    /// The numbers it keeps to.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What the person did and the archive has not acknowledged. When it is full it refuses what comes, aloud. It is filled
    /// and emptied while somebody else has the store.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// How full it is.
    pub fn room(&self) -> Result<Room, SparseError> {
        Ok(Room {
            limit: self.profile.limit,
            files: bytes_of(&self.directory)?,
            used: self.used()?,
            capacity: self.capacity(),
            gone: self.replica.read()?.count(Table::Gone)?,
            outbox: self.outbox.filled()?,
        })
    }

    /// The conversations of which anything is here, newest change first, after `(clock, id)` if that is given.
    pub fn conversations(&self, after: Option<(u64, [u8; 16])>, limit: usize) -> Result<Page<Entry>, SparseError> {
        let snapshot = self.replica.snapshot()?;
        let page = snapshot.conversations(after, limit)?;
        let mut items = Vec::with_capacity(page.items.len());
        for (id, view) in page.items {
            items.push(look::entry(&snapshot, id, view)?);
        }
        Ok(Page { items, more: page.more })
    }

    /// Somebody has used this: it leaves later. It costs no transaction; it is written with the next.
    pub fn used_now(&self, entity: &[u8; 16]) {
        self.pending().used(entity, self.replica.wall.millis());
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issues(&self) -> MutexGuard<'_, Issues> {
        self.issues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> Result<u64, ReplicaError> {
        evict::live(&*self.replica.read()?)
    }

    fn capacity(&self) -> u64 {
        profile::capacity(self.map)
    }

    fn order(&self, events: usize, bytes: u64, before: Option<u64>) -> Order {
        let window = self.replica.wall.millis().saturating_sub(self.profile.window());
        Order { events, bytes, before, pinned: 0, capacity: self.capacity(), window: Clock::from_millis(window).0 }
    }

    /// Writes, with what waits to be written. What does not fit is written after more was let go; nothing of it is lost.
    fn write<T>(&mut self, need: u64, work: impl Fn(&mut crate::Batch<'_>) -> Result<T, ReplicaError>) -> Result<T, SparseError> {
        self.make_room(need)?;
        loop {
            match self.write_pending(&work) {
                // What is free lies in pieces that are too small, or was freed a moment ago.
                Err(ReplicaError::MapFull(_)) => {
                    self.flush()?;
                    let target = self.used()?.saturating_sub(need.max(self.capacity() / 16));
                    if self.evict_to(target, None)? == Left::default() {
                        return Err(SparseError::Full { need, capacity: self.capacity() });
                    }
                }
                done => return Ok(done?),
            }
        }
    }

    /// Lets go until there is room for so many bytes.
    fn make_room(&mut self, need: u64) -> Result<(), SparseError> {
        if self.used()? + need > self.capacity() {
            self.flush()?;
            self.evict_to(self.capacity().saturating_sub(need + self.capacity() / 16), None)?;
            if self.used()? + need > self.capacity() {
                return Err(SparseError::Full { need, capacity: self.capacity() });
            }
        }
        Ok(())
    }

    /// Writes what waits to be written. What was used must be known before anything leaves.
    fn flush(&mut self) -> Result<(), ReplicaError> {
        self.write_pending(|_| Ok(()))
    }

    fn write_pending<T>(&mut self, work: impl Fn(&mut crate::Batch<'_>) -> Result<T, ReplicaError>) -> Result<T, ReplicaError> {
        let asked = self.pending().asked;
        let pending = std::mem::take(&mut *self.pending());
        let done = self.writer.write(|batch| batch.put_pending(&pending).and_then(|()| work(batch)));
        *self.pending() = if done.is_ok() { Pending { asked, ..Pending::default() } } else { pending };
        done
    }

    /// Lets go until no more than `target` bytes are in use, or nothing is left that may leave.
    fn evict_to(&mut self, target: u64, before: Option<u64>) -> Result<Left, SparseError> {
        let mut total = Left::default();
        // It costs a look at all that is pinned, and only where something has to leave.
        let mut beyond = None;
        let mut events = AT_ONCE;
        loop {
            let used = self.used()?;
            if used <= target {
                break;
            }
            let beyond = match beyond {
                Some(beyond) => beyond,
                None => *beyond.insert(if before.is_none() { self.pinned_beyond()? } else { 0 }),
            };
            let pinned = beyond.saturating_sub(total.pinned);
            let order = Order { pinned, ..self.order(events, used - target, before) };
            let mut whose = Vec::new();
            let done = self.writer.write(|batch| batch.let_go(&order, &mut whose));
            self.issues().end(&whose);
            match done {
                Ok(left) if left == Left::default() => break,
                Ok(left) => total.add(left),
                Err(ReplicaError::MapFull(_)) if events > 1 => events = (events / 8).max(1),
                Err(error) => return Err(error.into()),
            }
        }
        if total != Left::default() {
            // Pages are taken again two transactions after they were freed.
            self.writer.write(|batch| batch.txn.put(Table::Meta, META_TICK, &total.events.to_le_bytes()))?;
        }
        Ok(total)
    }
}
