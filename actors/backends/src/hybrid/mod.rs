//! Two places as one: the near one answers at once, the far one follows.
//!
//! A write or a deletion is done when the near place has it and has a mark that the far one lacks it. Marks are small values
//! of the near place itself, so they are as durable as what they stand for; a mark says *that* a path differs and not what
//! was written, so many writes of a path are one mark, and a mark pushed twice does no harm. [`Hybrid::run`] brings the far
//! place to the state of the near one, oldest mark first, whole values only.
//!
//! Reading asks the near place, then the far one, and keeps what that has. A deletion stays as a mark until the far place
//! has deleted too, so that nothing deleted is read back from there.
//!
//! **Conflicts:** whole values, the last to arrive at the far place wins. What somebody else writes there shows here when
//! it is not kept here, or after [`Hybrid::forget`]; an unsent write of here replaces it.
//!
//! **Strays:** a request that broke off, or of a process that ended, may arrive after a later one and undo it. So what is
//! pushed within [`BackOff::stray`] of such a moment keeps its mark, and is pushed once more after it.
//!
//! **Architecture Invariant:** a mark is on disk before its value changes, and is removed only when the far place has said
//! that it has what the near one had at or after the mark.

mod listing;
mod lock;
mod mark;
mod push;
mod queue;

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use tokio::{sync::Notify, time::Instant};

pub use self::push::{BackOff, Pushed};
use self::{
    listing::Listings,
    lock::Locks,
    mark::{Change, Mark},
    push::Pace,
    queue::Queue,
};
use crate::{Answer, Cursor, Entry, MAX_PAGE, MAX_VALUE, Page, Path, Pieces, Storage, StorageError, Value, Whole, collect};

/// How often a read begins anew because the path was written while the far place answered.
const READ_TRIES: usize = 8;

/// See the module.
pub struct Hybrid {
    near: Rc<dyn Storage>,
    far: Rc<dyn Storage>,
    queue: RefCell<Queue>,
    locks: Locks,
    /// Paths that are being fetched, by how many, and whether they were changed meanwhile.
    fetching: RefCell<HashMap<Path, (usize, bool)>>,
    listings: Listings,
    pace: Pace,
    work: Notify,
}

/// What is not yet in the far place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStatus {
    /// Paths that wait.
    pub waiting: usize,
    /// How many of them the far place refused. They are tried again, rarely.
    pub refusals: usize,
    /// The first of these, and why.
    pub refused: Vec<(Path, StorageError)>,
    /// Why the last attempt failed, until one goes through.
    pub trouble: Option<StorageError>,
    /// How long nothing is tried.
    pub pause: Option<Duration>,
}

impl Hybrid {
    /// Ties two places, and takes up what an earlier life left unsent. `near` must have no other writer.
    pub async fn open(near: Rc<dyn Storage>, far: Rc<dyn Storage>, back_off: BackOff) -> Result<Hybrid, StorageError> {
        for left in folder_of(&*near, &lock::fetched_folder()?).await? {
            near.delete(&left).await?;
        }
        let mut queue = Queue::default();
        let strays = Instant::now() + back_off.stray;
        for place in folder_of(&*near, &mark::folder()?).await? {
            let Some(bytes) = near.read(&place).await? else { continue };
            let Some(mark) = Mark::read(&bytes) else {
                return Err(StorageError::Ours("a mark of the queue cannot be read".to_owned()));
            };
            if mark.change == Change::Deleted {
                // The process may have ended between the mark and the deletion.
                near.delete(&mark.path).await?;
            }
            queue.load(mark, strays);
        }
        Ok(Hybrid {
            near,
            far,
            queue: RefCell::new(queue),
            locks: Locks::default(),
            fetching: RefCell::default(),
            listings: Listings::default(),
            pace: Pace::new(back_off),
            work: Notify::new(),
        })
    }

    /// What is not yet in the far place.
    pub fn status(&self) -> QueueStatus {
        let queue = self.queue.borrow();
        QueueStatus {
            waiting: queue.len(),
            refusals: queue.refusals(),
            refused: queue.refused(),
            trouble: self.pace.trouble(),
            pause: self.pace.pause(),
        }
    }

    /// Drops what is kept here of a value that the far place has too, so that the next read asks there. Says whether it was
    /// dropped; what is unsent is not.
    pub async fn forget(&self, path: &Path) -> Result<bool, StorageError> {
        let _held = self.locks.hold(path).await;
        if self.queue.borrow().change(path).is_some() {
            return Ok(false);
        }
        self.near.delete(path).await?;
        Ok(true)
    }

    /// Changes the near place under a mark. On failure the mark is as it was.
    async fn change(&self, path: &Path, change: Change, work: Answer<'_, ()>) -> Result<(), StorageError> {
        let _held = self.locks.hold(path).await;
        let before = self.queue.borrow().mark(path);
        let mark = self.queue.borrow_mut().set(path, change);
        let done = match self.near.write(&mark::place(path)?, mark.value()).await {
            Ok(()) => work.await,
            Err(error) => Err(error),
        };
        // What was pushed meanwhile may be the state before.
        self.queue.borrow_mut().touch(path);
        if let Some((_, changed)) = self.fetching.borrow_mut().get_mut(path) {
            *changed = true;
        }
        if done.is_err() {
            self.restore(path, before).await;
        }
        self.work.notify_waiters();
        done
    }

