//! Job: what the person erased is erased from the memory too, whatever it was erased by. With a conversation goes all that
//! its memory says. With one trace of it go the entries that were made of it and the bundles those stand in; what else they
//! were made of is active and archived again, so that the next jobs put it together anew without it.

use std::collections::BTreeSet;

use replica::{Draft, ReplicaError, body::memory_of};

use super::{
    Id, Sight, Step,
    lifecycle::{self, Life, Tier},
    rows::{self, Cut},
    talk::{self, Folded},
};

/// Conversations looked at in one step.
const TOGETHER: usize = 64;

pub(super) fn step(sight: &mut Sight<'_>) -> Result<Step, ReplicaError> {
    let mut step = Step { erases: true, ..Step::default() };
    for row in rows::keys(sight.snapshot, rows::FORGET, None)?.take(TOGETHER) {
        let row = row?;
        let conversation = Cut(row.get(1..).unwrap_or_default()).take()?;
        let folded = talk::fold(sight.snapshot, &conversation)?;
        if folded.whole {
            let memory = memory_of(&conversation);
            step.moved.forgotten += sight.snapshot.bodies_of(&memory)?;
            step.drafts.push(Draft::erase_entity(memory, None));
        } else {
            with_traces(&conversation, &folded, &mut step);
        }
    }
    Ok(step)
}

fn with_traces(conversation: &Id, folded: &Folded, step: &mut Step) {
    let memory = memory_of(conversation);
    let (mut moved, mut gone) = (Vec::new(), BTreeSet::new());
    for (id, others) in &folded.tainted {
        gone.insert(*id);
        let events = folded.talk.entries.get(id).map(|entry| entry.events.as_slice()).unwrap_or_default();
        step.moved.forgotten += events.len() as u64;
        step.drafts.extend(events.iter().map(|event| Draft::erase_event(memory, *event)));
        moved.extend(others.iter().map(|trace| lifecycle::move_trace(trace, Life::Active)));
    }
    for (event, items) in folded.bundles.iter().filter(|(_, items)| items.iter().any(|item| gone.contains(item))) {
        step.moved.forgotten += 1;
        step.drafts.push(Draft::erase_event(memory, *event));
        let others = items.iter().filter(|item| !gone.contains(*item));
        moved.extend(others.map(|item| lifecycle::move_entry(item, Tier::Archived)));
    }
    if !moved.is_empty() {
        step.drafts.push(lifecycle::moves(conversation, moved));
    }
}
