//! What in the live part of the log is like some words: at most three entries of the last ninety days, none less alike than
//! 0.3. An entry is as alike as the one line of it that is most so, among its goal, the goals of its traces and what went
//! wrong: beside a question of a few words the whole of an entry would always look unlike it.

use std::cmp::Reverse;

use ipc::{
    Code, Refusal,
    messages::storage::{MAX_MEMORY_QUESTION, MemoryFound, MemoryHit, MemoryTier, QueryMemory},
};
use replica::{Replica, ReplicaError, body::Experience};

use super::{
    experience, list,
    numbers::{MIN_SIMILARITY, QUERY_LIMIT, WINDOW, is_older},
    rows::{self, Cut},
    similarity::Terms,
};

/// Entries read in one snapshot.
const SLICE: usize = 64;

pub(super) fn check(request: &QueryMemory) -> Result<(), Refusal> {
    let wrong = match request.question.len() {
        0 => "a question to the memory has at least one word".to_owned(),
        1..=MAX_MEMORY_QUESTION => return Ok(()),
        _ => format!("a question to the memory has at most {MAX_MEMORY_QUESTION} bytes"),
    };
    Err(Refusal::new(Code::QuestionUnclear, wrong))
}

pub(super) fn find(replica: &Replica, now: u64, question: &str) -> Result<MemoryFound, ReplicaError> {
    let wanted = Terms::of(question);
    let mut best: Vec<(u16, u64, Experience, String)> = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    'all: loop {
        let snapshot = replica.snapshot()?;
        let some: Vec<_> = rows::keys(&snapshot, rows::LIVE, after.as_deref())?.take(SLICE).collect::<Result<_, _>>()?;
        for row in &some {
            let mut cut = Cut(row.get(1..).unwrap_or_default());
            let (at, id, conversation) = (!cut.number()?, cut.take()?, cut.take()?);
            // They come the newest first.
            if is_older(at, now, WINDOW) {
                break 'all;
            }
            let Some(made) = list::entry(&snapshot, &conversation, &id)? else { continue };
            let Some((similarity, line)) = most_alike(&wanted, &made) else { continue };
            best.push((similarity, at, made, line));
            best.sort_by_key(|(similarity, at, made, _)| (Reverse(*similarity), Reverse(*at), made.id));
            best.truncate(QUERY_LIMIT);
        }
        after = some.last().cloned();
        if some.len() < SLICE {
            break;
        }
    }
    let snapshot = replica.snapshot()?;
    let hit = |(similarity, _, made, line): (u16, u64, Experience, String)| {
        let entry = list::remembered(&snapshot, &made.conversation, &experience::in_short(&made), MemoryTier::Live)?;
        Ok(MemoryHit { entry, similarity, line, learnings: made.learnings })
    };
    Ok(MemoryFound { items: best.into_iter().map(hit).collect::<Result<_, ReplicaError>>()? })
}

/// The line of an entry that is most alike, if it is alike enough, and how alike in thousandths.
fn most_alike(wanted: &Terms, made: &Experience) -> Option<(u16, String)> {
    let lines = std::iter::once(&made.goal).chain(&made.summary).chain(&made.learnings);
    let alike = lines.map(|line| (wanted.similarity(&Terms::of(line)), line));
    let (similarity, line) = alike.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    // A sum of roots may be a last digit away from what it stands for.
    (similarity + 1e-9 >= MIN_SIMILARITY).then(|| (((similarity + 1e-9) * 1000.0) as u16, line.clone()))
}
