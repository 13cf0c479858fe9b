//! Job: archived entries of a conversation and a calendar month (UTC) whose end is longer ago than a year are put into one
//! body. The whole month is waited for, so that a month has one bundle and every device makes the same; what comes late from
//! another device gets one more. The entries themselves stay in the log.

use replica::{
    Draft, ReplicaError,
    body::{Body, Bundle, bundle_id, memory_of},
};
use tantivy::time::{Date, Month, OffsetDateTime};

use super::{
    Id, Sight, Step, experience,
    lifecycle::{self, Tier},
    list,
    numbers::{COMPRESS_AFTER, is_older},
    rows::{self, Cut},
};

/// Most entries in one bundle: their words come to less than a MiB.
const MOST: usize = 256;

/// Bundles made in one step.
const TOGETHER: usize = 2;

pub(super) fn step(sight: &mut Sight<'_>) -> Result<Step, ReplicaError> {
    let mut step = Step::default();
    let mut after: Option<Vec<u8>> = None;
    while let Some(due) = next(sight, after.as_deref())? {
        let mut items = Vec::with_capacity(due.entries.len());
        for id in &due.entries {
            // One that cannot be read stays where it is; `lamos verify` names it.
            items.extend(list::entry(sight.snapshot, &due.conversation, id)?.map(|made| experience::in_short(&made)));
        }
        after = Some(rows::behind(&due.group));
        if items.is_empty() {
            continue;
        }
        let ids: Vec<Id> = items.iter().map(|item| item.id).collect();
        let moved = ids.iter().map(|id| lifecycle::move_entry(id, Tier::Compressed)).collect();
        step.moved.compressed_entries += ids.len() as u64;
        let Due { conversation, month, .. } = due;
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

/// What is put into one bundle.
struct Due {
    /// How the keys of all that belong together begin.
    group: Vec<u8>,
    month: u32,
    conversation: Id,
    /// The oldest of them.
    entries: Vec<Id>,
}

/// The next conversation and month that are due, behind this key.
fn next(sight: &Sight<'_>, after: Option<&[u8]>) -> Result<Option<Due>, ReplicaError> {
    let mut due: Option<Due> = None;
    for row in rows::keys(sight.snapshot, rows::MONTH, after)? {
        let row = row?;
        let mut cut = Cut(row.get(1..).unwrap_or_default());
        let (month, conversation, _, id) = (u32::from_be_bytes(cut.take()?), cut.take::<16>()?, cut.number()?, cut.take()?);
        match &mut due {
            // Months that come after it end later.
            None if !end_of(month).is_some_and(|end| is_older(end, sight.now, COMPRESS_AFTER)) => return Ok(None),
            None => {
                let group = rows::key(rows::MONTH, &[&month.to_be_bytes(), &conversation]);
                due = Some(Due { group, month, conversation, entries: vec![id] });
            }
            Some(due) if row.starts_with(&due.group) && due.entries.len() < MOST => due.entries.push(id),
            Some(_) => break,
        }
    }
    Ok(due)
}

/// The month of a moment, counted from January of the year 0.
pub(super) fn month_of(at_ms: u64) -> Option<u32> {
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
