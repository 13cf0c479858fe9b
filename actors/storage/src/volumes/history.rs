//! What files were: their versions, and the way back to one. Nothing is ever taken away; going back is going on with what
//! was.

use ipc::{
    Code, Refusal, Role,
    endpoint::Reply,
    messages::storage::{
        self as wire, Appended, FileChange, FileFound, Layer, Layers, ListVersions, MAX_PAGE, ReadVersion, RollBack,
        VersionCursor, VersionMerge, Versions,
    },
};
use replica::{
    Draft, Page, Replica, ReplicaError, Snapshot, Version,
    body::{self, Body, Commit, FileBody, FileRemoved},
};

use super::{
    branches::spot::{Spot, lies_over},
    commit,
    path::{self, VolumePath},
    rights::{Act, admit, allow},
};
use crate::{contents, convert::appended, errors::refusal, writer::WriterHandle};

/// Bodies opened for one page.
const PAGE_BYTES: usize = 8 << 20;

/// The versions of a file, newest first.
pub(crate) fn versions(replica: &Replica, role: Role, request: &ListVersions) -> Result<Versions, Refusal> {
    let path = admit(role, Act::Read, &request.path)?;
    if path.shipped().is_some() {
        let why = format!("{:?} ships with the program and has one version, which is this program's", path.whole());
        return Err(Refusal::new(Code::NotFound, why));
    }
    let limit = usize::from(request.limit.clamp(1, MAX_PAGE));
    let before = request.before.map(|VersionCursor { clock, position }| (clock, position));
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    let spot = Spot::find_past(replica, &snapshot, path)?;
    let page = match spot.branch() {
        None => snapshot.versions(&spot.entity(), before, limit, PAGE_BYTES),
        Some(_) => on_branch(&snapshot, &spot, before, limit),
    };
    let page = page.map_err(|error| refusal(&error))?;
    if page.items.is_empty() && before.is_none() {
        return Err(Refusal::new(Code::NotFound, format!("there never was a file {:?}", spot.path().whole())));
    }
    let cursor = |version: &Version| VersionCursor { clock: version.event.clock().0, position: version.event.position };
    let next = page.items.last().filter(|_| page.more).map(cursor);
    Ok(Versions { items: page.items.into_iter().map(version_to_wire).collect(), next })
}

/// The versions of a file on a branch: what lies over the fork point, then what the file was here and in the base before it.
/// It costs as much as there are versions, of which a page alone is opened.
fn on_branch(
    snapshot: &Snapshot<'_>,
    spot: &Spot,
    before: Option<(u64, u64)>,
    limit: usize,
) -> Result<Page<Version>, ReplicaError> {
    let Some(on) = spot.branch() else { return Ok(Page { items: Vec::new(), more: false }) };
    let mut events = snapshot.history(&spot.entity(), 0, usize::MAX)?;
    events.extend(snapshot.history(&on.base, 0, usize::MAX)?.into_iter().filter(|event| !lies_over(event, &on.branch)));
    events.retain(|event| matches!(event.header.kind, body::FILE | body::FILE_REMOVED));
    events.sort_by_key(|event| (lies_over(event, &on.branch), event.header.clock, event.header.author));
    let mut newest_first = events.into_iter().rev();
    if let Some((_, position)) = before {
        newest_first.find(|event| event.position == position);
    }
    let (mut page, mut total) = (Page { items: Vec::new(), more: false }, 0);
    for event in newest_first {
        if page.items.len() == limit || (total >= PAGE_BYTES && !page.items.is_empty()) {
            page.more = true;
            break;
        }
        total += event.header.body_len as usize;
        page.items.extend(snapshot.version(&event.id)?);
    }
    Ok(page)
}