    /// Puts the mark back that was there before a change that failed. A mark too many does no harm.
    async fn restore(&self, path: &Path, before: Option<Mark>) {
        let Ok(place) = mark::place(path) else { return };
        let restored = match &before {
            Some(mark) => self.near.write(&place, mark.value()).await,
            None => self.near.delete(&place).await,
        };
        if restored.is_ok() {
            self.queue.borrow_mut().restore(path, before);
        }
    }

    /// Reads near, then far.
    async fn find(&self, path: &Path) -> Result<Option<Value>, StorageError> {
        if path.is_reserved() {
            return self.near.read_stream(path).await;
        }
        for _ in 0..READ_TRIES {
            if self.is_deleted(path) {
                return Ok(None);
            }
            if let Some(value) = self.near.read_stream(path).await? {
                return Ok(Some(value));
            }
            if self.queue.borrow().change(path) == Some(Change::WrittenOverDeleted) {
                return Ok(None);
            }
            let fetching = Fetching::begin(&self.fetching, path);
            let Some(value) = self.far.read_stream(path).await? else {
                if fetching.is_undisturbed() {
                    return Ok(None);
                }
                continue;
            };
            if self.keep(path, value, &fetching).await? {
                return self.near.read_stream(path).await;
            }
        }
        Err(StorageError::Ours("a value changes faster than it can be fetched".to_owned()))
    }

    /// Keeps what the far place has, unless the path was changed here meanwhile. The path is held only for the last,
    /// near step, so that nobody who writes waits for the far place.
    async fn keep(&self, path: &Path, value: Value, fetching: &Fetching<'_>) -> Result<bool, StorageError> {
        let mut staged = None;
        let (length, mut pieces): (u64, Box<dyn Pieces>) = if value.length <= MAX_VALUE {
            let whole = collect(value, MAX_VALUE).await?;
            (whole.len() as u64, Box::new(Whole::new(whole)))
        } else {
            let place = lock::fetched(path)?;
            let mut value = value;
            self.near.write_stream(&place, value.length, &mut *value.pieces).await?;
            let Some(found) = self.near.read_stream(&place).await? else { return Ok(false) };
            staged = Some(place);
            (found.length, found.pieces)
        };
        let kept = {
            let _held = self.locks.hold(path).await;
            let free = fetching.is_undisturbed() && self.queue.borrow().change(path).is_none();
            if free {
                self.near.write_stream(path, length, &mut *pieces).await?;
            }
            free
        };
        if let Some(place) = staged {
            self.near.delete(&place).await?;
        }
        Ok(kept)
    }

    fn is_deleted(&self, path: &Path) -> bool {
        self.queue.borrow().change(path) == Some(Change::Deleted)
    }

    async fn entry(&self, path: &Path) -> Result<Option<Entry>, StorageError> {
        if self.is_deleted(path) {
            return Ok(None);
        }
        match self.near.head(path).await? {
            Some(entry) => Ok(Some(entry)),
            None if path.is_reserved() || self.queue.borrow().change(path) == Some(Change::WrittenOverDeleted) => Ok(None),
            None => {
                let fetching = Fetching::begin(&self.fetching, path);
                let entry = self.far.head(path).await?;
                // What was changed here meanwhile is known here.
                if fetching.is_undisturbed() { Ok(entry) } else { self.near.head(path).await }
            }
        }
    }
}

impl Storage for Hybrid {
    fn read_stream<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Value>> {
        Box::pin(self.find(path))
    }

    fn write_stream<'a>(&'a self, path: &'a Path, length: u64, pieces: &'a mut dyn Pieces) -> Answer<'a, ()> {
        if path.is_reserved() {
            return self.near.write_stream(path, length, pieces);
        }
        Box::pin(self.change(path, Change::Written, self.near.write_stream(path, length, pieces)))
    }

    fn head<'a>(&'a self, path: &'a Path) -> Answer<'a, Option<Entry>> {
        Box::pin(self.entry(path))
    }

    fn delete<'a>(&'a self, path: &'a Path) -> Answer<'a, ()> {
        if path.is_reserved() {
            return self.near.delete(path);
        }
        Box::pin(self.change(path, Change::Deleted, self.near.delete(path)))
    }

    fn list<'a>(&'a self, folder: Option<&'a Path>, from: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page> {
        match folder {
            Some(folder) if folder.is_reserved() => self.near.list(Some(folder), from, limit),
            _ => Box::pin(self.page(folder, from, limit)),
        }
    }
}

/// A fetch that is under way, so that whoever changes its path can spoil it.
struct Fetching<'h> {
    all: &'h RefCell<HashMap<Path, (usize, bool)>>,
    path: Path,
}

impl<'h> Fetching<'h> {
    fn begin(all: &'h RefCell<HashMap<Path, (usize, bool)>>, path: &Path) -> Fetching<'h> {
        all.borrow_mut().entry(path.clone()).or_default().0 += 1;
        Fetching { all, path: path.clone() }
    }

    fn is_undisturbed(&self) -> bool {
        self.all.borrow().get(&self.path).is_some_and(|(_, changed)| !changed)
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        let mut all = self.all.borrow_mut();
        if let Some((count, _)) = all.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.path);
            }
        }
    }
}

/// Everything in one of our own folders.
async fn folder_of(near: &dyn Storage, folder: &Path) -> Result<Vec<Path>, StorageError> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = near.list(Some(folder), cursor.as_ref(), MAX_PAGE).await?;
        found.extend(page.entries.into_iter().map(|entry| entry.path));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(found),
        }
    }
}
