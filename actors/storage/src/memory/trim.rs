//! Job: the live part of the log keeps the newest thousand entries, and none that is older than half a year.

use std::collections::BTreeMap;

use replica::ReplicaError;

use super::{
    Sight, Step,
    ledger::Ledger,
    lifecycle::{self, Tier},
    numbers::{ARCHIVE_AFTER, LIVE_ENTRIES, is_older},
};

/// Entries moved in one step.
const TOGETHER: usize = 64;

pub(super) fn step(sight: &Sight<'_>, ledger: &mut Ledger) -> Result<Step, ReplicaError> {
    let live = ledger.entries_in(&[Tier::Live]);
    let due =
        live.iter().enumerate().filter(|(place, (_, at))| *place >= LIVE_ENTRIES || is_older(*at, sight.now, ARCHIVE_AFTER));
    let mut moved: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut step = Step::default();
    for (_, (id, _)) in due.take(TOGETHER) {
        if let Some(entry) = ledger.entries.get(id) {
            moved.entry(entry.conversation).or_default().push(lifecycle::move_entry(id, Tier::Archived));
            step.moved.archived_entries += 1;
        }
    }
    step.drafts = moved.into_iter().map(|(conversation, operations)| lifecycle::moves(&conversation, operations)).collect();
    Ok(step)
}
