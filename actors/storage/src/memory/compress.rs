//! Job: archived entries of a conversation and a calendar month (UTC) whose end is longer ago than a year are put into one
//! body. The whole month is waited for, so that a month has one bundle and every device makes the same; what comes late from
//! another device gets one more. The entries themselves stay in the log.

use std::collections::BTreeMap;

use replica::{
    Draft, ReplicaError,
    body::{Body, Bundle, bundle_id, memory_of},
};
use tantivy::time::{Date, Month, OffsetDateTime};

use super::{
    Id, Sight, Step, experience,
    ledger::Ledger,
    lifecycle::{self, Tier},
    list,
    numbers::{COMPRESS_AFTER, is_older},
};

/// Most entries in one bundle: their words come to less than a MiB.
const MOST: usize = 256;

/// Bundles made in one step.
const TOGETHER: usize = 2;

pub(super) fn step(sight: &Sight<'_>, ledger: &mut Ledger) -> Result<Step, ReplicaError> {
    let mut months: BTreeMap<(Id, u32), Vec<(u64, Id)>> = BTreeMap::new();
    for (id, entry) in ledger.entries.iter().filter(|(_, entry)| entry.tier == Tier::Archived) {
        let Some(month) = month_of(entry.at_ms) else { continue };
        if end_of(month).is_some_and(|end| is_older(end, sight.now, COMPRESS_AFTER)) {
            months.entry((entry.conversation, month)).or_default().push((entry.at_ms, *id));
        }
    }
    let mut step = Step::default();
    for ((conversation, month), mut due) in months {
        due.sort_unstable();
        due.truncate(MOST);
        let mut items = Vec::with_capacity(due.len());
        for (_, id) in &due {
            // One that cannot be read stays where it is; `lamos verify` names it.
            items.extend(list::entry(sight.snapshot, ledger, id)?.map(|made| experience::in_short(&made)));
        }
        if items.is_empty() {
            continue;
        }
        let ids: Vec<Id> = items.iter().map(|item| item.id).collect();
        let moved = ids.iter().map(|id| lifecycle::move_entry(id, Tier::Compressed)).collect();
        step.moved.compressed_entries += ids.len() as u64;
        let bundle = Bundle { id: bundle_id(&conversation, &ids), conversation, month, items };
        let (entity, once) = (memory_of(&conversation), Some(bundle.id));
        step.drafts.push(Draft { entity, body: Body::Bundle(bundle), once });
        step.drafts.push(lifecycle::moves(&conversation, moved));
        if step.drafts.len() >= 2 * TOGETHER {
            break;
        }
    }
    Ok(step)
}

/// The month of a moment, counted from January of the year 0.
fn month_of(at_ms: u64) -> Option<u32> {
    let at = OffsetDateTime::from_unix_timestamp(i64::try_from(at_ms / 1000).ok()?).ok()?;
    let year = u32::try_from(at.year()).ok()?;
    Some(year * 12 + u32::from(u8::from(at.month())) - 1)
}

/// The first millisecond after a month.
fn end_of(month: u32) -> Option<u64> {
    let next = month + 1;
    let (year, month) = (i32::try_from(next / 12).ok()?, u8::try_from(next % 12 + 1).ok()?);
    let first = Date::from_calendar_date(year, Month::try_from(month).ok()?, 1).ok()?;
    u64::try_from(first.midnight().assume_utc().unix_timestamp()).ok()?.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        // 2024-02-29T23:59:59.999Z and the millisecond after it.
        let last = 1_709_251_199_999;
        let month = month_of(last).expect("a month");
        assert_eq!(month, 2024 * 12 + 1);
        assert_eq!(month_of(last + 1), Some(month + 1));
        assert_eq!(end_of(month), Some(last + 1));
        let december = month_of(1_735_603_200_000).expect("a month");
        assert_eq!((december, end_of(december)), (2024 * 12 + 11, Some(1_735_689_600_000)));
    }
}
