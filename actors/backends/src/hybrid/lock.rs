//! One change of a path at a time, and where what is fetched waits.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::mark;
use crate::{BadPath, Path};

/// How many locks are kept before those that nobody holds are dropped.
const MANY: usize = 256;

/// The paths that are being changed.
#[derive(Default)]
pub(super) struct Locks {
    of: RefCell<HashMap<Path, Arc<Mutex<()>>>>,
}

impl Locks {
    /// Waits until nobody else changes the path.
    pub(super) async fn hold(&self, path: &Path) -> OwnedMutexGuard<()> {
        let lock = {
            let mut of = self.of.borrow_mut();
            if of.len() >= MANY {
                of.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(of.entry(path.clone()).or_default())
        };
        lock.lock_owned().await
    }
}

/// The folder of what is fetched and not yet in its place.
pub(super) fn fetched_folder() -> Result<Path, BadPath> {
    Path::reserved("fetched")
}

/// Where a large value waits while it is fetched: a name of its own for each fetch.
pub(super) fn fetched(path: &Path) -> Result<Path, BadPath> {
    let chance = getrandom::u64().unwrap_or_default();
    Path::reserved(&format!("fetched/{}-{chance:016x}", mark::name(path)))
}
