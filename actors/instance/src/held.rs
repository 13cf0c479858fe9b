//! What is held: the sparse store of a space, on a thread of its own that does one thing after the other.
//!
//! **Architecture Invariant:** nobody else touches the store. A job is short: a page, a step of a session, a slice of the
//! upkeep; so who reads waits for one of these and never for a session.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use ipc::{Code, Refusal, messages::start::CacheProfile};
use replica::{
    Outbox, ReplicaError, Wall,
    chum::Rules,
    sparse::{Ask, Left, Profile, Sparse, SparseError},
};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{carrier::full, unusable};

/// Jobs that may wait for the thread. Whoever has another waits until there is room.
const WAITING: usize = 64;

/// There if the cache holds what the archive does not know any more: it is made anew at the next start.
const STALE: &str = "stale";

/// Where a program before this one kept all that the archive has.
const FORMER: &str = "cache";

type Job = Box<dyn FnOnce(&mut Sparse) + Send>;

/// Hands jobs to the thread. It ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Held {
    jobs: mpsc::Sender<Job>,
    stale: PathBuf,
    spoiled: Arc<Notify>,
}

impl Held {
    /// Opens the store in this directory, and the outbox that is beside it. A cache that cannot be read is thrown away: the
    /// archive has all of it. The outbox stays, with what is pinned; and one that cannot be read is left as it is, and the
    /// cache with it.
    pub(crate) fn open(
        directory: &Path,
        key: &[u8; 32],
        space: [u8; 16],
        profile: CacheProfile,
        rules: &Rules,
    ) -> Result<(Held, Arc<Outbox>), Refusal> {
        let profile = match profile {
            CacheProfile::Standard => Profile::STANDARD,
            CacheProfile::Small => Profile::SMALL,
        };
        let broken = |error: io::Error| unusable(&format!("{error} ({})", directory.display()));
        let (stale, former) = (directory.join(STALE), directory.join(FORMER));
        if former.exists() {
            fs::remove_dir_all(&former).map_err(broken)?;
        }
        if stale.exists() {
            Sparse::forget(directory).map_err(|error| unusable(&error.to_string()))?;
            fs::remove_file(&stale).map_err(broken)?;
        }
        // By itself and first: whatever is wrong with one of the two is not to cost the other.
        let outbox = Sparse::outbox_in(directory, key, space, &profile).map_err(|error| unusable(&error.to_string()))?;
        let open = || {
            let mut sparse = Sparse::open_beside(Arc::clone(&outbox), directory, key, space, profile, Wall::system())?;
            sparse.keep_to(rules.clone())?;
            Ok(sparse)
        };
        let opened = match open() {
            Err(SparseError::Store(ReplicaError::Damaged(_) | ReplicaError::Newer { .. } | ReplicaError::OtherSpace)) => {
                tracing::warn!("the cache cannot be read; it is made anew from the archive");
                Sparse::forget(directory).map_err(|error| unusable(&error.to_string()))?;
                open()
            }
            opened => opened,
        };
        let mut sparse = opened.map_err(|error| unusable(&error.to_string()))?;
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING);
        let work = move || {
            while let Some(job) = waiting.blocking_recv() {
                job(&mut sparse);
            }
        };
        let thread = thread::Builder::new().name("cache".to_owned()).spawn(work);
        thread.map_err(|error| Refusal::internal(format!("start the thread of the cache: {error}")))?;
        Ok((Held { jobs, stale, spoiled: Arc::default() }, outbox))
    }

    /// Asks the store for something, in its turn. It is to be short.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sparse) -> Result<T, SparseError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.ask_or(move |sparse| work(sparse).map_err(|error| failed(&error))).await
    }

    /// Asks for something that may be refused for other reasons too.
    pub(crate) async fn ask_or<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sparse) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.with(work).await?.map_err(|refusal| self.noticed(refusal))
    }

    /// Does something with the store, in its turn. It is to be short.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sparse) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let lost = || Refusal::internal("hear from the thread of the cache");
        let (answer, answered) = oneshot::channel();
        // Who asked may have gone; what was asked for is done all the same.
        let job: Job = Box::new(move |sparse| drop(answer.send(work(sparse))));
        self.jobs.send(job).await.map_err(|_| lost())?;
        answered.await.map_err(|_| lost())
    }

    /// What to ask the archive for before anybody misses it.
    pub(crate) async fn prefetch(&self) -> Result<Vec<Ask>, Refusal> {
        self.ask(|sparse| sparse.prefetch()).await
    }

    /// Lets go of what nobody has used for long, a little at a time.
    pub(crate) async fn maintain(&self) -> Result<(), Refusal> {
        let due = self.ask(|sparse| sparse.due()).await?;
        loop {
            let left = self.ask(move |sparse| sparse.maintain_some(due)).await?;
            if left == Left::default() {
                return Ok(());
            }
            tracing::debug!(events = left.events, "what nobody has used for long has left");
        }
    }

    /// The archive is another than the one this cache was filled from, perhaps an older copy of it.
    pub(crate) fn forsake(&self) -> io::Result<()> {
        fs::write(&self.stale, [])
    }

    /// If something that is cached cannot be read any more, the cache is of no use: the process ends, and the next one begins
    /// with an empty one, for the archive has all of it.
    pub(crate) fn noticed(&self, refusal: Refusal) -> Refusal {
        if refusal.code == Code::ArchiveDamaged {
            let noted = self.forsake();
            tracing::warn!(noted = noted.is_ok(), "something that is cached is damaged; the cache is made anew from the archive");
            self.spoiled.notify_one();
        }
        refusal
    }

    /// Waits until the cache is of no use any more.
    pub(crate) async fn spoiled(&self) {
        self.spoiled.notified().await;
    }
}

pub(crate) fn failed(error: &SparseError) -> Refusal {
    match error {
        SparseError::Outbox(error) => full(error),
        SparseError::Store(error) if is_damage(error) => damaged(),
        error => unusable(&error.to_string()),
    }
}

/// Whether what is cached is what is wrong.
pub(crate) fn is_damage(error: &ReplicaError) -> bool {
    matches!(error, ReplicaError::Damaged(_))
}

/// What is told of that.
pub(crate) fn damaged() -> Refusal {
    let sentence = "something in the window's cache is damaged; it is made anew from the archive, so ask again in a moment";
    Refusal::new(Code::ArchiveDamaged, sentence)
}
