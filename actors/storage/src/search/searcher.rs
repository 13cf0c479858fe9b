//! The thread that answers questions: it asks the index which events fit best, and the archive what they say. An event
//! that the archive no longer has, a title that no longer holds and a version of a file that was replaced are left out,
//! whatever the index says; and what is said of one turn, its question, its answer, its goal and the title it gave, is one
//! hit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use ipc::{
    Refusal,
    id::{ConversationId, MessageId},
    messages::{
        chat::Author,
        storage::{Hit, HitKind},
    },
};
use replica::{Record, Replica, ReplicaError, Snapshot, body};
use tantivy::{IndexReader, ReloadPolicy, TantivyError};
use tokio::sync::{oneshot, watch};

use super::{
    best::{Best, Rank},
    index::{self, Fields},
    indexer::Progress,
    newest::Newest,
    orders::Orders,
    query::Question,
    sealed_directory::SealedDirectory,
    snippet::snippet,
};
use crate::{errors::refusal, volumes};

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
    /// There may be more.
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
        match self.ranks(open, asked) {
            Ok(ranks) if !self.directory.damaged() => {
                let searched = open.as_ref().map_or(0, |open| open.of.position);
                self.hits(&ranks, asked, searched).map_err(|error| refusal(&error))
            }
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

    /// The best of what the index has, one more than asked for if there are more.
    fn ranks(&self, open: &mut Option<Open>, asked: &Asked) -> Result<Vec<Rank>, TantivyError> {
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
                        open.of = now;
                    }
                    open
                }
                // There is no index yet, or nothing in it.
                None if now.position == 0 => return Ok(Vec::new()),
                None => {
                    let (index, fields) = index::open(&self.directory)?;
                    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
                    open.insert(Open { reader, fields, of: now })
                }
            }
        };
        let (query, limit) = (asked.question.query(&open.fields), asked.skip + asked.limit + 1);
        let searcher = open.reader.searcher();
        if asked.question.ranks() { searcher.search(&query, &Best(limit)) } else { Newest::of(&searcher, &query, limit) }
    }

    /// What the archive says of them.
    fn hits(&self, ranks: &[Rank], asked: &Asked, searched: u64) -> Result<Answer, ReplicaError> {
        let more = ranks.len() > asked.skip + asked.limit;
        let mut hits: Vec<Hit> = Vec::new();
        // Turns and where their hit is on this page; `None` if it was on the one before.
        let mut turns: HashMap<Turn, Option<usize>> = HashMap::new();
        for rank in ranks.iter().take(asked.skip).skip(asked.skip.saturating_sub(LOOKED_BACK)) {
            if let Ok(Some(turn)) = turn_at(&self.replica.snapshot()?, rank) {
                turns.insert(turn, None);
            }
        }
        for rank in ranks.iter().skip(asked.skip).take(asked.limit) {
            // A snapshot for each: to look through a long text takes longer than one may be held.
            let found = hit(&self.replica.snapshot()?, rank);
            let Hitting { mut hit, text, turn } = match found {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                // It is there and cannot be read; `verify` says so, and the others are shown.
                Err(ReplicaError::Damaged(_)) => continue,
                Err(error) => return Err(error),
            };
            let before = turn.and_then(|turn| turns.get(&turn).copied());
            // Words that were said show more than the goal or the title that was made of them.
            let says_more =
                |at: &usize| hit.kind == HitKind::Message && hits.get(*at).is_some_and(|hit| hit.kind != HitKind::Message);
            let place = match before {
                Some(at) if !at.as_ref().is_some_and(says_more) => continue,
                Some(at) => at,
                None => None,
            };
            (hit.snippet, hit.marks) = snippet(&text, &asked.question.wanted);
            match place.and_then(|at| hits.get_mut(at)) {
                Some(lesser) => *lesser = Hit { score: lesser.score, ..hit },
                None => {
                    turns.extend(turn.map(|turn| (turn, Some(hits.len()))));
                    hits.push(hit);
                }
            }
        }
        Ok(Answer { hits, more, searched })
    }
}

/// What makes hits one: the conversation and the turn.
type Turn = ([u8; 16], [u8; 16]);

/// Hits before a page that are looked at, so that what was shown there is not shown again. What is said of one turn has much the
/// same words and so is found close together.
const LOOKED_BACK: usize = 50;

/// An event that was found.
struct Hitting {
    hit: Hit,
    text: String,
    turn: Option<Turn>,
}

/// The turn an event belongs to, if it belongs to one.
fn turn_of(snapshot: &Snapshot<'_>, entity: [u8; 16], body: &body::Body) -> Result<Option<Turn>, ReplicaError> {
    let turn = match body {
        body::Body::Message(message) => message.turn,
        body::Body::Trace(trace) => trace.turn,
        // A title is made of the first question, until somebody gives another.
        body::Body::Conversation(_) | body::Body::Title(_) => {
            let first = snapshot.messages(&entity, 0, 1, usize::MAX)?.items.pop();
            match first.map(|record| record.body) {
                Some(body::Body::Message(message)) => message.turn,
                _ => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    Ok((turn != [0; 16]).then_some((entity, turn)))
}

fn turn_at(snapshot: &Snapshot<'_>, rank: &Rank) -> Result<Option<Turn>, ReplicaError> {
    let Some(Record { event, body }) = snapshot.record(rank.position)? else { return Ok(None) };
    turn_of(snapshot, event.header.entity, &body)
}

/// Whether a version of a file is the one that is read.
fn is_present(snapshot: &Snapshot<'_>, entity: &[u8; 16], rank: &Rank) -> Result<bool, ReplicaError> {
    match snapshot.file_view(entity)? {
        Some(view) if view.position == rank.position => volumes::is_read(snapshot, &view),
        _ => Ok(false),
    }
}

/// An event as a hit, and its text; `None` if it is no more what the index believes.
fn hit(snapshot: &Snapshot<'_>, rank: &Rank) -> Result<Option<Hitting>, ReplicaError> {
    let Some(Record { event, body }) = snapshot.record(rank.position)? else { return Ok(None) };
    let entity = event.header.entity;
    let turn = turn_of(snapshot, entity, &body)?;
    let conversation = snapshot.conversation(&entity)?;
    let title = || conversation.as_ref().map(|view| view.title.clone()).unwrap_or_default();
    let (mut message, mut author) = (None, None);
    let (kind, title, text) = match &body {
        body::Body::Message(body) => {
            message = Some(MessageId(body.id));
            author = Some(match body.author {
                body::Author::Person => Author::Person,
                body::Author::Assistant => Author::Assistant,
            });
            (HitKind::Message, title(), index::message_texts(body).join("\n"))
        }
        body::Body::Trace(trace) => (HitKind::Trace, title(), trace.goal.clone()),
        body::Body::Conversation(body) | body::Body::Title(body)
            if conversation.as_ref().is_some_and(|view| view.title == body.title) =>
        {
            (HitKind::Title, title(), body.title.clone())
        }
        body::Body::File(file) if is_present(snapshot, &entity, rank)? => {
            (HitKind::File, file.path.clone(), index::file_text(snapshot, file)?)
        }
        _ => return Ok(None),
    };
    let hit = Hit {
        kind,
        conversation: (kind != HitKind::File).then_some(ConversationId(entity)),
        message,
        author,
        event: event.id,
        title,
        snippet: String::new(),
        marks: Vec::new(),
        at_ms: event.clock().millis(),
        // Saturates, and is never negative.
        score: (rank.score * 1000.0) as u32,
    };
    Ok(Some(Hitting { hit, text, turn }))
}
