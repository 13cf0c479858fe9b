//! Beginning a branch, listing branches, ending one.

use ipc::{
    Code, Refusal, Role,
    event::Clock,
    messages::storage::{Appended, BranchState, Branches, EndBranch, ListBranches, MAX_PAGE, MakeBranch},
};
use replica::{
    Draft, Kept, Replica, ReplicaError, Writer,
    body::{self, Body},
    branches::{Act, Branch, BranchBody},
};

use super::{
    super::{
        names::Names,
        path::BranchName,
        rights::{self, allow, may},
    },
    compare, live, merge, overlay,
};
use crate::{convert::appended, errors::refusal, writer::WriterHandle};

/// Most branches at one time: so many are listed without a page on disk.
const MAX_BRANCHES: usize = 1000;

/// Files of a branch that are counted for a list.
const MAX_COUNTED: usize = 100_000;

/// How often an end is tried while files of the volume are written.
const TRIES: usize = 8;

/// Begins a branch at what is there when the event is kept.
pub(crate) async fn make(replica: &Replica, writer: &WriterHandle, role: Role, request: MakeBranch) -> Result<Appended, Refusal> {
    let name = BranchName::parse(&request.name)?;
    allow(role, rights::Act::Write, name.kind, &name.name)?;
    let once = replica.keys().blind("branch", &[b"begin", &request.once, name.name.as_bytes()]);
    let here = replica.clone();
    let made = writer.run(move |writer| begin(&here, writer, &name, once)).await??;
    writer.tell(made);
    Ok(appended(made))
}

fn begin(
    replica: &Replica,
    writer: &mut Writer,
    name: &BranchName,
    once: replica::Once,
) -> Result<Result<Kept, Refusal>, ReplicaError> {
    let entity = replica.branch_entity(&name.name);
    let before = {
        let snapshot = replica.snapshot()?;
        if let Some(made) = snapshot.once(body::BRANCH, &once)? {
            return Ok(Ok(again(&made)));
        }
        let branches = snapshot.branches()?;
        if branches.iter().filter(|branch| branch.is_there()).count() >= MAX_BRANCHES {
            let why = format!("there are {MAX_BRANCHES} branches, and that is the most; merge or delete some first");
            return Ok(Err(Refusal::new(Code::NotKeepable, why)));
        }
        snapshot.branch(&entity)?.unwrap_or_default()
    };
    if before.is_there() {
        return Ok(Err(Refusal::new(Code::NotKeepable, format!("there is a branch {:?} already", name.name))));
    }
    let generation = before.generation.max(before.ended) + 1;
    let fork = replica.snapshot()?.fork_point()?;
    let said = BranchBody { name: name.name.clone(), generation, act: Act::Begin, fork, commit: None, counts: None };
    append(writer, Draft { entity, body: Body::Branch(said), once: Some(once) })
}

/// An event that was kept before.
pub(super) fn again(record: &replica::Record) -> Kept {
    let event = &record.event;
    Kept { position: event.position, id: event.id, kind: event.header.kind, entity: event.header.entity, again: true }
}

fn append(writer: &mut Writer, draft: Draft) -> Result<Result<Kept, Refusal>, ReplicaError> {
    let kept = writer.write(|batch| batch.append(&draft))?;
    Ok(kept.map_err(crate::errors::refused))
}

/// A page of branches.
pub(crate) async fn list(names: &Names, role: Role, request: &ListBranches) -> Result<Branches, Refusal> {
    let mut found = Vec::new();
    let branches = names.replica.snapshot().and_then(|snapshot| snapshot.branches()).map_err(|error| refusal(&error))?;
    for branch in branches.into_iter().filter(Branch::is_there) {
        // A name that is none came from elsewhere, and no path leads to it.
        let Ok(name) = BranchName::parse(&branch.name) else { continue };
        let wanted = request.volume.is_empty() || request.volume == name.volume;
        if wanted && name.name > request.after && may(role, rights::Act::List, name.kind) {
            found.push((name, branch));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let limit = usize::from(request.limit.clamp(1, MAX_PAGE));
    let more = found.len() > limit;
    let mut items = Vec::new();
    for (name, branch) in found.into_iter().take(limit) {
        let changed = overlay::own(names, &name, &branch, None, MAX_COUNTED).await?.len();
        items.push(BranchState {
            name: name.name,
            volume: name.volume,
            begun_ms: Clock(branch.begun).millis(),
            forked_ms: Clock(branch.forked).millis(),
            changed: u32::try_from(changed).unwrap_or(u32::MAX),
        });
    }
    Ok(Branches { items, more })
}

/// Ends a branch.
pub(crate) async fn end(names: &Names, writer: &WriterHandle, role: Role, request: EndBranch) -> Result<Appended, Refusal> {
    let replica = &names.replica;
    let name = BranchName::parse(&request.name)?;
    allow(role, rights::Act::Write, name.kind, &name.name)?;
    let once = replica.keys().blind("branch", &[b"end", &request.once, name.name.as_bytes()]);
    for _ in 0..TRIES {
        let (seen, branch) = {
            let snapshot = replica.snapshot().map_err(|error| refusal(&error))?;
            if let Some(ended) = snapshot.once(body::BRANCH, &once).map_err(|error| refusal(&error))? {
                return Ok(appended(again(&ended)));
            }
            (merge::newest(&snapshot)?, live(&snapshot, replica, &name)?)
        };
        if !request.force {
            let unmerged = compare::unmerged(names, &name, &branch).await?;
            if let Some(first) = unmerged {
                let why = format!(
                    "{:?} has what is not in {:?}, {first:?} for one; merge it, or say --force: its history stays",
                    name.name, name.volume
                );
                return Err(Refusal::new(Code::NotKeepable, why));
            }
        }
        let said = BranchBody {
            name: name.name.clone(),
            generation: branch.generation,
            act: Act::End,
            fork: Vec::new(),
            commit: None,
            counts: None,
        };
        let draft = Draft { entity: replica.branch_entity(&name.name), body: Body::Branch(said), once: Some(once) };
        let (here, volume) = (replica.clone(), name.volume.clone());
        let ended =
            writer.run(
                move |writer| {
                    if merge::written_since(&here, seen, &volume)? { Ok(None) } else { append(writer, draft).map(Some) }
                },
            );
        if let Some(ended) = ended.await? {
            let ended = ended?;
            writer.tell(ended);
            return Ok(appended(ended));
        }
    }
    Err(merge::busy(&name.volume))
}
