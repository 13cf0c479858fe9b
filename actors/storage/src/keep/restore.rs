//! Putting a backup back: everything into an archive that has nothing, or what is damaged into one that has it.
//!
//! A mark in the directory says that a restoring was begun and has not ended, so that one that was cut off can go on though
//! the archive is not empty any more. Another says that damaged events were put back and that what is derived does not know
//! it yet: who follows the log has passed over them, and comes back to them only by being made to begin again.

use std::{fs, io, path::Path};

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    messages::{
        common::Chunk,
        storage::{MAX_POINT, OpenPoint, PackName, PointFor, PointOpened, Restored, TakeHow, TakePack, TookPack},
    },
    service::Method,
};
use replica::{
    Kept, Replica, ReplicaError, Taken, Writer,
    backup::{Inside, MAX_PACK, Point},
};

use super::{Damage, Derived, Keep, aside, backup, whole};
use crate::{errors::refusal, writer::WriterHandle};

/// In the directory of the archive while a restoring is not done.
const MARK: &str = "restoring";

/// In the directory of the archive from before the first damaged event is put back until all that is derived was made anew.
const MENDING: &str = "mending";

/// Events of a pack that are taken in one transaction.
const TOGETHER: usize = 1024;

async fn receive<M: Method<Up = Chunk>>(reply: &mut Reply<M>, most: u64) -> Result<Vec<u8>, Refusal> {
    let mut file = Vec::new();
    while let Some(piece) = reply.next().await {
        file.extend_from_slice(&piece?.0);
        if file.len() as u64 > most {
            return Err(Refusal::new(Code::NotKeepable, "no file of a backup is as large as this"));
        }
    }
    Ok(file)
}

/// Reads a point and names the packs that are needed.
pub(crate) async fn open(
    replica: &Replica,
    keep: &Keep,
    directory: &Path,
    request: OpenPoint,
    reply: &mut Reply<OpenPoint>,
) -> Result<PointOpened, Refusal> {
    let file = receive(reply, MAX_POINT).await?;
    let point = replica.open_point(&file).ok();
    let opened = PointOpened {
        readable: point.is_some(),
        whole: point.as_ref().is_some_and(|point| point.whole),
        made_ms: point.as_ref().map_or(0, |point| point.made),
        events: point.as_ref().map_or(0, |point| point.events.iter().chain(&point.others).map(|pack| pack.count).sum()),
        chunks: point.as_ref().map_or(0, |point| point.chunks.iter().map(|pack| pack.names().len() as u64).sum()),
        bytes: point.as_ref().map_or(0, bytes),
        others: point.as_ref().map_or(0, |point| point.others.len() as u64),
        lost: point.as_ref().map_or(0, |point| point.lost),
        lost_chunks: point.as_ref().map_or(0, |point| point.lost_chunks),
    };
    let names = match request.why {
        PointFor::Looking => Vec::new(),
        PointFor::Restoring | PointFor::RestoringOther => {
            let has_others = point.as_ref().is_some_and(|point| !point.others.is_empty());
            let goes_on = begin(replica, directory)?;
            // What the list does not tell of may be here already.
            let cannot_compare = request.why == PointFor::RestoringOther || has_others && goes_on;
            keep.same.set(cannot_compare.then_some(None));
            point.iter().flat_map(all).collect()
        }
        PointFor::Mending => point.iter().flat_map(|point| needed(point, &keep.damage.borrow(), &replica.device())).collect(),
    };
    if request.why == PointFor::Mending {
        keep.same.set(Some(None));
    }
    if request.why != PointFor::Looking {
        keep.mended.set(false);
        *keep.point.borrow_mut() = point;
    }
    for name in names {
        if !reply.send(&PackName(name)).await? {
            break;
        }
    }
    Ok(opened)
}

fn bytes(point: &Point) -> u64 {
    let events = point.events.iter().chain(&point.others).map(|pack| pack.length);
    events.chain(point.chunks.iter().map(|pack| pack.length)).sum()
}

/// Events first, so that no chunk is ever there that nothing names; what the archive did not have whole comes last.
fn all(point: &Point) -> Vec<[u8; 16]> {
    let listed = point.events.iter().map(|pack| pack.name).chain(point.chunks.iter().map(|pack| pack.name));
    listed.chain(point.others.iter().map(|pack| pack.name)).collect()
}

/// The packs that may have what is damaged. Places mean something only to the device that made the point.
fn needed(point: &Point, damage: &Damage, device: &[u8; 32]) -> Vec<[u8; 16]> {
    let holds = |first: u64, last: u64| {
        let mut places = damage.places.iter();
        if point.device == *device { places.any(|place| (first..=last).contains(place)) } else { places.next().is_some() }
    };
    let events = point.events.iter().filter(|pack| holds(pack.first, pack.last)).map(|pack| pack.name);
    let chunks = point.chunks.iter().filter(|pack| pack.names().iter().any(|name| damage.chunks.contains(name)));
    let others = point.others.iter().filter(|_| !damage.places.is_empty()).map(|pack| pack.name);
    events.chain(chunks.map(|pack| pack.name)).chain(others).collect()
}

/// Whether a restoring was begun and has not ended.
pub(crate) fn is_going_on(directory: &Path) -> bool {
    directory.join(MARK).exists()
}

/// Begins to put back, or goes on with it; whether something is here already.
fn begin(replica: &Replica, directory: &Path) -> Result<bool, Refusal> {
    let cannot = |error: io::Error| refusal(&error.into());
    let mark = directory.join(MARK);
    let (events, _, _) = replica.snapshot().and_then(|snapshot| snapshot.counts()).map_err(|error| refusal(&error))?;
    if mark.try_exists().map_err(cannot)? {
        return Ok(events > 0);
    }
    if events > 0 {
        return Err(Refusal::new(
            Code::NotKeepable,
            format!(
                "this place is not empty: {events} events are kept in it already; restore into an empty one, which --data-dir names"
            ),
        ));
    }
    set_mark(directory, MARK).map_err(cannot)?;
    Ok(false)
}

