//! Looking at everything that is kept and naming what is not as it was written. In pieces, each with a snapshot of
//! milliseconds, on a thread of its own.

use std::collections::HashSet;

use ipc::{
    Refusal,
    endpoint::Reply,
    messages::storage::{DamageFound, VerifiedAll, VerifyAll},
};
use replica::{Damaged, LEDGER, Replica, ReplicaError, Snapshot, What, body};
use tokio::sync::mpsc;

use super::{Damage, Keep};
use crate::{
    errors::{ours, refusal},
    memory::{self, Compared, Memory},
};

/// Events looked at in one snapshot.
const SLICE: usize = 128;

/// Entities folded anew in one snapshot.
const ENTITIES: usize = 64;

/// Findings on their way to who asked.
const WAITING: usize = 16;

pub(crate) async fn all(
    replica: &Replica,
    memory: &Memory,
    keep: &Keep,
    reply: &Reply<VerifyAll>,
) -> Result<VerifiedAll, Refusal> {
    let (found, mut findings) = mpsc::channel(WAITING);
    let replica = replica.clone();
    let looking = tokio::task::spawn_blocking(move || {
        let mut look = Look::new(replica);
        // Nobody takes it any more.
        let mut tell = |found_one: DamageFound| found.blocking_send(found_one).is_ok();
        look.everything(&mut tell).map(|()| look)
    });
    while let Some(one) = findings.recv().await {
        if !reply.send(&one).await? {
            break;
        }
    }
    drop(findings);
    let look = looking.await.map_err(|error| ours("wait for the thread that looks", &error))?;
    let look = look.map_err(|error| refusal(&error))?;
    if look.is_ledger_wrong {
        memory.renew().await?;
    }
    *keep.damage.borrow_mut() = look.damage;
    Ok(look.verified)
}

/// A look at everything.
pub(super) struct Look {
    replica: Replica,
    damage: Damage,
    seen: HashSet<[u8; 16]>,
    /// What is known of the memory is to be made anew.
    is_ledger_wrong: bool,
    pub(super) verified: VerifiedAll,
}

impl Look {
    pub(super) fn new(replica: Replica) -> Look {
        let verified = VerifiedAll { events: 0, erased: 0, unsigned: 0, views: 0, chunks: 0, damaged: 0 };
        Look { replica, damage: Damage::default(), seen: HashSet::new(), is_ledger_wrong: false, verified }
    }

    /// Goes on as long as `tell` says so.
    fn everything(&mut self, tell: &mut dyn FnMut(DamageFound) -> bool) -> Result<(), ReplicaError> {
        let mut after = 0;
        while let Some(last) = self.events(after, SLICE, tell)? {
            after = last;
        }
        self.views(tell)
    }

    /// Looks at some events after a place, and at the chunks they name; the last place, or nothing where there are no more.
    pub(super) fn events(
        &mut self,
        after: u64,
        limit: usize,
        tell: &mut dyn FnMut(DamageFound) -> bool,
    ) -> Result<Option<u64>, ReplicaError> {
        let replica = self.replica.clone();
        let snapshot = replica.snapshot()?;
        let looked = snapshot.verify(after, limit)?;
        if looked.events == 0 {
            return Ok(None);
        }
        self.verified.events += looked.events;
        self.verified.erased += looked.bare;
        let bad: HashSet<u64> = looked.damaged.iter().map(|damaged| damaged.position).collect();
        for damaged in &looked.damaged {
            self.verified.damaged += 1;
            match damaged.what {
                What::Index => self.damage.derived = true,
                _ => self.damage.places.push(damaged.position),
            }
            if !tell(found(&snapshot, damaged)) {
                return Ok(None);
            }
        }
        let mut blobs = Vec::new();
        for position in after + 1..=looked.last {
            if bad.contains(&position) {
                continue;
            }
            let Some(event) = snapshot.walk(position - 1, 1)?.events.pop().filter(|event| event.position == position) else {
                continue;
            };
            self.verified.unsigned += u64::from(event.signature.is_none());
            if matches!(event.header.kind, body::ATTACHMENT | body::FILE)
                && let Some(record) = snapshot.record(position)?
                && let Some(blob) = record.body.blob()
            {
                blobs.push((event, blob.clone()));
            }
        }
        let names: Vec<_> = blobs.iter().map(|(event, _)| name(&snapshot, event.header.kind, &event.header.entity)).collect();
        drop(snapshot);
        for ((event, blob), name) in blobs.into_iter().zip(names) {
            for chunk in replica.damaged_chunks(&blob, &mut self.seen)? {
                self.verified.damaged += 1;
                self.damage.chunks.insert(chunk.name);
                let found = DamageFound {
                    what: chunk.what,
                    event: Some(event.id),
                    position: Some(event.position),
                    entity: Some(event.header.entity),
                    name: name.clone(),
                    lies: chunk.place,
                    derived: false,
                };
                if !tell(found) {
                    return Ok(None);
                }
            }
        }
        self.verified.chunks = self.seen.len() as u64;
        Ok(Some(looked.last))
    }

