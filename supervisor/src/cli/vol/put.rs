//! Writing and removing: what is changed together is kept together, and a command that is repeated because a process died
//! does what it does once.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use ipc::{
    Code, Refusal,
    endpoint::Options,
    messages::{
        common::Chunk,
        storage::{Appended, CommitFiles, CommitPiece, Committed, ListFiles, ListVersions, MAX_PAGE, ReadFile, WriteFile},
    },
};
use serde_json::json;

use super::{
    super::{
        session::Session,
        words::{self, Failure, Outcome, line, tell},
    },
    NOT_FOUND, collect as collect_bytes, hex, new_id,
};

/// Largest file that is written together with others; a larger one is streamed by itself.
const MAX_FILE: u64 = 1 << 20;

/// Most files of one commit.
const MAX_FILES: usize = 20_000;

/// How deep folders may lie in one another.
const MAX_DEPTH: usize = 64;

/// How often a commit is made again when the archive dies on it.
const TRIES: u32 = 4;

/// A file that is too large to be kept together with others.
struct Large {
    source: PathBuf,
    path: String,
    length: u64,
}

/// What becomes of a file.
enum Change {
    Copy(String, PathBuf),
    Write(String, Vec<u8>),
    Remove(String),
}

/// `lamos vol write`.
pub(super) async fn write(session: &Session, source: &Path, mut path: String, message: String, as_json: bool) -> Outcome {
    if source == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(source, &error))?;
        if bytes.len() as u64 > MAX_FILE {
            let most = words::bytes(MAX_FILE);
            return Err(Failure::new(
                3,
                format!("standard input holds more than {most}; write it to a file first and give that"),
            ));
        }
        return report(commit(session, message, vec![Change::Write(path, bytes)]).await?, as_json);
    }
    let metadata = fs::metadata(source).map_err(|error| unreadable(source, &error))?;
    if metadata.is_dir() {
        let (mut changes, mut large) = (Vec::new(), Vec::new());
        collect(source, path.trim_end_matches('/'), 0, &mut changes, &mut large)?;
        return write_folder(session, changes, large, message, as_json).await;
    }
    if path.ends_with('/') {
        let name = source.file_name().and_then(|name| name.to_str());
        path.push_str(name.ok_or_else(|| Failure::new(3, format!("the name of {} is not text; give one", source.display())))?);
    }
    if metadata.len() > MAX_FILE {
        if !message.is_empty() {
            let most = words::bytes(MAX_FILE);
            return Err(Failure::new(3, format!("a file larger than {most} is kept without a message; leave --message out")));
        }
        let mut committed = Committed::default();
        let large = Large { source: source.to_owned(), path, length: metadata.len() };
        stream_large(session, &large, &mut committed).await?;
        return report((committed, None), as_json);
    }
    report(commit(session, message, vec![Change::Copy(path, source.to_owned())]).await?, as_json)
}

/// A folder: what can be kept together, and then the large files, each by itself.
async fn write_folder(session: &Session, changes: Vec<Change>, large: Vec<Large>, message: String, as_json: bool) -> Outcome {
    if !large.is_empty() {
        let (count, most) = (large.len(), words::bytes(MAX_FILE));
        let them = if count == 1 { "1 file is".to_owned() } else { format!("{count} files are") };
        let without = if message.is_empty() { "" } else { ", without the message" };
        tell(&format!("{them} larger than {most}; each is kept by itself after the others{without}"));
    }
    let none = (Committed { written: 0, removed: 0, unchanged: 0 }, None);
    let (mut committed, id) =
        if changes.is_empty() && !large.is_empty() { none } else { commit(session, message, changes).await? };
    for file in &large {
        if let Err(mut failure) = stream_large(session, file, &mut committed).await {
            let kept = committed.written + committed.unchanged;
            failure.sentence = format!("{}: {} ({kept} files are kept)", line(&file.path), failure.sentence);
            return Err(failure);
        }
    }
    report((committed, id), as_json)
}

