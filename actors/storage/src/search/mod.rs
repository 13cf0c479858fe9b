//! Full-text search over everything that is kept: an index beside the archive, made from it, sealed like it, and never
//! needed to have it.
//!
//! [`tokens`] reads text, [`index`] says what of the archive becomes a document, [`indexer`] keeps the index up with the
//! archive on a thread of its own, [`query`] reads what people type, [`searcher`] answers on another thread, [`walk`] makes
//! hits of what is found, [`snippet`] shows where, and [`sealed_directory`] keeps the engine's files.
//!
//! **Architecture Invariant:** no write waits for the index, and nothing is answered from it alone: what is shown comes
//! from the archive. The index holds no text and is opened when it is first needed.

mod best;
mod index;
mod indexer;
mod newest;
mod orders;
mod query;
mod sealed_directory;
mod sealed_file;
mod searcher;
mod snippet;
#[cfg(test)]
mod tests;
mod tokens;
mod walk;

pub(crate) use tokens::Tokens;

use std::{
    path::Path,
    sync::{Arc, Mutex, OnceLock, mpsc},
    thread,
    time::Duration,
};

use ipc::{
    Code, Refusal,
    messages::storage::{self as wire, Found, MAX_HITS, MAX_SKIP, Reindexed},
};
use replica::Replica;
use tokio::sync::{oneshot, watch};

use crate::{
    errors::{ours, refusal},
    writer::WriterHandle,
};
use indexer::{Indexer, Progress};
use orders::Orders;
use sealed_directory::SealedDirectory;
use searcher::{Asked, Searcher};

/// How long a question waits for what was kept a moment ago to be found. It is answered then, complete or not.
const FRESH: Duration = Duration::from_millis(500);

/// Events that are worth waiting for; more take longer than anybody waits.
const FEW: u64 = 1000;

/// Questions that may wait for the thread that answers.
const WAITING: usize = 16;

/// The name of the directory of the index beside the archive.
const DIRECTORY: &str = "search";

/// Finds. Its threads end with it.
pub struct Search {
    replica: Replica,
    directory: SealedDirectory,
    orders: Arc<Orders>,
    progress: watch::Receiver<Progress>,
    turning: Arc<Mutex<()>>,
    questions: OnceLock<mpsc::SyncSender<Asked>>,
}

impl Search {
    /// Starts the thread that indexes; it opens nothing before there is something to do.
    pub fn start(archive: &Path, replica: Replica) -> Result<Search, Refusal> {
        let directory = SealedDirectory::open(archive.join(DIRECTORY), replica.index_seal())
            .and_then(|directory| directory.clear_beside().map(|()| directory))
            .map_err(|error| ours("make the directory of the search index", &error))?;
        let (orders, turning) = (Arc::new(Orders::default()), Arc::default());
        let (said, progress) = watch::channel(Progress::default());
        let indexer = Indexer::new(replica.clone(), directory.clone(), Arc::clone(&orders), said, Arc::clone(&turning));
        let thread = thread::Builder::new().name("indexer".to_owned()).spawn(move || indexer.run());
        thread.map_err(|error| ours("start the indexing thread", &error))?;
        orders.kept();
        Ok(Search { replica, directory, orders, progress, turning, questions: OnceLock::new() })
    }

    /// Has the index follow what is kept from now on.
    pub(crate) fn follow(&self, writer: &WriterHandle) {
        let (mut kept, orders) = (writer.follow(), Arc::clone(&self.orders));
        actix::spawn(async move {
            // A follower that missed some knows all the same that there is something.
            while !matches!(kept.recv().await, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                orders.kept();
            }
        });
    }

    /// Answers a question.
    pub async fn find(&self, request: wire::Search) -> Result<Found, Refusal> {
        let question = query::parse(&request.question)?;
        if request.skip > MAX_SKIP {
            return Err(Refusal::new(
                Code::QuestionUnclear,
                format!("a search goes no further than {MAX_SKIP} hits; look for more words"),
            ));
        }
        let newest = self.newest()?;
        self.freshen(newest).await;
        let (answer, answered) = oneshot::channel();
        let (skip, limit) = (request.skip as usize, usize::from(request.limit.clamp(1, MAX_HITS)));
        let asked = Asked { question, skip, limit, answer };
        self.questions()?.try_send(asked).map_err(|_| Refusal::new(Code::Busy, "too many searches at once; try again"))?;
        let answer = answered.await.map_err(|error| ours("hear from the searching thread", &error))??;
        let next = request.skip.saturating_add(u32::try_from(limit).unwrap_or(u32::MAX));
        Ok(Found {
            hits: answer.hits,
            next: (answer.more && next <= MAX_SKIP).then_some(next),
            complete: answer.searched >= newest,
            searched: answer.searched,
            newest,
        })
    }

    /// Makes the index again.
    pub async fn reindex(&self) -> Result<Reindexed, Refusal> {
        let newest = self.newest()?;
        let mut progress = self.progress.clone();
        let before = *progress.borrow();
        self.orders.renew();
        let made = |now: &Progress| now.rebuilds > before.rebuilds && now.position >= newest;
        let done = progress.wait_for(|now| made(now) || now.refused > before.refused).await;
        let done = *done.map_err(|error| ours("hear from the indexing thread", &error))?;
        if made(&done) {
            return Ok(Reindexed { searched: done.position, bytes: self.directory.bytes_on_disk() });
        }
        let stays = "the old one stays and is searched";
        Err(match done.full {
            true => Refusal::new(
                Code::DiskFull,
                format!("the disk has no room for another search index; make room and try again, {stays}"),
            ),
            false => Refusal::new(
                Code::ArchiveUnavailable,
                format!("another search index cannot be made beside this space's archive; `lamos tail` shows why, {stays}"),
            ),
        })
    }

    /// Has the index made again, and waits for nothing.
    pub(crate) fn renew(&self) {
        self.orders.renew();
    }

    fn newest(&self) -> Result<u64, Refusal> {
        let newest = self.replica.snapshot().and_then(|snapshot| snapshot.newest_event()).map_err(|error| refusal(&error))?;
        Ok(newest.map_or(0, |(position, _)| position))
    }

    /// Waits for the little that was kept a moment ago.
    async fn freshen(&self, newest: u64) {
        let mut progress = self.progress.clone();
        let reached = progress.borrow().position;
        if reached < newest {
            self.orders.hurry();
            // At a start it is not known yet how far the index is.
            if reached == 0 || newest - reached <= FEW {
                // Late is answered too, and said to be incomplete.
                let _ = tokio::time::timeout(FRESH, progress.wait_for(|progress| progress.position >= newest)).await;
            }
        }
    }

    /// The way to the thread that answers, which is started by the first question.
    fn questions(&self) -> Result<&mpsc::SyncSender<Asked>, Refusal> {
        if let Some(questions) = self.questions.get() {
            return Ok(questions);
        }
        let (questions, asked) = mpsc::sync_channel(WAITING);
        let searcher = Searcher {
            replica: self.replica.clone(),
            directory: self.directory.clone(),
            orders: Arc::clone(&self.orders),
            progress: self.progress.clone(),
            turning: Arc::clone(&self.turning),
        };
        let thread = thread::Builder::new().name("searcher".to_owned()).spawn(move || searcher.run(&asked));
        thread.map_err(|error| ours("start the searching thread", &error))?;
        Ok(self.questions.get_or_init(|| questions))
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.orders.stop();
    }
}
