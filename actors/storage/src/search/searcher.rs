//! The thread that answers questions: it asks the index which events fit best, and [`walk`](super::walk) which hits these
//! are.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use ipc::{Refusal, messages::storage::Hit};
use replica::{Replica, ReplicaError};
use tantivy::{IndexReader, ReloadPolicy, TantivyError};
use tokio::sync::{oneshot, watch};

use super::{
    best::Best,
    index::{self, Fields},
    indexer::Progress,
    newest::Newest,
    orders::Orders,
    query::Question,
    sealed_directory::SealedDirectory,
    walk::Walk,
};
use crate::errors::refusal;

/// How long the index stays open for questions after the last one.
const IDLE: Duration = Duration::from_secs(60);

/// A question and where its answer goes.
pub(crate) struct Asked {
    pub(crate) question: Question,
    pub(crate) skip: usize,
    pub(crate) limit: usize,
    pub(crate) answer: oneshot::Sender<Result<Answer, Refusal>>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) hits: Vec<Hit>,
    /// There are more.
    pub(crate) more: bool,
    /// The place in the archive up to which was looked.
    pub(crate) searched: u64,
}

/// What the thread has.
pub(crate) struct Searcher {
    pub(crate) replica: Replica,
    pub(crate) directory: SealedDirectory,
    pub(crate) orders: Arc<Orders>,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) turning: Arc<Mutex<()>>,
}

/// An index that is open for questions, as it was at some commit.
struct Open {
    reader: IndexReader,
    fields: Fields,
    of: Progress,
    /// Of the question that was asked last.
    walk: Option<Walk>,
}

impl Searcher {
    /// Answers until nobody can ask any more.
    pub(crate) fn run(self, questions: &mpsc::Receiver<Asked>) {
        let mut open = None;
        loop {
            let asked = match questions.recv_timeout(IDLE) {
                Ok(asked) => asked,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    open = None;
                    self.directory.forget();
                    match questions.recv() {
                        Ok(asked) => asked,
                        Err(_) => return,
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let answer = self.answer(&mut open, &asked);
            // Who asked may have gone.
            let _ = asked.answer.send(answer);
        }
    }

    fn answer(&self, open: &mut Option<Open>, asked: &Asked) -> Result<Answer, Refusal> {
        let rebuilds = self.progress.borrow().rebuilds;
        match self.look(open, asked) {
            Ok(found) if !self.directory.damaged() => found.map_err(|error| refusal(&error)),
            other => {
                // Nothing that was read from it counts.
                *open = None;
                // A moment ago it may have been thrown away to be made again.
                if self.progress.borrow().rebuilds == rebuilds {
                    let error = other.err().map(|error| error.to_string());
                    tracing::warn!(error, "the search index cannot be read");
                    self.orders.rebuild();
                }
                Ok(Answer::default())
            }
        }
    }

    /// A page of hits, from the index as it is now.
    fn look(&self, open: &mut Option<Open>, asked: &Asked) -> Result<Result<Answer, ReplicaError>, TantivyError> {
        let open = {
            // Nothing is thrown away while it is looked at; and what is said to be in it was there before it was said.
            let _turning = self.turning.lock();
            let now = *self.progress.borrow();
            if open.as_ref().is_some_and(|open| open.of.rebuilds != now.rebuilds) {
                *open = None;
            }
            match open {
                Some(open) => {
                    if open.of != now {
                        open.reader.reload()?;
                        (open.of, open.walk) = (now, None);
                    }
                    open
                }
                // There is no index yet, or nothing in it.
                None if now.position == 0 => return Ok(Ok(Answer::default())),
                None => {
                    let (index, fields) = index::open(&self.directory)?;
                    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
                    open.insert(Open { reader, fields, of: now, walk: None })
                }
            }
        };
        // Whoever turns the page goes on where the one before ended.
        let walk = open.walk.take().filter(|walk| *walk.question() == asked.question);
        let walk = open.walk.insert(walk.unwrap_or_else(|| Walk::new(asked.question.clone())));
        let (query, searcher) = (asked.question.query(&open.fields), open.reader.searcher());
        let best = |limit| match asked.question.ranks() {
            true => searcher.search(&query, &Best(limit)),
            false => Newest::of(&searcher, &query, limit),
        };
        let end = asked.skip + asked.limit;
        if let Err(error) = walk.reach(&self.replica, end + 1, &best)? {
            return Ok(Err(error));
        }
        let page = walk.page(&self.replica, asked.skip, asked.limit);
        Ok(page.map(|hits| Answer { hits, more: walk.len() > end, searched: open.of.position }))
    }
}