/// One large file, by itself. It is counted.
async fn stream_large(session: &Session, file: &Large, committed: &mut Committed) -> Outcome {
    let Large { source, path, length } = file;
    let before = match session.client.call(&ListVersions { path: path.clone(), before: None, limit: 1 }).await {
        Ok(versions) => versions.items.first().map(|version| version.event),
        // There never was one, or it cannot be read: it is written.
        Err(_) => None,
    };
    let mut file = File::open(source).map_err(|error| unreadable(source, &error))?;
    let stream = session.client.open(&WriteFile::new(path.clone(), *length), Options::default())?;
    let mut piece = vec![0; Chunk::SIZE];
    loop {
        let read = file.read(&mut piece).map_err(|error| unreadable(source, &error))?;
        if read == 0 || !stream.send(&Chunk(piece[..read].to_vec())).await? {
            break;
        }
    }
    stream.end();
    let Appended { event, .. } = stream.answer().await?;
    // The version it had is answered where it is that already.
    *if before == Some(event) { &mut committed.unchanged } else { &mut committed.written } += 1;
    Ok(())
}

/// `lamos vol rm`.
pub(super) async fn remove(session: &Session, paths: Vec<String>, recursive: bool, message: String, as_json: bool) -> Outcome {
    let mut changes = Vec::new();
    for path in paths {
        if !recursive {
            changes.push(Change::Remove(path));
            continue;
        }
        let mut request = ListFiles { prefix: format!("{}/", path.trim_end_matches('/')), after: String::new(), limit: MAX_PAGE };
        let before = changes.len();
        loop {
            let page = session.client.call(&request).await?;
            changes.extend(page.items.iter().map(|file| Change::Remove(file.path.clone())));
            if changes.len() > MAX_FILES {
                return Err(Failure::new(3, format!("more than {MAX_FILES} files lie there; remove its folders one by one")));
            }
            match page.items.last() {
                Some(last) if page.more => request.after.clone_from(&last.path),
                _ => break,
            }
        }
        if changes.len() == before {
            return Err(Failure::new(NOT_FOUND, format!("nothing lies in {path:?}; a file is removed without --recursive")));
        }
    }
    report(commit(session, message, changes).await?, as_json)
}

/// `lamos vol mv`.
pub(super) async fn rename(
    session: &Session,
    from: String,
    mut to: String,
    force: bool,
    message: String,
    as_json: bool,
) -> Outcome {
    if to.ends_with('/') {
        to.push_str(from.rsplit('/').next().unwrap_or_default());
    }
    if !is_file(session, &from).await? && is_file(session, &format!("{}/", from.trim_end_matches('/'))).await? {
        return Err(Failure::new(3, format!("{from:?} is a folder; `lamos vol mv` moves a file")));
    }
    if !force && is_file(session, &to).await? {
        return Err(Failure::new(3, format!("there is a file {to:?} already; --force puts this one in its place")));
    }
    let bytes = collect_bytes(session, &ReadFile::whole(from.clone()), MAX_FILE as usize).await?;
    let message = if message.is_empty() { format!("{from} is now {to}") } else { message };
    report(commit(session, message, vec![Change::Write(to, bytes), Change::Remove(from)]).await?, as_json)
}

/// Whether there is a file of this path; of one that ends with / whether there is one in it.
async fn is_file(session: &Session, path: &str) -> Result<bool, Failure> {
    let page = session.client.call(&ListFiles { prefix: path.to_owned(), after: String::new(), limit: 1 }).await?;
    Ok(page.items.first().is_some_and(|file| path.ends_with('/') || file.path == path))
}

