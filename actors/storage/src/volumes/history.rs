//! What files were: their versions, and the way back to one. Nothing is ever taken away; going back is going on with what
//! was.

use ipc::{
    Code, Refusal, Role,
    endpoint::Reply,
    messages::storage::{
        self as wire, Appended, FileChange, FileFound, Layer, Layers, ListVersions, MAX_PAGE, ReadVersion, RollBack,
        VersionCursor, Versions,
    },
};
use replica::{
    Draft, Replica, Version,
    body::{Body, Commit, FileBody, FileRemoved},
};

use super::{
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
    let page = replica
        .snapshot()
        .and_then(|snapshot| snapshot.versions(&path.entity(replica), before, limit, PAGE_BYTES))
        .map_err(|error| refusal(&error))?;
    if page.items.is_empty() && before.is_none() {
        return Err(Refusal::new(Code::NotFound, format!("there never was a file {:?}", path.whole())));
    }
    let cursor = |version: &Version| VersionCursor { clock: version.event.clock().0, position: version.event.position };
    let next = page.items.last().filter(|_| page.more).map(cursor);
    Ok(Versions { items: page.items.into_iter().map(version_to_wire).collect(), next })
}

fn version_to_wire(version: Version) -> wire::Version {
    let (change, commit) = match version.body {
        Some(Body::File(file)) => (FileChange::Written(file.length()), file.commit),
        Some(Body::FileRemoved(removed)) => (FileChange::Removed, removed.commit),
        _ => (FileChange::Erased, None),
    };
    let (commit, message) = commit.map(|Commit { id, message }| (id, message)).unzip();
    wire::Version {
        event: version.event.id,
        at_ms: version.event.clock().millis(),
        author: version.event.header.author,
        change,
        commit,
        message: message.unwrap_or_default(),
    }
}

/// What the file was made by this event.
fn version(replica: &Replica, path: &VolumePath, event: &[u8; 32]) -> Result<Body, Refusal> {
    let found = replica.snapshot().and_then(|snapshot| snapshot.version(event)).map_err(|error| refusal(&error))?;
    // The event of another file, or of a conversation, is none of this one's, whoever asks.
    let found = found.filter(|version| version.event.header.entity == path.entity(replica));
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
    let commit = Some(Commit { id: request.once, message: commit::message(request.message)? });
    let body = match version(replica, &path, &request.event)? {
        // What is large lies in the chunks that it lay in.
        Body::File(file) => Body::File(FileBody { commit, ..file }),
        _ => Body::FileRemoved(FileRemoved { path: path.whole().to_owned(), commit }),
    };
    let once = Some(replica.keys().blind("commit", &[&request.once, path.whole().as_bytes()]));
    writer.append(Draft { entity: path.entity(replica), body, once }).await.map(appended)
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
            None => replica
                .snapshot()
                .and_then(|snapshot| snapshot.file_view(&path.entity(replica)))
                .map_err(|error| refusal(&error))?
                .map(|file| (file.position != 0, file.length, file.changed)),
        };
        if let Some((there, length, changed)) = found {
            let changed_ms = ipc::event::Clock(changed).millis();
            items.push(Layer { path: path.into_whole(), there, length, changed_ms });
        }
    }
    Ok(Layers { items })
}
