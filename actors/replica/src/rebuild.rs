//! Everything that is derived from events, made anew: views and indexes. It is dropped first and then folded in batches;
//! a mark in the store says that it is not done, so that one that is killed begins again at its next start. What is
//! read meanwhile may be incomplete. What is damaged stays as damaged as it was, see [`damaged`].

mod damaged;

use std::{collections::BTreeSet, ops::Bound};

use damaged::Damaged;

use crate::{
    ReplicaError, Writer,
    body::Body,
    format,
    log::{self, Record, Recorded},
    tables::Table,
    write::Batch,
};

/// Events folded in one transaction.
const AT_ONCE: usize = 4096;

pub(crate) fn rebuild(writer: &mut Writer) -> Result<(), ReplicaError> {
    let damaged = Damaged::find(&writer.replica)?;
    let listed = writer.write(|batch| {
        let rows = damaged.rows(batch.replica, batch.txn.reading())?;
        format::set_folded(&mut *batch.txn, false)?;
        Table::DERIVED.iter().try_for_each(|table| batch.txn.clear(*table))?;
        rows.iter().try_for_each(|(table, key, value)| batch.txn.put(*table, key, value))?;
        Ok(damaged::listed(&rows))
    })?;
    let mut late = Late::default();
    let mut last = Some(0);
    while let Some(after) = last {
        last = writer.write(|batch| fold_after(batch, after, &damaged, &mut late))?;
    }
    for some in damaged.entities.iter().collect::<Vec<_>>().chunks(AT_ONCE) {
        writer.write(|batch| {
            let of = |entity: &[u8; 16]| listed.get(entity).map_or(&[][..], Vec::as_slice);
            some.iter().try_for_each(|entity| batch.refold_damaged(entity, of(entity)))
        })?;
    }
    for some in late.states.into_iter().collect::<Vec<_>>().chunks(AT_ONCE) {
        writer.write(|batch| some.iter().try_for_each(|entity| batch.refold(entity)))?;
    }
    for some in late.erasures.chunks(AT_ONCE) {
        writer.write(|batch| {
            for position in some {
                if let Some(record) = batch.replica.record(batch.txn.reading(), *position)? {
                    batch.fold(&record.event, &record.body)?;
                }
            }
            Ok(())
        })?;
    }
    writer.write(|batch| format::set_folded(&mut *batch.txn, true))
}

/// What waits until all is indexed.
#[derive(Default)]
struct Late {
    /// States are folded in the order of clocks, which is not that of places.
    states: BTreeSet<[u8; 16]>,
    /// An erasure takes the key of an entity when it sees that nothing is left of it, so it must see everything.
    erasures: Vec<u64>,
}

/// Folds some events after a place; returns the last place, or nothing when there are no more. What is damaged is left
/// out.
fn fold_after(batch: &mut Batch<'_>, after: u64, damaged: &Damaged, late: &mut Late) -> Result<Option<u64>, ReplicaError> {
    let from = after.saturating_add(1).to_be_bytes();
    let mut last = None;
    let mut events = Vec::new();
    for row in batch.txn.range(Table::Event, Bound::Included(&from), Bound::Unbounded)?.take(AT_ONCE) {
        let (key, value) = row?;
        let position = log::position(key, "events")?;
        last = Some(position);
        if !damaged.lost.contains(&position) {
            events.extend(Recorded::read(position, value));
        }
    }
    for event in &events {
        batch.index(event)?;
        match batch.replica.record(batch.txn.reading(), event.position) {
            Ok(Some(Record { body: Body::Erase(_), .. })) => late.erasures.push(event.position),
            // It is folded as a whole, when all of it is indexed.
            _ if damaged.entities.contains(&event.header.entity) => {}
            Ok(Some(Record { body: Body::Change(_), .. })) => {
                late.states.insert(event.header.entity);
            }
            Ok(Some(record)) => batch.fold(event, &record.body)?,
            Ok(None) | Err(ReplicaError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(last)
}
