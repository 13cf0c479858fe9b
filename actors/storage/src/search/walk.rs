//! What the index ranks, made into hits by what the archive says. An event that the archive no longer has, a title that no
//! longer holds and a version of a file that was replaced are left out, whatever the index says; and what is said of one
//! turn, its question, its answer, its goal and the title it gave, is one hit.
//!
//! It begins at the best in any case, so that which hits there are and in which order does not depend on how many of them
//! are shown at a time; whoever turns the page goes on with the walk that is there.

use std::collections::HashSet;

use ipc::{
    id::{ConversationId, MessageId},
    messages::{
        chat::Author,
        storage::{Hit, HitKind},
    },
};
use replica::{Conversation, Record, Replica, ReplicaError, Snapshot, body};
use tantivy::TantivyError;

use super::{best::Rank, index, query::Question, snippet::snippet};
use crate::volumes;

/// Messages about a goal or a title that are looked at for the one that says it: those of a turn stand together.
const NEAR: usize = 8;

/// How much further the index is asked each time there were too few hits in what it gave.
const FURTHER: usize = 4;

/// What makes hits one: the conversation and the turn.
type Turn = ([u8; 16], [u8; 16]);

/// A hit that was come by.
struct Found {
    rank: Rank,
    /// The place of the event that is shown for it.
    shown: u64,
}

/// Hits of a question, as far as somebody wanted to see them.
pub(crate) struct Walk {
    question: Question,
    /// What the index gave, and how many it was asked for.
    ranks: Vec<Rank>,
    asked: usize,
    /// How many of them were looked at; and which, for a longer list may have equals in another order.
    looked: usize,
    places: HashSet<u64>,
    turns: HashSet<Turn>,
    hits: Vec<Found>,
}

impl Walk {
    /// One that has not begun.
    pub(crate) fn new(question: Question) -> Walk {
        let (places, turns) = (HashSet::new(), HashSet::new());
        Walk { question, ranks: Vec::new(), asked: 0, looked: 0, places, turns, hits: Vec::new() }
    }

    /// Whose hits these are.
    pub(crate) fn question(&self) -> &Question {
        &self.question
    }

    /// Hits that were come by.
    pub(crate) fn len(&self) -> usize {
        self.hits.len()
    }

