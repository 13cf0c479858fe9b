//! Job: what the person erased is erased from the memory too, whatever it was erased by. With a conversation goes all that
//! its memory says. With one trace of it go the entries that were made of it and the bundles those stand in; what else they
//! were made of is active and archived again, so that the next jobs put it together anew without it.

use replica::{
    Draft, ReplicaError, Snapshot,
    body::{Body, TraceId, memory_of},
};

use super::{
    EventId, Id, Sight, Step,
    ledger::{self, Ledger},
    lifecycle::{self, Life, Tier},
};

/// Erasures looked at in one step.
const TOGETHER: usize = 64;

pub(super) fn step(sight: &Sight<'_>, ledger: &mut Ledger) -> Result<Step, ReplicaError> {
    loop {
        let mut step = Step { erases: true, ..Step::default() };
        let count = ledger.erased.len().min(TOGETHER);
        let mut done = Vec::with_capacity(count);
        for (entity, event) in &ledger.erased[..count] {
            let before = step.drafts.len();
            match event {
                None => with_conversation(sight.snapshot, entity, &mut step)?,
                Some(trace) => with_trace(sight.snapshot, ledger, entity, trace, &mut step)?,
            }
            done.push(step.drafts.len() == before);
        }
        // What there was something to do for is looked at again when that is done.
        let mut done = done.into_iter();
        ledger.erased.retain(|_| !done.next().unwrap_or(false));
        if !step.drafts.is_empty() || ledger.erased.is_empty() {
            return Ok(step);
        }
    }
}

fn with_conversation(snapshot: &Snapshot<'_>, entity: &Id, step: &mut Step) -> Result<(), ReplicaError> {
    let memory = memory_of(entity);
    let said = snapshot.bodies_of(&memory)?;
    if said > 0 {
        step.moved.forgotten += said;
        step.drafts.push(Draft::erase_entity(memory, None));
    }
    Ok(())
}

fn with_trace(
    snapshot: &Snapshot<'_>,
    ledger: &Ledger,
    conversation: &Id,
    trace: &EventId,
    step: &mut Step,
) -> Result<(), ReplicaError> {
    let Some(talk) = ledger.talks.get(conversation) else { return Ok(()) };
    let (mut entries, mut moved) = (Vec::new(), Vec::new());
    for id in &talk.entries {
        let events = ledger.entries.get(id).map(|entry| entry.events.as_slice()).unwrap_or_default();
        let Some(first) = events.first() else { continue };
        let Some(Body::Experience(made)) = ledger::read(snapshot, first)? else { continue };
        if made.traces.contains(&TraceId(*trace)) {
            entries.push(*id);
            step.moved.forgotten += events.len() as u64;
            step.drafts.extend(events.iter().map(|event| Draft::erase_event(memory_of(conversation), *event)));
            let others = made.traces.iter().filter(|TraceId(other)| other != trace);
            moved.extend(others.map(|TraceId(other)| lifecycle::move_trace(other, Life::Active)));
        }
    }
    for (event, (_, items)) in ledger.bundles.iter().filter(|(_, (of, _))| of == conversation) {
        if items.iter().any(|item| entries.contains(item)) {
            step.moved.forgotten += 1;
            step.drafts.push(Draft::erase_event(memory_of(conversation), *event));
            let others = items.iter().filter(|item| !entries.contains(item));
            moved.extend(others.map(|item| lifecycle::move_entry(item, Tier::Archived)));
        }
    }
    if !moved.is_empty() {
        step.drafts.push(lifecycle::moves(conversation, moved));
    }
    Ok(())
}