/// The files below a folder, by their names.
fn collect(folder: &Path, into: &str, depth: usize, changes: &mut Vec<Change>, large: &mut Vec<Large>) -> Outcome {
    if depth > MAX_DEPTH {
        return Err(Failure::new(3, format!("folders lie more than {MAX_DEPTH} deep in one another at {}", folder.display())));
    }
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut entries: Vec<PathBuf> = entries.map_err(|error| unreadable(folder, &error))?;
    entries.sort();
    for source in entries {
        let name = source.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Failure::new(3, format!("the name of {} is not text", source.display())))?;
        let path = format!("{into}/{name}");
        // A link could lead out of the folder, so it is not followed.
        let metadata = fs::symlink_metadata(&source).map_err(|error| unreadable(&source, &error))?;
        if metadata.is_dir() {
            collect(&source, &path, depth + 1, changes, large)?;
        } else if metadata.is_file() {
            if changes.len() + large.len() == MAX_FILES {
                return Err(Failure::new(3, format!("it has more than {MAX_FILES} files; write its folders one by one")));
            }
            if metadata.len() > MAX_FILE {
                large.push(Large { source, path, length: metadata.len() });
            } else {
                changes.push(Change::Copy(path, source));
            }
        } else {
            tell(&format!("left out, because it is no file: {}", source.display()));
        }
    }
    Ok(())
}

/// Makes changes together. If the archive dies on them they are made again under the same id, which makes them once.
async fn commit(session: &Session, message: String, changes: Vec<Change>) -> Result<(Committed, Option<[u8; 16]>), Failure> {
    let id = new_id()?;
    let request = CommitFiles { id, message };
    let mut tries = 1;
    loop {
        match send(session, &request, &changes).await {
            Err(Sent::Refused(refusal)) if refusal.code == Code::PeerDied && tries < TRIES => tries += 1,
            Err(Sent::Refused(refusal)) => return Err(refusal.into()),
            Err(Sent::Unreadable(failure)) => return Err(failure),
            Ok(committed) => return Ok((committed, Some(id))),
        }
    }
}

/// Why a commit was not made.
enum Sent {
    Refused(Refusal),
    Unreadable(Failure),
}

impl From<Refusal> for Sent {
    fn from(refusal: Refusal) -> Sent {
        Sent::Refused(refusal)
    }
}

async fn send(session: &Session, request: &CommitFiles, changes: &[Change]) -> Result<Committed, Sent> {
    let stream = session.client.open(request, Options::default())?;
    'all: for change in changes {
        let (path, read);
        let bytes = match change {
            Change::Remove(path) => {
                if !stream.send(&CommitPiece::Remove { path: path.clone() }).await? {
                    break;
                }
                continue;
            }
            Change::Write(to, bytes) => {
                path = to;
                bytes
            }
            Change::Copy(to, source) => {
                path = to;
                // A file that grows meanwhile is taken as far as it may go, and then refused by its length.
                let mut bytes = Vec::new();
                File::open(source)
                    .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
                    .map_err(|error| Sent::Unreadable(unreadable(source, &error)))?;
                read = bytes;
                &read
            }
        };
        if !stream.send(&CommitPiece::Write { path: path.clone(), length: bytes.len() as u64 }).await? {
            break;
        }
        for piece in bytes.chunks(Chunk::SIZE) {
            if !stream.send(&CommitPiece::Bytes(piece.to_vec())).await? {
                break 'all;
            }
        }
    }
    stream.end();
    Ok(stream.answer().await?)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(3, format!("cannot read {}: {error}", path.display()))
}

fn report((committed, id): (Committed, Option<[u8; 16]>), as_json: bool) -> Outcome {
    let Committed { written, removed, unchanged } = committed;
    if as_json {
        // Where nothing was changed nothing was made.
        let commit = id.filter(|_| written + removed > 0).map(|id| hex(&id));
        return Ok(words::json(&json!({ "written": written, "removed": removed, "unchanged": unchanged, "commit": commit }))?);
    }
    let files = |count: u32| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    let mut said = Vec::new();
    for (count, what) in [(written, "written"), (removed, "removed"), (unchanged, "unchanged")] {
        if count > 0 {
            said.push(format!("{} {what}", files(count)));
        }
    }
    Ok(words::say(&line(&format!("{}.", said.join(", "))))?)
}