fn version_to_wire(version: Version) -> wire::Version {
    let (change, commit) = match version.body {
        Some(Body::File(file)) => (FileChange::Written(file.length()), file.commit),
        Some(Body::FileRemoved(removed)) => (FileChange::Removed, removed.commit),
        _ => (FileChange::Erased, None),
    };
    let (commit, message, merge) = match commit {
        Some(Commit { id, message, merge }) => (Some(id), message, merge),
        None => (None, String::new(), None),
    };
    let merge = merge.map(|body::Merge { from, into, ours, theirs }| VersionMerge { from, into, ours, theirs });
    wire::Version {
        event: version.event.id,
        at_ms: version.event.clock().millis(),
        author: version.event.header.author,
        change,
        commit,
        message,
        merge,
    }
}

/// What the file was made by this event.
fn version(replica: &Replica, path: &VolumePath, event: &[u8; 32]) -> Result<Body, Refusal> {
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    let spot = Spot::find_past(replica, &snapshot, path.clone())?;
    let found = snapshot.version(event).map_err(|error| refusal(&error))?;
    // The event of another file, or of a conversation, is none of this one's, whoever asks.
    let found = found.filter(|version| spot.reads(&version.event.header.entity));
    let none = || Refusal::new(Code::NotFound, format!("{:?} has no such version; `lamos vol log` lists them", path.whole()));
    match found.ok_or_else(none)?.body {
        Some(body @ (Body::File(_) | Body::FileRemoved(_))) => Ok(body),
        Some(_) => Err(none()),
        None => Err(Refusal::new(Code::NotFound, format!("that version of {:?} was erased", path.whole()))),
    }
}

/// Gives a version back.
pub(crate) async fn read(replica: &Replica, request: ReadVersion, reply: &Reply<ReadVersion>) -> Result<FileFound, Refusal> {
    let path = admit(reply.source().0, Act::Read, &request.path)?;
    match version(replica, &path, &request.event)? {
        Body::File(file) => {
            let content = file.content();
            let length = content.length();
            contents::give(replica, content, 0, length, reply).await?;
            Ok(FileFound { length })
        }
        _ => Err(Refusal::new(Code::NotFound, format!("that version removed {:?}; it has no content", path.whole()))),
    }
}

/// Makes a file what it was.
pub(crate) async fn roll_back(
    replica: &Replica,
    writer: &WriterHandle,
    role: Role,
    request: RollBack,
) -> Result<Appended, Refusal> {
    let path = admit(role, Act::Write, &request.path)?;
    let commit = Some(Commit { id: request.once, message: commit::message(request.message)?, merge: None });
    let then = version(replica, &path, &request.event)?;
    let once = replica.keys().blind("commit", &[&request.once, path.whole().as_bytes()]);
    let draft = {
        let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
        let before = snapshot.once(then.kind(), &once).map_err(|error| refusal(&error))?;
        let spot = Spot::find(replica, &snapshot, path)?;
        // One that is made again is the one that was made.
        let branch = match before {
            Some(before) => commit::stamp_of(&before.body),
            None => spot.stamp(&snapshot)?,
        };
        let body = match then {
            // What is large lies in the chunks that it lay in.
            Body::File(file) => Body::File(FileBody { commit, ..spot.written(file.content(), branch) }),
            _ => Body::FileRemoved(FileRemoved { commit, ..spot.removed(branch) }),
        };
        Draft { entity: spot.entity(), body, once: Some(once) }
    };
    writer.append(draft).await.map(appended)
}

/// The layers of a name, the highest first.
pub(crate) fn find(replica: &Replica, role: Role, request: &wire::FindFile) -> Result<Layers, Refusal> {
    let name = path::parts(&request.path)?;
    let mut items = Vec::new();
    for (kind, root) in path::layers(&request.view)? {
        allow(role, Act::Read, kind, &root)?;
        let path = admit(role, Act::Read, &format!("{root}{name}"))?;
        let found = match path.shipped() {
            Some(bytes) => Some((true, bytes.len() as u64, 0)),
            None => {
                let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
                let standing = Spot::find(replica, &snapshot, path.clone())?.standing(&snapshot)?;
                standing.map(|standing| (standing.there, standing.length, standing.changed))
            }
        };
        if let Some((there, length, changed)) = found {
            let changed_ms = ipc::event::Clock(changed).millis();
            items.push(Layer { path: path.into_whole(), there, length, changed_ms });
        }
    }
    Ok(Layers { items })
}
