//! What a file was called before it was moved: its earlier name keeps its history, which whoever erases the file is told.

use std::{collections::BTreeSet, ops::Bound};

use ipc::Refusal;
use replica::{Replica, ReplicaError, Snapshot, body::Body};

use super::{REMOVED_SCANNED, names::Names};
use crate::errors::refusal;

/// Earlier names that are told, at most.
const NAMED: usize = 32;

/// Versions read at once, and bytes of them.
const VERSIONS: usize = 256;
const BYTES: usize = 1 << 20;

/// The commits that a file has versions of. What is damaged tells of none.
fn commits_of(snapshot: &Snapshot<'_>, entity: &[u8; 16], limit: Option<usize>) -> Result<BTreeSet<[u8; 16]>, ReplicaError> {
    let (mut commits, mut before) = (BTreeSet::new(), None);
    loop {
        let page = match snapshot.versions(entity, before, limit.unwrap_or(VERSIONS), BYTES) {
            Ok(page) => page,
            Err(ReplicaError::Damaged(_)) => return Ok(commits),
            Err(error) => return Err(error),
        };
        let commit = |body: &Body| match body {
            Body::File(file) => file.commit.as_ref().map(|commit| commit.id),
            Body::FileRemoved(removed) => removed.commit.as_ref().map(|commit| commit.id),
            _ => None,
        };
        commits.extend(page.items.iter().filter_map(|version| commit(version.body.as_ref()?)));
        match page.items.last() {
            Some(last) if page.more && limit.is_none() => before = Some((last.event.clock().0, last.event.position)),
            _ => return Ok(commits),
        }
    }
}

/// The paths that a file was moved away from: they were removed in a commit that wrote it, and are not there again. It looks
/// at every name that was removed.
pub(crate) async fn earlier_names(replica: &Replica, names: &Names, entity: [u8; 16]) -> Result<Vec<String>, Refusal> {
    let commits =
        replica.snapshot().and_then(|snapshot| commits_of(&snapshot, &entity, None)).map_err(|error| refusal(&error))?;
    let (mut earlier, mut after) = (Vec::new(), String::new());
    while !commits.is_empty() && earlier.len() < NAMED {
        let page = names.scan("", Bound::Excluded(&after), REMOVED_SCANNED, true).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.key);
        // A snapshot lives as long as a page is looked at; nobody is waited for meanwhile.
        let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
        for found in page.into_iter().filter(|found| !found.there && found.entity != entity) {
            let newest = commits_of(&snapshot, &found.entity, Some(1)).map_err(|error| refusal(&error))?;
            if !newest.is_disjoint(&commits) && super::path::branch_of(&found.key) == Ok(None) {
                earlier.push(found.key);
            }
        }
    }
    earlier.truncate(NAMED);
    Ok(earlier)
}
