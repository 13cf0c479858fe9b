//! Merging: what is to be written is made out beside the writer, and kept by it in one transaction together with the new
//! fork point, if nothing of the volume was written meanwhile; otherwise it is made out again. So a merge is whole or not at
//! all, holds the writer no longer than its transaction, and overwrites nothing that it has not seen.

use std::collections::HashMap;

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    messages::storage::{Becomes, ChangedBy, MergeBranch, MergePiece, Merged},
};
use replica::{
    Batch, Draft, Kept, Replica, ReplicaError, Snapshot,
    blobs::{Checkpoint, INLINE, Upload},
    body::{self, Body, Commit, Content, FileBody, FileRemoved, OnBranch},
    branches::{Act, BranchBody, Counts, is_about},
};

use super::{
    super::{
        commit::{self, Gathering, MAX_FILE},
        names::Names,
        path::VolumePath,
        rights,
    },
    compare::{Pair, Sides, Way, pairs, same},
    live, overlay,
};
use crate::{
    contents,
    errors::{refusal, refused},
    writer::WriterHandle,
};

/// Most files of a branch that are merged at once, most of them about which something is said, and most bytes of that.
const MAX_FILES: usize = 100_000;
const MAX_DECIDED: usize = 20_000;
const MAX_BYTES: u64 = 64 << 20;

/// How often a merge is made out while files of the volume are written.
const TRIES: usize = 8;

/// Events looked at at once.
const SLICE: usize = 512;

/// What becomes of a file that both sides changed.
struct Decided {
    ours: Option<[u8; 32]>,
    theirs: Option<[u8; 32]>,
    becomes: Choice,
}

#[derive(Clone)]
enum Choice {
    Ours,
    Theirs,
    Bytes(Vec<u8>),
}

/// A file that gets a new version.
struct Step {
    entity: [u8; 16],
    path: String,
    branch: Option<OnBranch>,
    source: Source,
    ours: Option<[u8; 32]>,
    theirs: Option<[u8; 32]>,
}

/// What it gets.
enum Source {
    /// What another version made of its file; looked up when it is written, so that few are in memory.
    Version([u8; 32]),
    /// This.
    Content(Content),
}

/// Brings one side into the other.
pub(crate) async fn merge(
    names: &Names,
    writer: &WriterHandle,
    gathering: &Gathering,
    request: MergeBranch,
    reply: &mut Reply<MergeBranch>,
) -> Result<Merged, Refusal> {
    let sides = Sides::parse(&request.from, &request.into)?;
    sides.allow(reply.source().0, rights::Act::Write)?;
    let message = commit::message(request.message)?;
    let _gathering = gathering.enter().await?;
    let decided = gather(reply).await?;
    let merging = Merging { names, writer, sides, message, from: request.from, into: request.into, id: request.id, decided };
    for _ in 0..TRIES {
        if let Some(merged) = merging.attempt().await? {
            return Ok(merged);
        }
    }
    Err(busy(&merging.sides.branch.volume))
}

/// Files are written faster than they can be looked at.
pub(super) fn busy(volume: &str) -> Refusal {
    Refusal::new(Code::Busy, format!("files of {volume:?} are being written all the time; say it again when that has ended"))
}

/// The place of the newest event.
pub(super) fn newest(snapshot: &Snapshot<'_>) -> Result<u64, Refusal> {
    let newest = snapshot.newest_event().map_err(|error| refusal(&error))?;
    Ok(newest.map_or(0, |(position, _)| position))
}

