//! Making a backup: what is missing from the last one is packed and given out, pack by pack, and the list of all packs last.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ipc::{
    Code, Refusal,
    endpoint::Reply,
    messages::storage::{
        BackupBegun, BackupEnded, BackupFolder, BackupPiece, BeginBackup, EndBackup, MAX_PACKS, MAX_POINT, NextPack, PackName,
        Packed, PackedWhat, TookPack,
    },
};
use replica::{
    Replica, ReplicaError,
    backup::{Name, Next, Pack, Plan},
};

use super::{Keep, aside};
use crate::{
    contents::{give_bytes, now},
    errors::refusal,
    signer::Signer,
};

/// Where the backups of this archive lie.
pub(crate) async fn folder(replica: &Replica, signer: &Signer) -> Result<BackupFolder, Refusal> {
    signer.sign_all().await?;
    Ok(BackupFolder { name: replica.backup_folder() })
}

/// Compares the last backup with what is here.
pub(crate) async fn begin(replica: &Replica, keep: &Keep, reply: &mut Reply<BeginBackup>) -> Result<BackupBegun, Refusal> {
    let mut file = Vec::new();
    let mut there = HashMap::new();
    while let Some(piece) = reply.next().await {
        match piece? {
            BackupPiece::Point(bytes) => file.extend_from_slice(&bytes),
            BackupPiece::Pack { name, length } => drop(there.insert(name, length)),
        }
        if file.len() as u64 > MAX_POINT || there.len() > MAX_PACKS {
            return Err(Refusal::new(Code::NotKeepable, "a backup has no point as large as this, and not so many packs"));
        }
    }
    let last = replica.open_point(&file).ok();
    let goes_on = last.as_ref().is_some_and(|point| point.device == replica.device());
    let replica = replica.clone();
    let plan = aside(move || Plan::new(&replica, last, &there)).await?;
    let kept = plan.kept();
    *keep.plan.borrow_mut() = Some(Arc::new(Mutex::new(plan)));
    for name in kept {
        if !reply.send(&PackName(name)).await? {
            break;
        }
    }
    Ok(BackupBegun { goes_on })
}

fn planned(keep: &Keep) -> Result<Arc<Mutex<Plan>>, Refusal> {
    let plan = keep.plan.borrow().clone();
    // The process that began it has ended, and this is the next one.
    plan.ok_or_else(|| Refusal::new(Code::PeerDied, "the backup was interrupted; begin it again, what is written is made use of"))
}

async fn with_plan<T: Send + 'static>(
    plan: Arc<Mutex<Plan>>,
    work: impl FnOnce(&mut Plan) -> Result<T, ReplicaError> + Send + 'static,
) -> Result<T, Refusal> {
    aside(move || work(&mut plan.lock().unwrap_or_else(PoisonError::into_inner))).await
}

/// Finds out what comes next; a pack that was made is given out.
pub(crate) async fn next(keep: &Keep, reply: &Reply<NextPack>) -> Result<Packed, Refusal> {
    let lying = |name, what| Packed { name, length: 0, what };
    Ok(match with_plan(planned(keep)?, Plan::next_step).await? {
        Next::Write(Pack { name, file }) => {
            give_bytes(&file, reply).await?;
            Packed { name: Some(PackName(name)), length: file.len() as u64, what: PackedWhat::Made }
        }
        Next::Keep(name) => lying(Some(PackName(name)), PackedWhat::Stays),
        Next::Show(name) => lying(Some(PackName(name)), PackedWhat::Sift),
        Next::Nothing => lying(None, PackedWhat::Made),
    })
}

/// Takes from a pack of an earlier backup what is not whole here.
pub(crate) async fn sift(keep: &Keep, name: Name, file: Vec<u8>) -> Result<TookPack, Refusal> {
    let looked = with_plan(planned(keep)?, move |plan| plan.look(&name, &file)).await?;
    Ok(TookPack { bad: looked.err().map(|bad| bad.to_string()), ..TookPack::default() })
}

/// Makes the point and gives it out.
pub(crate) async fn end(
    replica: &Replica,
    signer: &Signer,
    keep: &Keep,
    request: EndBackup,
    reply: &Reply<EndBackup>,
) -> Result<BackupEnded, Refusal> {
    signer.sign_all().await?;
    let plan = planned(keep)?;
    let (point, mut ended) = with_plan(plan, move |plan| {
        let point = plan.finish(now(), request.last)?;
        let trouble = plan.trouble()?;
        let ended = BackupEnded {
            name: None,
            length: 0,
            whole: false,
            events: plan.packed_events(),
            chunks: plan.packed_chunks(),
            bytes: plan.packed_bytes(),
            damaged_events: trouble.events,
            damaged_chunks: trouble.chunks,
            lost: trouble.lost + trouble.lost_chunks,
            damaged: trouble.named,
            elsewhere: trouble.elsewhere,
        };
        Ok((point, ended))
    })
    .await?;
    if let Some(point) = point {
        let (name, file) = replica.seal_point(&point).map_err(|error| refusal(&error))?;
        give_bytes(&file, reply).await?;
        (ended.name, ended.length, ended.whole) = (Some(PackName(name)), file.len() as u64, point.whole);
    }
    Ok(ended)
}
