//! Whether what was put back is all there was: compared with the point, and looked through for what is missing.

use std::collections::HashSet;

use ipc::{Refusal, messages::storage::Missing};
use replica::{Replica, ReplicaError, backup::Point, body};

use super::{Keep, aside};

/// Gaps that are named.
const NAMED: usize = 32;

/// Events looked at in one snapshot.
const SLICE: usize = 256;

/// What is not there.
pub(super) struct Lacking {
    pub(super) missing: u64,
    pub(super) gaps: Vec<Missing>,
    pub(super) damaged_chunks: u64,
}

/// Compares what is here with what the list of a backup gives, once: what the backup has beside is put back after it.
pub(super) async fn compare(replica: &Replica, keep: &Keep) -> Result<Option<bool>, Refusal> {
    if let Some(same) = keep.same.get() {
        return Ok(same);
    }
    let looking = replica.clone();
    let expected = keep.point.borrow().as_ref().and_then(Point::comparable);
    let same = match expected {
        None => None,
        Some(expected) => {
            let listed = keep.point.borrow().as_ref().map_or(0, |point| point.events.iter().map(|pack| pack.count).sum::<u64>());
            aside(move || {
                let snapshot = looking.snapshot()?;
                let same = snapshot.fingerprint()? == expected;
                // A restore that was cut off may have been written in before it goes on: then it is more than there was.
                let is_more = snapshot.counts()?.0 > listed;
                Ok((same || !is_more).then_some(same))
            })
            .await?
        }
    };
    keep.same.set(Some(same));
    Ok(same)
}

/// Looks for what is missing and was there when the point was made. Every chunk that anything names is opened.
pub(super) fn lacking(replica: &Replica, missing_before: u64) -> Result<Lacking, ReplicaError> {
    let (gaps, missing) = replica.snapshot()?.gaps(NAMED)?;
    let gaps = gaps.into_iter().map(|gap| Missing { author: gap.author, from: gap.from, to: gap.to }).collect();
    let missing = missing.saturating_sub(missing_before);
    let mut lacking = Lacking { missing, gaps: if missing == 0 { Vec::new() } else { gaps }, damaged_chunks: 0 };
    let (mut after, mut seen) = (0, HashSet::new());
    loop {
        let snapshot = replica.snapshot()?;
        // What cannot be read `verify` names.
        let walked = snapshot.walk(after, SLICE)?;
        let Some(last) = walked.last else { return Ok(lacking) };
        after = last;
        let mut blobs = Vec::new();
        for event in walked.events.iter().filter(|event| matches!(event.header.kind, body::ATTACHMENT | body::FILE)) {
            match snapshot.record(event.position) {
                Ok(record) => blobs.extend(record.and_then(|record| record.body.blob().cloned())),
                // `verify` names it.
                Err(ReplicaError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        drop(snapshot);
        for blob in blobs {
            lacking.damaged_chunks += replica.damaged_chunks(&blob, &mut seen)?.len() as u64;
        }
    }
}
