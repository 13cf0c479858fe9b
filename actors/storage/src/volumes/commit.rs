//! Changing several files at once: what a command line sends is gathered, and then kept in one transaction or not at all.

use std::collections::HashSet;

use ipc::{
    Code, Refusal, Role,
    endpoint::Reply,
    messages::storage::{CommitFiles, CommitPiece, Committed},
};
use replica::{
    Draft, Once, Replica,
    blobs::{Checkpoint, INLINE, Upload},
    body::{self, Body, Commit, Content, FileBody, FileRemoved, OnBranch},
};
use tokio::sync::Semaphore;

use super::{
    branches::{compare::same, spot::Spot},
    path::VolumePath,
    rights::{Act, admit},
};
use crate::{contents, errors::refusal, writer::WriterHandle};

/// Largest file of a commit, in bytes. A larger one is written by itself, as a stream.
pub(super) const MAX_FILE: u64 = 1 << 20;

/// Most files of a commit, and most bytes of them together with their names.
const MAX_FILES: usize = 20_000;
const MAX_BYTES: u64 = 64 << 20;

/// Longest message, in bytes.
const MAX_MESSAGE: usize = 4096;

/// Commits that are gathered at once, each in memory. Others wait before they send anything.
const GATHERED: usize = 2;

/// Files compared before others are served.
const SLICE: usize = 64;

/// Who may gather.
pub(crate) struct Gathering(Semaphore);

impl Default for Gathering {
    fn default() -> Gathering {
        Gathering(Semaphore::new(GATHERED))
    }
}

impl Gathering {
    /// Waits until there is room for one more.
    pub(super) async fn enter(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
        self.0.acquire().await.map_err(|error| Refusal::internal(format!("gather a commit: {error}")))
    }
}

/// What becomes of a file; `None` if it is removed.
struct Change {
    path: VolumePath,
    bytes: Option<Vec<u8>>,
}

/// A message as it may be kept.
pub(super) fn message(text: String) -> Result<String, Refusal> {
    if text.len() > MAX_MESSAGE || text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t')) {
        return Err(Refusal::new(Code::NotKeepable, format!("a message is text of at most {MAX_MESSAGE} bytes")));
    }
    Ok(text)
}

/// Gathers the changes and keeps them.
pub(crate) async fn commit(
    replica: &Replica,
    writer: &WriterHandle,
    gathering: &Gathering,
    request: CommitFiles,
    reply: &mut Reply<CommitFiles>,
) -> Result<Committed, Refusal> {
    let commit = Commit { id: request.id, message: message(request.message)?, merge: None };
    let role = reply.source().0;
    let _gathering = gathering.enter().await?;
    let mut gathered = Gathered::new(role);
    while let Some(piece) = reply.next().await {
        gathered.take(piece?)?;
    }
    let changes = gathered.end()?;
    let large = changes.iter().filter_map(|change| change.bytes.as_ref()).any(|bytes| bytes.len() as u64 > INLINE);
    let mut drafted = Drafted::default();
    let mut result = drafted.draft(replica, &commit, changes).await;
    if result.is_ok() && !drafted.drafts.is_empty() {
        result = writer.append_all(drafted.drafts, drafted.checkpoints).await;
    }
    drop(drafted.uploads);
    if result.is_err() && large {
        // Nothing refers to what came.
        contents::collect(replica, writer);
    }
    result.map(|()| drafted.answer)
}

/// What is to be kept, and what must be kept beside it.
#[derive(Default)]
struct Drafted {
    drafts: Vec<Draft>,
    checkpoints: Vec<Checkpoint>,
    /// They hold the chunks of large files until the events that refer to them are there.
    uploads: Vec<Upload>,
    answer: Committed,
}