fn set_mark(directory: &Path, name: &str) -> io::Result<()> {
    fs::File::create(directory.join(name))?.sync_all()?;
    fs::File::open(directory)?.sync_all()
}

fn drop_mark(directory: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(directory.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes anew what is derived where a process before this one put damaged events back and ended before it could.
pub(crate) async fn go_on(derived: &Derived<'_>, directory: &Path) {
    if !directory.join(MENDING).exists() {
        return;
    }
    match derived.rebuild().await {
        Ok(()) => match drop_mark(directory, MENDING) {
            Ok(()) => tracing::info!("what was derived before damaged events were put back was made anew"),
            // It is done once more at the next start.
            Err(error) => tracing::warn!(%error, "the mark of what was put back stays"),
        },
        Err(refusal) => tracing::warn!(code = ?refusal.code, "what was put back is not in what is derived yet"),
    }
}

/// Takes a pack in.
pub(crate) async fn take(
    replica: &Replica,
    writer: &WriterHandle,
    keep: &Keep,
    directory: &Path,
    request: TakePack,
    reply: &mut Reply<TakePack>,
) -> Result<TookPack, Refusal> {
    let file = receive(reply, MAX_PACK).await?;
    let name = request.name.0;
    if request.how == TakeHow::Sifting {
        return backup::sift(keep, name, file).await;
    }
    let is_beside = |point: &Point| point.others.iter().any(|pack| pack.name == name);
    if keep.point.borrow().as_ref().is_some_and(is_beside) {
        whole::compare(replica, keep).await?;
    }
    let opening = replica.clone();
    let inside = aside(move || Ok(opening.open_pack(&name, &file))).await?;
    let mut took = TookPack::default();
    match inside {
        Err(bad) => took.bad = Some(bad.to_string()),
        Ok(Inside::Events(parcels)) => {
            if request.how == TakeHow::Mending {
                set_mark(directory, MENDING).map_err(|error| refusal(&error.into()))?;
            }
            let mut rest = parcels;
            while !rest.is_empty() {
                let later = rest.split_off(rest.len().min(TOGETHER));
                let some = std::mem::replace(&mut rest, later);
                match request.how {
                    TakeHow::Mending => {
                        let mended = writer.run(move |writer| writer.mend(&some)).await?;
                        keep.mended.set(keep.mended.get() || mended > 0);
                        took.events += mended;
                    }
                    how => {
                        let taken = writer.run(move |writer| match how {
                            TakeHow::WithGaps => writer.take_over_gaps(&some),
                            _ => writer.take(&some),
                        });
                        count(&taken.await?, &mut took, writer);
                    }
                }
            }
        }
        Ok(Inside::Chunks(chunks)) => {
            let again = match request.how {
                TakeHow::Mending => keep.damage.borrow().chunks.clone(),
                _ => Default::default(),
            };
            let mending = request.how == TakeHow::Mending;
            let put = move |writer: &mut Writer| -> Result<u64, ReplicaError> {
                let mut chunks = chunks;
                if mending {
                    chunks.retain(|(name, _)| again.contains(name));
                }
                writer.put_chunks(&chunks, &again)
            };
            took.chunks = writer.run(put).await?;
        }
    }
    Ok(took)
}

fn count(taken: &[Result<Taken, replica::Unfit>], took: &mut TookPack, writer: &WriterHandle) {
    for one in taken {
        let kept: Option<Kept> = match one {
            Ok(Taken::Kept(kept) | Taken::Bare(kept) | Taken::Filled(kept)) => Some(*kept),
            Ok(Taken::Known) => None,
            Ok(Taken::Gap(_)) => {
                took.waiting += 1;
                None
            }
            Ok(Taken::Fork(_) | Taken::Cloned(_)) => {
                took.other_history += 1;
                None
            }
            Err(unfit) => {
                refuse(took, unfit.to_string());
                None
            }
        };
        if let Some(kept) = kept {
            took.events += 1;
            writer.tell(kept);
        }
    }
}

fn refuse(took: &mut TookPack, why: String) {
    if took.refused == 0 {
        took.why = why;
    }
    took.refused += 1;
}

/// Compares what is here with the point; makes derived things anew where that was found to be needed.
pub(crate) async fn end(replica: &Replica, derived: &Derived<'_>, keep: &Keep, directory: &Path) -> Result<Restored, Refusal> {
    let damage = keep.damage.take();
    if keep.mended.take() || damage.derived {
        // What was folded while something was damaged may lack it.
        derived.rebuild().await?;
    }
    drop_mark(directory, MENDING).map_err(|error| refusal(&error.into()))?;
    let same = whole::compare(replica, keep).await?;
    keep.same.set(None);
    let point = keep.point.take();
    let was_damaged = damage != Damage::default();
    let looking = replica.clone();
    let (events, conversations, lacking) = aside(move || {
        let (events, _, conversations) = looking.snapshot()?.counts()?;
        // After mending, `verify` looks at everything anyway.
        let lacking = if was_damaged { None } else { Some(whole::lacking(&looking, point.map_or(0, |point| point.missing))?) };
        Ok((events, conversations, lacking))
    })
    .await?;
    drop_mark(directory, MARK).map_err(|error| refusal(&error.into()))?;
    let (missing, gaps, damaged_chunks) =
        lacking.map_or_else(Default::default, |lacking| (lacking.missing, lacking.gaps, lacking.damaged_chunks));
    Ok(Restored { same, events, conversations, missing, gaps, damaged_chunks })
}
