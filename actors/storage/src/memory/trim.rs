//! Job: the live part of the log keeps the newest thousand entries, and none that is older than half a year.

use std::collections::BTreeMap;

use replica::ReplicaError;

use super::{
    Id, Sight, Step, ledger,
    lifecycle::{self, Tier},
    numbers::{ARCHIVE_AFTER, LIVE_ENTRIES, is_older},
    rows::{self, Cut},
};

/// Entries moved in one step.
const TOGETHER: usize = 64;

pub(super) fn step(sight: &mut Sight<'_>) -> Result<Step, ReplicaError> {
    let too_many = ledger::counts(sight.snapshot)?.live.saturating_sub(LIVE_ENTRIES as u64);
    let mut moved: BTreeMap<Id, Vec<_>> = BTreeMap::new();
    let mut step = Step::default();
    // The oldest first.
    for row in sight.snapshot.ledger_rows_back(&[rows::LIVE], &[rows::LIVE + 1])?.take(TOGETHER) {
        let (key, _) = row?;
        let mut cut = Cut(key.get(1..).unwrap_or_default());
        let (at, id, conversation) = (!cut.number()?, cut.take()?, cut.take()?);
        if step.moved.archived_entries >= too_many && !is_older(at, sight.now, ARCHIVE_AFTER) {
            break;
        }
        moved.entry(conversation).or_default().push(lifecycle::move_entry(&id, Tier::Archived));
        step.moved.archived_entries += 1;
    }
    step.drafts = moved.into_iter().map(|(conversation, operations)| lifecycle::moves(&conversation, operations)).collect();
    Ok(step)
}