impl Drafted {
    async fn draft(&mut self, replica: &Replica, commit: &Commit, changes: Vec<Change>) -> Result<(), Refusal> {
        for (index, change) in changes.into_iter().enumerate() {
            if index % SLICE == 0 {
                tokio::task::yield_now().await;
            }
            let Some(Due { spot, bytes, branch, once }) = due(replica, commit, change)? else {
                self.answer.unchanged += 1;
                continue;
            };
            let entity = spot.entity();
            let commit = Some(commit.clone());
            let body = match bytes {
                Some(bytes) => {
                    let (content, upload) = contents::put(replica, entity, bytes).await?.parts();
                    if let Some((checkpoint, upload)) = upload {
                        self.checkpoints.push(checkpoint);
                        self.uploads.push(upload);
                    }
                    self.answer.written += 1;
                    Body::File(FileBody { commit, ..spot.written(content, branch) })
                }
                None => {
                    self.answer.removed += 1;
                    Body::FileRemoved(FileRemoved { commit, ..spot.removed(branch) })
                }
            };
            self.drafts.push(Draft { entity, body, once: Some(once) });
        }
        Ok(())
    }
}

/// What has been sent so far.
struct Gathered {
    role: Role,
    changes: Vec<Change>,
    names: HashSet<String>,
    bytes: u64,
    /// Bytes of the last file that are still to come.
    wanted: u64,
}

impl Gathered {
    fn new(role: Role) -> Gathered {
        Gathered { role, changes: Vec::new(), names: HashSet::new(), bytes: 0, wanted: 0 }
    }

    fn take(&mut self, piece: CommitPiece) -> Result<(), Refusal> {
        match piece {
            CommitPiece::Write { path, length } => {
                if length > MAX_FILE {
                    let why = format!(
                        "{path:?} has {length} bytes, and {MAX_FILE} are the most for a file that is written with others"
                    );
                    return Err(Refusal::new(Code::NotKeepable, why));
                }
                // Room is made when bytes come, not when they are announced.
                self.begin(&path, length, Some(Vec::new()))
            }
            CommitPiece::Remove { path } => self.begin(&path, 0, None),
            CommitPiece::Bytes(bytes) => {
                let last = self.changes.last_mut().and_then(|change| change.bytes.as_mut());
                match (last, self.wanted.checked_sub(bytes.len() as u64)) {
                    (Some(last), Some(wanted)) => {
                        self.wanted = wanted;
                        last.extend_from_slice(&bytes);
                        Ok(())
                    }
                    _ => Err(wrong_length()),
                }
            }
        }
    }

    fn begin(&mut self, path: &str, length: u64, bytes: Option<Vec<u8>>) -> Result<(), Refusal> {
        if self.wanted != 0 {
            return Err(wrong_length());
        }
        let path = admit(self.role, Act::Write, path)?;
        self.bytes += length + path.whole().len() as u64;
        if self.changes.len() == MAX_FILES || self.bytes > MAX_BYTES {
            let why =
                format!("at most {MAX_FILES} files and {MAX_BYTES} bytes are written together; write them in several steps");
            return Err(Refusal::new(Code::NotKeepable, why));
        }
        if !self.names.insert(path.whole().to_owned()) {
            return Err(Refusal::new(Code::NotKeepable, format!("{:?} stands twice in one commit", path.whole())));
        }
        self.wanted = length;
        self.changes.push(Change { path, bytes });
        Ok(())
    }

    fn end(self) -> Result<Vec<Change>, Refusal> {
        match (self.wanted, self.changes.is_empty()) {
            (0, false) => Ok(self.changes),
            (0, true) => Err(Refusal::new(Code::NotKeepable, "there is no file in it")),
            _ => Err(wrong_length()),
        }
    }
}

fn wrong_length() -> Refusal {
    Refusal::new(Code::NotKeepable, "a file has another length than was said")
}

/// A change that makes a difference.
struct Due {
    spot: Spot,
    bytes: Option<Vec<u8>>,
    branch: Option<OnBranch>,
    /// What makes it the same when it is made again.
    once: Once,
}

/// Where a version stands on a branch.
pub(super) fn stamp_of(body: &Body) -> Option<OnBranch> {
    match body {
        Body::File(file) => file.branch,
        Body::FileRemoved(removed) => removed.branch,
        _ => None,
    }
}