/// Whether anything of a volume or a branch of it was written, or anything erased, after a place.
pub(super) fn written_since(replica: &Replica, mut seen: u64, volume: &str) -> Result<bool, ReplicaError> {
    let snapshot = replica.snapshot()?;
    loop {
        let walked = snapshot.walk(seen, SLICE)?;
        let Some(last) = walked.last else { return Ok(false) };
        seen = last;
        // What cannot be read may be about it.
        if !walked.damaged.is_empty() {
            return Ok(true);
        }
        for event in walked.events {
            if matches!(event.header.kind, body::FILE | body::FILE_REMOVED | body::BRANCH | body::ERASE) {
                match snapshot.record(event.position) {
                    Ok(Some(record)) if !is_about(&record.body, volume) => {}
                    Ok(_) | Err(ReplicaError::Damaged(_)) => return Ok(true),
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// Takes what is said about files that both sides changed.
async fn gather(reply: &mut Reply<MergeBranch>) -> Result<HashMap<String, Decided>, Refusal> {
    let mut decided = Decisions::default();
    while let Some(piece) = reply.next().await {
        decided.take(piece?)?;
    }
    decided.end()
}

#[derive(Default)]
struct Decisions {
    all: HashMap<String, Decided>,
    /// The file whose bytes come, and how many are still to come.
    last: Option<(String, u64)>,
    bytes: u64,
}

impl Decisions {
    fn take(&mut self, piece: MergePiece) -> Result<(), Refusal> {
        match piece {
            MergePiece::Decide { path, ours, theirs, becomes } => {
                if self.last.as_ref().is_some_and(|(_, wanted)| *wanted != 0) {
                    return Err(bad("a file has another length than was said"));
                }
                let length = if let Becomes::Bytes(length) = becomes { length } else { 0 };
                self.bytes = self.bytes.saturating_add(length).saturating_add(path.len() as u64);
                if length > MAX_FILE || self.bytes > MAX_BYTES || self.all.len() == MAX_DECIDED {
                    return Err(bad("it says more than can be merged at once; decide for one side, or merge by hand"));
                }
                self.last = Some((path.clone(), length));
                let becomes = match becomes {
                    Becomes::Ours => Choice::Ours,
                    Becomes::Theirs => Choice::Theirs,
                    // Room is made when bytes come, not when they are announced.
                    Becomes::Bytes(_) => Choice::Bytes(Vec::new()),
                };
                match self.all.insert(path, Decided { ours, theirs, becomes }) {
                    None => Ok(()),
                    Some(_) => Err(bad("a file stands twice in one merge")),
                }
            }
            MergePiece::Bytes(bytes) => {
                let Some((path, wanted)) = &mut self.last else { return Err(bad("bytes belong to a file")) };
                *wanted = wanted.checked_sub(bytes.len() as u64).ok_or_else(|| bad("a file has another length than was said"))?;
                if let Some(Decided { becomes: Choice::Bytes(all), .. }) = self.all.get_mut(path.as_str()) {
                    all.extend_from_slice(&bytes);
                }
                Ok(())
            }
        }
    }

    fn end(self) -> Result<HashMap<String, Decided>, Refusal> {
        match self.last {
            Some((_, wanted)) if wanted != 0 => Err(bad("a file has another length than was said")),
            _ => Ok(self.all),
        }
    }
}

fn bad(why: &str) -> Refusal {
    Refusal::new(Code::NotKeepable, why)
}

/// A merge that is made out, perhaps more than once.
struct Merging<'m> {
    names: &'m Names,
    writer: &'m WriterHandle,
    sides: Sides,
    message: String,
    from: String,
    into: String,
    id: [u8; 16],
    decided: HashMap<String, Decided>,
}

/// What one attempt writes.
#[derive(Default)]
struct Plan {
    steps: Vec<Step>,
    checkpoints: Vec<Checkpoint>,
    /// They hold the chunks of large files until the events that refer to them are there.
    uploads: Vec<Upload>,
}

impl Merging<'_> {
    /// `None` if files of the volume were written meanwhile.
    async fn attempt(&self) -> Result<Option<Merged>, Refusal> {
        let (replica, name) = (&self.names.replica, &self.sides.branch);
        let once = replica.keys().blind("branch", &[b"merge", &self.id, self.from.as_bytes(), self.into.as_bytes()]);
        let (seen, branch) = {
            let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
            let before = snapshot.once(body::BRANCH, &once).map_err(|error| refusal(&error))?;
            if let Some(Body::Branch(BranchBody { counts: Some(counts), .. })) = before.map(|record| record.body) {
                return Ok(Some(Merged { written: counts.written, removed: counts.removed, moved: true }));
            }
            (newest(&snapshot)?, live(&snapshot, replica, name)?)
        };
        let own = overlay::own(self.names, name, &branch, None, MAX_FILES + 1).await?;
        if own.len() > MAX_FILES {
            return Err(bad(&format!("{:?} changed more than {MAX_FILES} files, and so many are not merged at once", name.name)));
        }
        let is_due = match self.sides.way {
            Way::Out => !own.is_empty(),
            Way::In => overlay::base_moved(self.names, name, &branch).await?,
        };
        if !is_due {
            return Ok(Some(Merged::default()));
        }
        let mut chosen = Vec::new();
        pairs(self.names, name, &branch, &own, |pair| {
            chosen.extend(self.choose(pair)?);
            Ok(true)
        })
        .await?;
        let mut plan = Plan::default();
        for (pair, choice) in chosen {
            self.plan(&mut plan, pair, choice, branch.generation).await?;
        }
        self.keep(plan, seen, branch.generation, once).await
    }

    /// What becomes of a file where it is merged into; `None` if it stays what it is there.
    fn choose(&self, pair: Pair) -> Result<Option<(Pair, Choice)>, Refusal> {
        let way = self.sides.way;
        let (ours, theirs) = pair.sides(way);
        let (ours, theirs) = (ours.map(|side| side.event), theirs.map(|side| side.event));
        let choice = match pair.changed(way) {
            ChangedBy::Neither => Choice::Theirs,
            ChangedBy::Ours => Choice::Ours,
            ChangedBy::Theirs => Choice::Theirs,
            ChangedBy::Both => match self.decided.get(&pair.inside) {
                Some(decided) if (decided.ours, decided.theirs) == (ours, theirs) => decided.becomes.clone(),
                _ => {
                    let why = format!("both sides changed {:?}, and nothing says what it becomes", pair.inside);
                    return Err(Refusal::new(Code::Conflict, why));
                }
            },
        };
        // In the volume, what stays is there; through the new fork point, what the volume has is seen.
        let stays =
            match (way, &choice) {
                (Way::Out, Choice::Ours) | (Way::In, Choice::Theirs) => true,
                (Way::Out, Choice::Theirs) => pair.changed(way) == ChangedBy::Neither,
                (Way::In, Choice::Ours) => false,
                (_, Choice::Bytes(bytes)) => pair.volume.as_ref().and_then(|side| side.content.as_ref()).is_some_and(|content| {
                    content.length() == bytes.len() as u64 && same(content, &Content::Bytes(bytes.clone()))
                }),
            };
        Ok((!stays).then_some((pair, choice)))
    }

    /// Adds what a file gets.
    async fn plan(&self, plan: &mut Plan, pair: Pair, choice: Choice, generation: u64) -> Result<(), Refusal> {
        let replica = &self.names.replica;
        let (ours, theirs) = pair.sides(self.sides.way);
        let (ours, theirs) = (ours.map(|side| side.event), theirs.map(|side| side.event));
        let (entity, path, branch): (_, VolumePath, _) = match self.sides.way {
            Way::Out => {
                let path = pair.spot.path().in_volume();
                (path.entity(replica), path, None)
            }
            Way::In => {
                let over = pair.volume.as_ref().map(|side| side.event);
                (pair.spot.entity(), pair.spot.path().clone(), Some(OnBranch { generation, over }))
            }
        };
        let source = match choice {
            Choice::Ours => ours.map(Source::Version),
            Choice::Theirs => theirs.map(Source::Version),
            Choice::Bytes(bytes) => {
                let large = bytes.len() as u64 > INLINE;
                let (content, upload) = contents::put(replica, entity, bytes).await?.parts();
                if let Some((checkpoint, upload)) = upload.filter(|_| large) {
                    plan.checkpoints.push(checkpoint);
                    plan.uploads.push(upload);
                }
                Some(Source::Content(content))
            }
        };
        // The branch has a version of every file of its own.
        let Some(source) = source else { return Ok(()) };
        plan.steps.push(Step { entity, path: path.into_whole(), branch, source, ours, theirs });
        Ok(())
    }

    /// Keeps all of it, if nothing was written meanwhile.
    async fn keep(&self, plan: Plan, seen: u64, generation: u64, once: replica::Once) -> Result<Option<Merged>, Refusal> {
        let replica = self.names.replica.clone();
        let Plan { steps, checkpoints, uploads } = plan;
        let large = !uploads.is_empty();
        let (id, message, from, into) = (self.id, self.message.clone(), self.from.clone(), self.into.clone());
        let (name, way) = (self.sides.branch.clone(), self.sides.way);
        let task = move |writer: &mut replica::Writer| {
            if written_since(&replica, seen, &name.volume)? {
                return Ok(None);
            }
            // Nobody else writes, so this is what there is until the transaction ends.
            let snapshot = replica.snapshot()?;
            let mut why = None;
            let result = writer.write(|batch| {
                checkpoints.iter().try_for_each(|checkpoint| batch.keep_upload(checkpoint))?;
                let (mut counts, mut all) = (Counts::default(), Vec::with_capacity(steps.len() + 1));
                for step in &steps {
                    let merge = body::Merge { from: from.clone(), into: into.clone(), ours: step.ours, theirs: step.theirs };
                    let commit = Commit { id, message: message.clone(), merge: Some(merge) };
                    let body = step.body(&snapshot, commit)?;
                    let count = if body.kind() == body::FILE { &mut counts.written } else { &mut counts.removed };
                    *count += 1;
                    all.push(append(batch, Draft { entity: step.entity, body, once: None }, &mut why)?);
                }
                let said = BranchBody {
                    name: name.name.clone(),
                    generation,
                    act: Act::Move,
                    fork: match way {
                        // What was written on the branch again comes after what it lies over.
                        Way::In => snapshot.fork_point()?,
                        Way::Out => batch.fork_point()?,
                    },
                    commit: Some(Commit { id, message: message.clone(), merge: None }),
                    counts: Some(counts),
                };
                let entity = replica.branch_entity(&name.name);
                all.push(append(batch, Draft { entity, body: Body::Branch(said), once: Some(once) }, &mut why)?);
                Ok((counts, all))
            });
            Ok(Some(match (result, why) {
                (Ok(done), _) => Ok(done),
                (Err(_), Some(why)) => Err(refused(why)),
                (Err(error), None) => Err(refusal(&error)),
            }))
        };
        let result = self.writer.run(task).await;
        drop(uploads);
        if large && !matches!(&result, Ok(Some(Ok(_)))) {
            // Nothing refers to what came.
            contents::collect(&self.names.replica, self.writer);
        }
        let Some(done) = result? else { return Ok(None) };
        let (Counts { written, removed }, all): (Counts, Vec<Kept>) = done?;
        all.into_iter().for_each(|one| self.writer.tell(one));
        Ok(Some(Merged { written, removed, moved: true }))
    }
}

fn append(batch: &mut Batch<'_>, draft: Draft, why: &mut Option<replica::Refused>) -> Result<Kept, ReplicaError> {
    batch.append(&draft)?.map_err(|refused| {
        *why = Some(refused);
        // An error is what takes a transaction back.
        ReplicaError::Engine("a part of a merge is refused".to_owned())
    })
}

impl Step {
    fn body(&self, snapshot: &Snapshot<'_>, commit: Commit) -> Result<Body, ReplicaError> {
        let (path, commit, branch) = (self.path.clone(), Some(commit), self.branch);
        let content = match &self.source {
            Source::Content(content) => Some(content.clone()),
            Source::Version(event) => match snapshot.version(event)?.and_then(|version| version.body) {
                // What is large lies in the chunks that it lay in.
                Some(Body::File(file)) => Some(file.content()),
                _ => None,
            },
        };
        Ok(match content {
            Some(content) => Body::File(FileBody { commit, branch, ..FileBody::new(path, content) }),
            None => Body::FileRemoved(FileRemoved { path, commit, branch }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(path: &str, becomes: Becomes) -> MergePiece {
        MergePiece::Decide { path: path.to_owned(), ours: None, theirs: None, becomes }
    }

    fn gather(pieces: Vec<MergePiece>) -> Result<usize, Code> {
        let mut decisions = Decisions::default();
        let taken = pieces.into_iter().try_for_each(|piece| decisions.take(piece));
        taken.and_then(|()| decisions.end()).map(|all| all.len()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn what_is_decided_is_what_was_announced() {
        let bytes = |count: usize| MergePiece::Bytes(vec![1; count]);
        let good =
            vec![decide("a", Becomes::Bytes(3)), bytes(1), bytes(2), decide("b", Becomes::Ours), decide("c", Becomes::Theirs)];
        assert_eq!(gather(good), Ok(3));
        assert_eq!(gather(vec![]), Ok(0));
        for bad in [
            vec![bytes(1)],
            vec![decide("a", Becomes::Bytes(3))],
            vec![decide("a", Becomes::Bytes(3)), bytes(4)],
            vec![decide("a", Becomes::Bytes(3)), bytes(2), decide("b", Becomes::Ours)],
            vec![decide("a", Becomes::Ours), bytes(1)],
            vec![decide("a", Becomes::Ours), decide("a", Becomes::Theirs)],
            vec![decide("a", Becomes::Bytes(MAX_FILE + 1))],
            vec![decide("a", Becomes::Bytes(u64::MAX))],
            (0..=MAX_DECIDED).map(|number| decide(&number.to_string(), Becomes::Ours)).collect(),
            (0..65).flat_map(|number| [decide(&number.to_string(), Becomes::Bytes(1 << 20)), bytes(1 << 20)]).collect(),
        ] {
            assert_eq!(gather(bad), Err(Code::NotKeepable));
        }
    }
}
