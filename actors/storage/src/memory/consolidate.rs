//! Job: traces become entries of the log. Ten of a conversation do at once; fewer do when the oldest of them has been in the
//! short-term memory for its time. They are taken in the order of their clocks, ten by ten, so that two devices that have
//! the same traces make the same entries.

use ipc::event::Clock;
use replica::{
    Draft, Recorded, ReplicaError, Version,
    body::{Body, Trace, memory_of},
};

use super::{
    EventId, Id, Sight, Step, experience,
    lifecycle::{self, Life},
    numbers::{CONSOLIDATE_AT, SHORT_TERM, is_older},
    rows::{self, Cut},
};

/// Entries made in one step.
const TOGETHER: usize = 8;

pub(super) fn step(sight: &mut Sight<'_>) -> Result<Step, ReplicaError> {
    loop {
        let (mut step, mut given_up) = (Step::default(), false);
        for (conversation, traces) in due(sight)? {
            let (read, lost) = read_all(sight, &traces)?;
            if lost.is_empty() {
                put_together(&mut step, &conversation, &read);
            }
            // What is left without those may not be due.
            for trace in lost {
                given_up |= sight.given_up.add(trace);
            }
        }
        if !given_up || !step.drafts.is_empty() {
            return Ok(step);
        }
    }
}

type Read = (Vec<(Recorded, Trace)>, Vec<EventId>);

/// What these traces say, and those of them that say nothing.
fn read_all(sight: &Sight<'_>, traces: &[EventId]) -> Result<Read, ReplicaError> {
    let (mut read, mut lost) = (Vec::with_capacity(traces.len()), Vec::new());
    for id in traces {
        match sight.snapshot.version(id) {
            Ok(Some(Version { event, body: Some(Body::Trace(trace)) })) => read.push((event, trace)),
            Ok(_) | Err(ReplicaError::Damaged(_)) => lost.push(*id),
            Err(error) => return Err(error),
        }
    }
    Ok((read, lost))
}

fn put_together(step: &mut Step, conversation: &Id, read: &[(Recorded, Trace)]) {
    let made = experience::make(conversation, read);
    let moved = read.iter().map(|(event, _)| lifecycle::move_trace(&event.id, Life::Consolidated)).collect();
    step.moved.made += 1;
    step.moved.consolidated += read.len() as u64;
    let (entity, once) = (memory_of(conversation), Some(made.id));
    step.drafts.push(Draft { entity, body: Body::Experience(made), once });
    step.drafts.push(lifecycle::moves(conversation, moved));
}

/// Some of what is to be put together.
fn due(sight: &Sight<'_>) -> Result<Vec<(Id, Vec<EventId>)>, ReplicaError> {
    let mut found = Vec::new();
    for row in rows::keys(sight.snapshot, rows::DUE, None)? {
        let row = row?;
        let mut cut = Cut(row.get(1..).unwrap_or_default());
        let (oldest, conversation) = (cut.number()?, cut.take()?);
        if oldest != 0 && !is_older(oldest, sight.now, SHORT_TERM) {
            break;
        }
        let traces = rows::traces(sight.snapshot, &conversation)?;
        let active = traces.iter().filter(|((_, id), life)| **life == Life::Active && !sight.given_up.has(id));
        let active: Vec<(u64, EventId)> = active.map(|((clock, id), _)| (Clock(*clock).millis(), *id)).collect();
        let groups = active.chunks(CONSOLIDATE_AT).filter(|group| {
            let oldest = group.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
            group.len() == CONSOLIDATE_AT || is_older(oldest, sight.now, SHORT_TERM)
        });
        found.extend(groups.map(|group| (conversation, group.iter().map(|(_, id)| *id).collect())));
        if found.len() >= TOGETHER {
            found.truncate(TOGETHER);
            break;
        }
    }
    Ok(found)
}