/// `None` if the file is that already.
fn due(replica: &Replica, commit: &Commit, change: Change) -> Result<Option<Due>, Refusal> {
    let once = replica.keys().blind("commit", &[&commit.id, change.path.whole().as_bytes()]);
    let kind = if change.bytes.is_some() { body::FILE } else { body::FILE_REMOVED };
    let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
    // A commit that is made again is the one that was made, whatever became of the file since.
    let before = snapshot.once(kind, &once).map_err(|error| refusal(&error))?;
    let Change { path, bytes } = change;
    let spot = Spot::find(replica, &snapshot, path)?;
    if let Some(before) = before {
        return Ok(Some(Due { spot, bytes, branch: stamp_of(&before.body), once }));
    }
    if bytes.is_some() {
        spot.may_be_written(&snapshot)?;
    }
    let present = spot.content(&snapshot)?;
    match (&bytes, &present) {
        (Some(bytes), Some(present)) if holds(present, bytes) => return Ok(None),
        (None, None) => {
            let why = format!("there is no file {:?} to remove", spot.path().whole());
            return Err(Refusal::new(Code::NotFound, why));
        }
        _ => {}
    }
    let branch = spot.stamp(&snapshot)?;
    Ok(Some(Due { spot, bytes, branch, once }))
}

/// Whether a file has these bytes, without reading what lies in chunks.
fn holds(content: &Content, bytes: &[u8]) -> bool {
    content.length() == bytes.len() as u64 && same(content, &Content::Bytes(bytes.to_vec()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes what one file holds to another and removes the first; how many were written and removed.
    pub(crate) async fn changed(replica: &Replica, writer: &WriterHandle, from: &str, to: &str) -> Result<(u64, u64), Refusal> {
        let mut gathered = Gathered::new(Role::Cli);
        let bytes = from.as_bytes().to_vec();
        gathered.take(CommitPiece::Write { path: to.to_owned(), length: bytes.len() as u64 })?;
        gathered.take(CommitPiece::Bytes(bytes))?;
        gathered.take(CommitPiece::Remove { path: from.to_owned() })?;
        let id = *blake3::hash(format!("{from} {to}").as_bytes()).as_bytes().first_chunk().expect("sixteen bytes");
        let commit = Commit { id, message: String::new(), merge: None };
        let mut drafted = Drafted::default();
        drafted.draft(replica, &commit, gathered.end()?).await?;
        writer.append_all(drafted.drafts, drafted.checkpoints).await?;
        Ok((drafted.answer.written.into(), drafted.answer.removed.into()))
    }

    fn write(path: &str, length: u64) -> CommitPiece {
        CommitPiece::Write { path: path.to_owned(), length }
    }

    fn gather(pieces: Vec<CommitPiece>) -> Result<usize, Code> {
        let mut gathered = Gathered::new(Role::Cli);
        let taken = pieces.into_iter().try_for_each(|piece| gathered.take(piece));
        taken.and_then(|()| gathered.end()).map(|changes| changes.len()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_commit_is_what_was_announced() {
        let bytes = |count: usize| CommitPiece::Bytes(vec![1; count]);
        let remove = |path: &str| CommitPiece::Remove { path: path.to_owned() };
        assert_eq!(gather(vec![write("user/a", 3), bytes(1), bytes(2), remove("user/b"), write("user/c", 0)]), Ok(3));
        for bad in [
            vec![],
            vec![bytes(1)],
            vec![write("user/a", 3)],
            vec![write("user/a", 3), bytes(4)],
            vec![write("user/a", 3), bytes(2), write("user/b", 0)],
            vec![remove("user/a"), bytes(1)],
            vec![write("user/a", 0), remove("user/a")],
            vec![write("user/e\u{301}", 0), write("user/\u{e9}", 0)],
            vec![write("user/../a", 0)],
            vec![write("system/skills/x", 0)],
            vec![write("user/a", MAX_FILE + 1)],
            vec![write("user/a", u64::MAX)],
            (0..=MAX_FILES).map(|number| write(&format!("user/{number}"), 0)).collect(),
            (0..65).flat_map(|number| [write(&format!("user/{number}"), 1 << 20), bytes(1 << 20)]).collect(),
        ] {
            assert_eq!(gather(bad), Err(Code::NotKeepable));
        }
        let mut agent = Gathered::new(Role::Agent);
        assert_eq!(agent.take(write("user/a", 0)).map_err(|refusal| refusal.code), Err(Code::Forbidden));
    }

    #[test]
    fn a_message_is_text() {
        assert!(message("line\n\tanother".into()).is_ok() && message(String::new()).is_ok());
        assert!(message("\u{1b}[31m".into()).is_err() && message("a".repeat(MAX_MESSAGE + 1)).is_err());
    }
}
