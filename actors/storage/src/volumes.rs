//! Files of volumes and of their branches: writing one, reading one, and listing by a prefix. The rooms below have the rest.

pub(crate) mod branches;
pub(crate) mod commit;
mod glob;
pub(crate) mod history;
pub(crate) mod moved;
pub(crate) mod names;
mod path;
mod rights;
#[cfg(test)]
mod tests;
pub(crate) mod walk;

use std::ops::Bound;

use ipc::{
    Code, Refusal, Role,
    endpoint::Reply,
    event::Clock,
    messages::storage::{Appended, File, FileFound, Files, ListFiles, ListRemoved, MAX_PAGE, ReadFile, RemoveFile, WriteFile},
};
use replica::{
    Draft, Refused, Replica, ReplicaError, Snapshot,
    body::{Body, Content, OnBranch},
};

use self::{
    branches::spot::Spot,
    names::{Found, Named, Names},
    path::{Kind, VolumePath},
    rights::{Act, admit, allow, may},
};
use crate::{
    contents,
    convert::appended,
    errors::{refusal, refused},
    writer::WriterHandle,
};

/// Writes a file. One that holds these very bytes gets no other version; what is answered is the one it has.
pub(crate) async fn write(
    replica: &Replica,
    writer: &WriterHandle,
    request: WriteFile,
    reply: &mut Reply<WriteFile>,
) -> Result<Appended, Refusal> {
    let path = admit(reply.source().0, Act::Write, &request.path)?;
    let (spot, branch) = place(replica, path, To::Write)?;
    let entity = spot.entity();
    let mut taken = contents::take(replica, writer, entity, request.length, request.resume, reply).await?;
    let content = taken.content();
    let already =
        replica.snapshot().map_err(|error| refusal(&error)).and_then(|snapshot| spot.is_already(&snapshot, &content))?;
    if let Some((position, event)) = already {
        taken.leave(replica, writer);
        return Ok(Appended { event, position });
    }
    let body = Body::File(spot.written(content, branch));
    taken.keep(replica, writer, Draft { entity, body, once: None }).await.map(appended)
}

/// What a file gets a version for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Write,
    Remove,
}

/// Where a file is written or removed, and what stands with its version.
fn place(replica: &Replica, path: VolumePath, to: To) -> Result<(Spot, Option<OnBranch>), Refusal> {
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    let spot = Spot::find(replica, &snapshot, path)?;
    if to == To::Write {
        spot.may_be_written(&snapshot)?;
    }
    let branch = spot.stamp(&snapshot)?;
    Ok((spot, branch))
}

pub(crate) async fn read(replica: &Replica, request: ReadFile, reply: &Reply<ReadFile>) -> Result<FileFound, Refusal> {
    let path = admit(reply.source().0, Act::Read, &request.path)?;
    let found = match path.shipped() {
        Some(bytes) => Some(Content::Bytes(bytes.to_vec())),
        None => {
            let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
            Spot::find(replica, &snapshot, path.clone())?.content(&snapshot)?
        }
    };
    let content = found.ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no file {:?}", path.whole())))?;
    let length = content.length();
    contents::give(replica, content, request.offset, request.length, reply).await?;
    Ok(FileFound { length })
}

/// Whether what a file holds is what is read by its path. On a branch it is not when the branch has ended, or was merged
/// since: then the file of its volume is read.
pub(crate) fn is_read(snapshot: &Snapshot<'_>, file: &replica::File) -> Result<bool, ReplicaError> {
    let Some(on) = file.branch else { return Ok(true) };
    let Ok(Some(name)) = path::branch_of(&file.path) else { return Ok(false) };
    let branch = snapshot.branch_called(&name.name)?.filter(|branch| branch.is_there() && branch.generation == on.generation);
    Ok(branch.is_some_and(|branch| !branch.has_seen(&file.author, file.sequence)))
}

/// The thing that the events of a file are about which this role may erase.
pub(crate) fn erasable(replica: &Replica, role: Role, path: &str) -> Result<[u8; 16], Refusal> {
    let path = admit(role, Act::Write, path)?;
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    Ok(Spot::find_past(replica, &snapshot, path)?.entity())
}

pub(crate) async fn list(names: &Names, role: Role, request: &ListFiles) -> Result<Files, Refusal> {
    let limit = usize::from(request.limit.clamp(1, MAX_PAGE));
    let ListFiles { prefix, after, .. } = request;
    let to_wire = |named: Named| File { path: named.path, length: named.length, changed_ms: Clock(named.changed).millis() };
    if let Some(branch) = path::branch_of(prefix)? {
        allow(role, Act::List, branch.kind, prefix)?;
        let mut page = names.page(prefix, Bound::Excluded(after), limit + 1).await?;
        let more = page.len() > limit;
        page.truncate(limit);
        return Ok(Files { items: page.into_iter().map(to_wire).collect(), more });
    }
    if let Some(kind) = Kind::of(prefix).filter(|_| prefix.contains('/')) {
        allow(role, Act::List, kind, prefix)?;
    }
    let mut items = Vec::new();
    for kind in Kind::ALL.iter().filter(|kind| may(role, Act::List, **kind)) {
        let root = format!("{}/", kind.name());
        let lead = match (root.starts_with(prefix.as_str()), prefix.starts_with(&root)) {
            (true, _) => &root,
            (_, true) => prefix,
            _ => continue,
        };
        let page = names.page(lead, Bound::Excluded(after), limit + 1 - items.len()).await?;
        items.extend(page.into_iter().map(to_wire));
    }
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Files { items, more })
}

/// What was removed from volumes. Names that were removed one page after the other are found among those that are there.
pub(crate) async fn list_removed(names: &Names, role: Role, request: &ListRemoved) -> Result<Files, Refusal> {
    let limit = usize::from(request.limit.clamp(1, MAX_PAGE));
    let kind = Kind::of(&request.prefix).filter(|_| request.prefix.contains('/') && path::branch_of(&request.prefix) == Ok(None));
    let kind =
        kind.ok_or_else(|| Refusal::new(Code::NotKeepable, "say in which volume, as in user/; of a branch it is not known"))?;
    allow(role, Act::List, kind, &request.prefix)?;
    let (mut items, mut after) = (Vec::new(), request.after.clone());
    loop {
        let page = names.scan(&request.prefix, Bound::Excluded(&after), REMOVED_SCANNED, true).await?;
        let is_last = page.len() < REMOVED_SCANNED;
        if let Some(last) = page.last() {
            after.clone_from(&last.key);
        }
        items.extend(page.into_iter().filter(|found| !found.there));
        if is_last || items.len() > limit {
            break;
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let to_wire = |found: Found| File { path: found.key, length: found.length, changed_ms: Clock(found.changed).millis() };
    Ok(Files { items: items.into_iter().map(to_wire).collect(), more })
}

/// Names that are looked at in one go for such that were removed.
const REMOVED_SCANNED: usize = 1024;

pub(crate) async fn remove(
    replica: &Replica,
    writer: &WriterHandle,
    role: Role,
    request: RemoveFile,
) -> Result<Appended, Refusal> {
    let path = admit(role, Act::Write, &request.path)?;
    let (spot, branch) = place(replica, path, To::Remove)?;
    if branch.is_some() {
        let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
        if spot.content(&snapshot)?.is_none() {
            return Err(refused(Refused::NoFile));
        }
    }
    writer.append(Draft { entity: spot.entity(), body: Body::FileRemoved(spot.removed(branch)), once: None }).await.map(appended)
}