    /// Goes on until there are so many hits, or no more. `best` gives the best of the index, as many as it is asked for.
    pub(crate) fn reach(
        &mut self,
        replica: &Replica,
        wanted: usize,
        best: &dyn Fn(usize) -> Result<Vec<Rank>, TantivyError>,
    ) -> Result<Result<(), ReplicaError>, TantivyError> {
        while self.hits.len() < wanted {
            let Some(rank) = self.ranks.get(self.looked).copied() else {
                if self.ranks.len() < self.asked {
                    break;
                }
                // A turn has a question and an answer at least.
                self.asked = (self.asked * FURTHER).max(2 * wanted);
                (self.ranks, self.looked) = (best(self.asked)?, 0);
                if self.ranks.len() <= self.places.len() {
                    break;
                }
                continue;
            };
            self.looked += 1;
            if self.places.insert(rank.position)
                && let Err(error) = self.take(replica, rank)
            {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn take(&mut self, replica: &Replica, rank: Rank) -> Result<(), ReplicaError> {
        // A snapshot for each: none is held for long.
        let snapshot = replica.snapshot()?;
        match self.shown(&snapshot, rank.position) {
            Ok(Some(shown)) => self.hits.push(Found { rank, shown }),
            // It is there and cannot be read; `verify` says so, and the others are shown.
            Ok(None) | Err(ReplicaError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The place of the event that is shown for one that was found; `None` if it is no hit, or one of a turn that is.
    fn shown(&mut self, snapshot: &Snapshot<'_>, place: u64) -> Result<Option<u64>, ReplicaError> {
        let Some(Standing { kind, record, turn, .. }) = standing(snapshot, place)? else { return Ok(None) };
        let Some(turn) = turn else { return Ok(Some(place)) };
        if !self.turns.insert(turn) {
            return Ok(None);
        }
        if kind == HitKind::Message || self.question.is_of_one_kind() {
            return Ok(Some(place));
        }
        // Words that were said show more than the goal or the title that was made of them.
        let about = match kind {
            HitKind::Trace => record.event.clock().0,
            _ => 0,
        };
        let said = snapshot.messages_near(&turn.0, about, NEAR)?.into_iter().find(|record| match &record.body {
            body::Body::Message(message) if message.turn == turn.1 => {
                let at = record.event.clock().millis();
                self.question.fits(index::author(message.author), at, &index::message_texts(message).join("\n"))
            }
            _ => false,
        });
        Ok(Some(said.map_or(place, |said| said.event.position)))
    }

    /// These of the hits.
    pub(crate) fn page(&self, replica: &Replica, skip: usize, limit: usize) -> Result<Vec<Hit>, ReplicaError> {
        let mut hits = Vec::new();
        for found in self.hits.iter().skip(skip).take(limit) {
            // To look through a long text takes longer than one snapshot may be held.
            let hit = hit(&replica.snapshot()?, found);
            match hit {
                Ok(Some((hit, text))) => {
                    let (snippet, marks) = snippet(&text, &self.question.wanted);
                    hits.push(Hit { snippet, marks, ..hit });
                }
                Ok(None) | Err(ReplicaError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(hits)
    }
}

/// An event that is still what the index believes.
struct Standing {
    kind: HitKind,
    record: Record,
    conversation: Option<Conversation>,
    turn: Option<Turn>,
}

fn standing(snapshot: &Snapshot<'_>, place: u64) -> Result<Option<Standing>, ReplicaError> {
    let Some(record) = snapshot.record(place)? else { return Ok(None) };
    let entity = record.event.header.entity;
    let conversation = snapshot.conversation(&entity)?;
    let kind = match &record.body {
        body::Body::Message(_) => HitKind::Message,
        body::Body::Trace(_) => HitKind::Trace,
        body::Body::Conversation(body) | body::Body::Title(body)
            if conversation.as_ref().is_some_and(|view| view.title == body.title) =>
        {
            HitKind::Title
        }
        body::Body::File(_) if is_present(snapshot, &entity, place)? => HitKind::File,
        _ => return Ok(None),
    };
    let turn = turn_of(snapshot, entity, &record.body)?;
    Ok(Some(Standing { kind, record, conversation, turn }))
}

/// The turn an event belongs to, if it belongs to one.
fn turn_of(snapshot: &Snapshot<'_>, entity: [u8; 16], body: &body::Body) -> Result<Option<Turn>, ReplicaError> {
    let turn = match body {
        body::Body::Message(message) => message.turn,
        body::Body::Trace(trace) => trace.turn,
        // A title is made of the first question, until somebody gives another.
        body::Body::Conversation(_) | body::Body::Title(_) => {
            match snapshot.messages(&entity, 0, 1, usize::MAX).map(|mut page| page.items.pop().map(|record| record.body)) {
                Ok(Some(body::Body::Message(message))) => message.turn,
                Ok(_) | Err(ReplicaError::Damaged(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        _ => return Ok(None),
    };
    Ok((turn != [0; 16]).then_some((entity, turn)))
}

/// Whether a version of a file is the one that is read.
fn is_present(snapshot: &Snapshot<'_>, entity: &[u8; 16], place: u64) -> Result<bool, ReplicaError> {
    match snapshot.file_view(entity)? {
        Some(view) if view.position == place => volumes::is_read(snapshot, &view),
        _ => Ok(false),
    }
}

/// A hit without the line that is shown of it, and its text; `None` if it went meanwhile.
fn hit(snapshot: &Snapshot<'_>, found: &Found) -> Result<Option<(Hit, String)>, ReplicaError> {
    let Some(Standing { kind, record, conversation, .. }) = standing(snapshot, found.shown)? else { return Ok(None) };
    let Record { event, body } = record;
    let title = || conversation.as_ref().map(|view| view.title.clone()).unwrap_or_default();
    let (mut message, mut author) = (None, None);
    let (title, text) = match &body {
        body::Body::Message(body) => {
            message = Some(MessageId(body.id));
            author = Some(match body.author {
                body::Author::Person => Author::Person,
                body::Author::Assistant => Author::Assistant,
            });
            (title(), index::message_texts(body).join("\n"))
        }
        body::Body::Trace(trace) => (title(), trace.goal.clone()),
        body::Body::Conversation(body) | body::Body::Title(body) => (title(), body.title.clone()),
        body::Body::File(file) => (file.path.clone(), index::file_text(snapshot, file)?),
        _ => return Ok(None),
    };
    let hit = Hit {
        kind,
        conversation: (kind != HitKind::File).then_some(ConversationId(event.header.entity)),
        message,
        author,
        event: event.id,
        title,
        snippet: String::new(),
        marks: Vec::new(),
        at_ms: event.clock().millis(),
        // Saturates, and is never negative.
        score: (found.rank.score * 1000.0) as u32,
    };
    Ok(Some((hit, text)))
}