    /// Looks at the views.
    pub(super) fn views(&mut self, tell: &mut dyn FnMut(DamageFound) -> bool) -> Result<(), ReplicaError> {
        let snapshot = self.replica.snapshot()?;
        let counts = snapshot.statistics()?;
        self.verified.views = counts.conversations + counts.files + counts.states;
        let unopened = snapshot.verify_views()?;
        drop(snapshot);
        let unreadable = |what| format!("the view of {what} cannot be read; it can be made anew from the events");
        for (what, entity) in unopened {
            if !self.view(unreadable(what), entity, tell) {
                return Ok(());
            }
        }
        let differs = |what| format!("the view of {what} is not what the events make; it can be made anew from them");
        let mut after = None;
        loop {
            let folds = self.replica.snapshot()?.verify_folds(after, ENTITIES)?;
            for (what, entity) in folds.wrong {
                if !self.view(differs(what), entity, tell) {
                    return Ok(());
                }
            }
            after = folds.last;
            if after.is_none() {
                break;
            }
        }
        self.ledger(tell)
    }

    /// Looks at what is known of the memory. What has not taken in all there is cannot be compared.
    fn ledger(&mut self, tell: &mut dyn FnMut(DamageFound) -> bool) -> Result<(), ReplicaError> {
        let mut compared = Compared::default();
        loop {
            let looked = memory::compare(&self.replica.snapshot()?, &compared, ENTITIES);
            let wrong = match looked {
                Ok(None) => return Ok(()),
                Ok(Some(next)) => {
                    compared = next;
                    compared.wrong.iter().copied().map(Some).collect()
                }
                Err(ReplicaError::Damaged(replica::Damage::Record(LEDGER))) => {
                    compared.after = None;
                    vec![None]
                }
                Err(error) => return Err(error),
            };
            for entity in wrong {
                self.is_ledger_wrong = true;
                self.verified.damaged += 1;
                let what = "what is known of the memory is not what the events make; it is made anew from them".to_owned();
                if !tell(DamageFound { what, event: None, position: None, entity, name: None, lies: None, derived: true }) {
                    return Ok(());
                }
            }
            if compared.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Tells of a view; whether to go on.
    fn view(&mut self, what: String, entity: [u8; 16], tell: &mut dyn FnMut(DamageFound) -> bool) -> bool {
        self.verified.damaged += 1;
        self.damage.derived = true;
        tell(DamageFound { what, event: None, position: None, entity: Some(entity), name: None, lies: None, derived: true })
    }
}

fn found(snapshot: &Snapshot<'_>, damaged: &Damaged) -> DamageFound {
    let event = damaged.id.and_then(|id| snapshot.event(&id).ok().flatten());
    let entity = event.as_ref().map(|event| event.header.entity);
    let what = match damaged.what {
        What::Header => "its header is not what its id was made of",
        What::Signature => "its signature is not its author's",
        What::Chain => "its author's event before it is missing or another",
        What::Key => "the key of what it is about does not open",
        What::Body => "what it says does not open, or is not what its header tells of",
        What::Index => "an index does not lead to it; it can be made anew from the events",
    };
    DamageFound {
        what: what.to_owned(),
        event: damaged.id,
        position: Some(damaged.position),
        entity,
        name: event.and_then(|event| name(snapshot, event.header.kind, &event.header.entity)),
        // Where in its file a row lies the database does not tell.
        lies: None,
        derived: damaged.what == What::Index,
    }
}

/// What people call the thing, if that can still be read.
fn name(snapshot: &Snapshot<'_>, kind: u16, entity: &[u8; 16]) -> Option<String> {
    match kind {
        body::FILE | body::FILE_REMOVED => Some(snapshot.file_view(entity).ok()??.path).filter(|path| !path.is_empty()),
        _ => Some(snapshot.conversation(entity).ok()??.title),
    }
}
