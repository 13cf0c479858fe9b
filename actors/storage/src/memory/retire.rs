//! Job: traces that entries were made of are archived when nothing has happened in their conversation for a week.

use replica::ReplicaError;

use super::{
    Sight, Step,
    ledger::Ledger,
    lifecycle::{self, Life},
    numbers::{IDLE, is_older},
};

/// Traces moved in one step, and conversations they are of.
const TRACES: usize = 256;
const CONVERSATIONS: usize = 16;

pub(super) fn step(sight: &Sight<'_>, ledger: &mut Ledger) -> Result<Step, ReplicaError> {
    let mut step = Step::default();
    for (conversation, talk) in &ledger.talks {
        let moved: Vec<_> = talk
            .traces_in(Life::Consolidated)
            .take(TRACES)
            .map(|(_, trace)| lifecycle::move_trace(&trace, Life::Archived))
            .collect();
        if moved.is_empty() {
            continue;
        }
        let view = sight.snapshot.conversation(conversation)?;
        // Traces of a conversation that never began, because that has not come from another device yet, wait for it.
        if !view.is_some_and(|view| is_older(view.changed().millis(), sight.now, IDLE)) {
            continue;
        }
        step.moved.archived += moved.len() as u64;
        step.drafts.push(lifecycle::moves(conversation, moved));
        if step.drafts.len() >= CONVERSATIONS {
            break;
        }
    }
    Ok(step)
}
