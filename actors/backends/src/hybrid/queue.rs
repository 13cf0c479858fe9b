//! The marks as they are in memory: which path is next, and whether one changed while it was pushed.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::mark::{Change, Mark};
use crate::{Path, StorageError};

/// Most refused paths that a status names.
const MAX_REFUSED: usize = 100;

/// Every mark.
#[derive(Default)]
pub(super) struct Queue {
    marked: HashMap<Path, Marked>,
    order: BTreeMap<u64, Path>,
    next_place: u64,
    next_version: u64,
}

struct Marked {
    change: Change,
    /// A path keeps its place however often it is written, so none is pushed back for ever.
    place: u64,
    /// Another one after each change.
    version: u64,
    pushing: bool,
    refused: Option<Refusal>,
    /// Until then something that was sent earlier may arrive.
    strays: Option<Instant>,
    /// It was pushed, and waits for the strays to be pushed once more.
    pushed: bool,
}

struct Refusal {
    times: u32,
    until: Instant,
    why: StorageError,
}

/// A path that is being pushed.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) path: Path,
    pub(super) change: Change,
    pub(super) version: u64,
}

impl Marked {
    /// Until when it is not to be pushed.
    fn held(&self) -> Option<Instant> {
        let strays = if self.pushed { self.strays } else { None };
        strays.max(self.refused.as_ref().map(|refusal| refusal.until))
    }
}

impl Queue {
    /// Takes up a mark of an earlier life.
    pub(super) fn load(&mut self, mark: Mark, strays: Instant) {
        // Two marks never have one place; a copied folder might, and no path may be lost for it.
        let place = if self.order.contains_key(&mark.place) { self.next_place } else { mark.place };
        self.next_place = self.next_place.max(place + 1);
        self.order.insert(place, mark.path.clone());
        let version = self.version();
        let marked =
            Marked { change: mark.change, place, version, pushing: false, refused: None, strays: Some(strays), pushed: false };
        self.marked.insert(mark.path, marked);
    }

    /// Marks a path, and gives the mark to be kept.
    pub(super) fn set(&mut self, path: &Path, change: Change) -> Mark {
        let version = self.version();
        let before = self.marked.get(path).map(|marked| marked.change);
        let change = match (change, before) {
            (Change::Written, Some(Change::Deleted | Change::WrittenOverDeleted)) => Change::WrittenOverDeleted,
            (change, _) => change,
        };
        let marked = match self.marked.get_mut(path) {
            Some(marked) => {
                (marked.change, marked.version, marked.refused, marked.pushed) = (change, version, None, false);
                marked.place
            }
            None => {
                let place = self.next_place;
                self.next_place += 1;
                self.order.insert(place, path.clone());
                let marked = Marked { change, place, version, pushing: false, refused: None, strays: None, pushed: false };
                self.marked.insert(path.clone(), marked);
                place
            }
        };
        Mark { change, place: marked, path: path.clone() }
    }

    /// Says that a path changed once more.
    pub(super) fn touch(&mut self, path: &Path) {
        let version = self.version();
        if let Some(marked) = self.marked.get_mut(path) {
            (marked.version, marked.pushed) = (version, false);
        }
    }

    /// Puts back the mark that was there before.
    pub(super) fn restore(&mut self, path: &Path, before: Option<Mark>) {
        match (before, self.marked.get_mut(path)) {
            (Some(mark), Some(marked)) => marked.change = mark.change,
            (None, Some(_)) => self.remove(path),
            _ => {}
        }
    }

    pub(super) fn change(&self, path: &Path) -> Option<Change> {
        self.marked.get(path).map(|marked| marked.change)
    }

    pub(super) fn mark(&self, path: &Path) -> Option<Mark> {
        self.marked.get(path).map(|marked| Mark { change: marked.change, place: marked.place, path: path.clone() })
    }

    pub(super) fn len(&self) -> usize {
        self.marked.len()
    }

    /// The oldest path that may be pushed now. It is not given out again before [`Queue::release`].
    pub(super) fn next(&mut self, now: Instant) -> Option<Job> {
        for path in self.order.values() {
            let Some(marked) = self.marked.get_mut(path) else { continue };
            if !marked.pushing && marked.held().is_none_or(|until| until <= now) {
                marked.pushing = true;
                return Some(Job { path: path.clone(), change: marked.change, version: marked.version });
            }
        }
        None
    }

    /// When the next path may be pushed that may not be pushed now.
    pub(super) fn next_held(&self) -> Option<Instant> {
        self.marked.values().filter(|marked| !marked.pushing).filter_map(Marked::held).min()
    }

    /// Whether something that was sent earlier may still arrive and replace what was pushed now. Then it is pushed once more.
    pub(super) fn wait_for_strays(&mut self, path: &Path, now: Instant) -> bool {
        let Some(marked) = self.marked.get_mut(path) else { return false };
        marked.pushed = marked.strays.is_some_and(|until| until > now);
        marked.pushed
    }

    /// Whether nothing changed since the job began.
    pub(super) fn is_current(&self, job: &Job) -> bool {
        self.marked.get(&job.path).is_some_and(|marked| marked.version == job.version)
    }

    /// The job is over, well or not; the mark is still there.
    /// With `strays` what it sent may arrive until then.
    pub(super) fn release(&mut self, path: &Path, strays: Option<Instant>) {
        if let Some(marked) = self.marked.get_mut(path) {
            marked.pushing = false;
            marked.strays = strays.or(marked.strays);
        }
    }

    /// The far place refused it.
    pub(super) fn refuse(&mut self, job: &Job, why: StorageError, until: impl FnOnce(u32) -> Instant) {
        if let Some(marked) = self.marked.get_mut(&job.path).filter(|marked| marked.version == job.version) {
            let times = marked.refused.as_ref().map_or(0, |refusal| refusal.times) + 1;
            marked.refused = Some(Refusal { times, until: until(times), why });
        }
    }

    /// The far place has it.
    pub(super) fn remove(&mut self, path: &Path) {
        if let Some(marked) = self.marked.remove(path) {
            self.order.remove(&marked.place);
        }
    }

    pub(super) fn refusals(&self) -> usize {
        self.marked.values().filter(|marked| marked.refused.is_some()).count()
    }

    pub(super) fn refused(&self) -> Vec<(Path, StorageError)> {
        let named = |path: &Path| Some((path.clone(), self.marked.get(path)?.refused.as_ref()?.why.clone()));
        self.order.values().filter_map(named).take(MAX_REFUSED).collect()
    }

    fn version(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version
    }
}
