//! Job: traces that entries were made of are archived when nothing has happened in their conversation for a week.

use replica::ReplicaError;

use super::{
    Sight, Step,
    lifecycle::{self, Life},
    numbers::{IDLE, is_older},
    rows::{self, Cut},
};

/// Traces moved in one step, and conversations they are of.
const TRACES: usize = 256;
const CONVERSATIONS: usize = 16;

pub(super) fn step(sight: &mut Sight<'_>) -> Result<Step, ReplicaError> {
    let mut step = Step::default();
    for row in rows::keys(sight.snapshot, rows::IDLE, None)? {
        let row = row?;
        let mut cut = Cut(row.get(1..).unwrap_or_default());
        let (newest, conversation) = (cut.number()?, cut.take()?);
        // It has changed since its newest trace, or then.
        if !is_older(newest, sight.now, IDLE) {
            break;
        }
        let view = sight.snapshot.conversation(&conversation)?;
        // Traces of a conversation that never began, because that has not come from another device yet, wait for it.
        if !view.is_some_and(|view| is_older(view.changed().millis(), sight.now, IDLE)) {
            continue;
        }
        let traces = rows::traces(sight.snapshot, &conversation)?;
        let done = traces.iter().filter(|(_, life)| **life == Life::Consolidated).take(TRACES);
        let moved: Vec<_> = done.map(|((_, trace), _)| lifecycle::move_trace(trace, Life::Archived)).collect();
        step.moved.archived += moved.len() as u64;
        step.drafts.push(lifecycle::moves(&conversation, moved));
        if step.drafts.len() >= CONVERSATIONS {
            break;
        }
    }
    Ok(step)
}
