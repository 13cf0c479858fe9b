//! An archive as a [`Side`]: the store of `crate`, read through snapshots of a moment and written through whoever has its one
//! writer.

use std::sync::Arc;

use ipc::event::Clock;

use super::{
    parcel::{Carried, Parcel},
    records::{Author, Head, Id, Link},
    side::{BadParcel, Side, SideError, Taken},
};
use crate::{
    Form, Recorded, Replica, ReplicaError, Snapshot, Unfit,
    engine::Row,
    log::{position, readable},
    parcel,
};

/// The first byte of a carried body says in which form the rest is.
const OPEN: u8 = 1;
const SEALED: u8 = 2;

/// What takes parcels in for the one writer: [`crate::Writer::take`], or a message to the thread that has it.
pub trait Intake {
    /// Takes parcels in, in one transaction.
    fn take(&mut self, parcels: &[parcel::Parcel]) -> Result<Vec<Result<crate::Taken, Unfit>>, ReplicaError>;
}

impl Intake for crate::Writer {
    fn take(&mut self, parcels: &[parcel::Parcel]) -> Result<Vec<Result<crate::Taken, Unfit>>, ReplicaError> {
        crate::Writer::take(self, parcels)
    }
}

/// An archive that takes part in a session. It is made for a call and holds nothing of its own.
pub struct Archive<'a, I> {
    replica: &'a Replica,
    intake: &'a mut I,
    form: Form,
}

impl<'a, I: Intake> Archive<'a, I> {
    /// This store, whose bodies go out in this form: sealed to a peer with the same key, open to one with a key of its own.
    pub fn new(replica: &'a Replica, intake: &'a mut I, form: Form) -> Archive<'a, I> {
        Archive { replica, intake, form }
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, SideError> {
        self.replica.snapshot().map_err(failed)
    }
}

/// An event of a store as it travels, its body in this form; nothing if it has no signature yet.
pub(crate) fn pack(snapshot: &Snapshot<'_>, event: &Recorded, form: Form) -> Result<Option<Parcel>, SideError> {
    let Some(found) = snapshot.parcel(event, form).map_err(failed)? else { return Ok(None) };
    let form = |form: u8, bytes: &[u8]| Carried::Here([&[form][..], bytes].concat());
    let body = match &found.body {
        parcel::Carried::Open(bytes) => form(OPEN, bytes),
        parcel::Carried::Sealed(bytes) => form(SEALED, bytes),
        parcel::Carried::Erased => Carried::Erased,
    };
    Ok(Some(Parcel { header: found.header, signature: found.signature, body }))
}

impl<I: Intake> Side for Archive<'_, I> {
    fn space(&self) -> [u8; 16] {
        self.replica.keys.space
    }

    fn heads(&self) -> Result<Vec<Head>, SideError> {
        let heads = self.snapshot()?.heads().map_err(failed)?;
        Ok(heads.into_iter().map(|head| Head { author: head.author, sequence: head.sequence, id: head.id }).collect())
    }

    fn chain(&self, author: &Author, after: u64, upto: u64, limit: usize) -> Result<Vec<Link>, SideError> {
        let snapshot = self.snapshot()?;
        let mut links = Vec::new();
        for sequence in (after.saturating_add(1)..=upto).take(limit) {
            // A chain ends before an event that is not what was written, as before one that is not here: what comes after it
            // waits until it is mended, and the other side is told that there is less than the heads say.
            let event = readable(snapshot.by_sequence(author, sequence)).map_err(failed)?.flatten();
            let Some(event) = event else { break };
            if event.signature.is_none() || !snapshot.is_listed(&event).map_err(failed)? {
                break;
            }
            links.push(Link { sequence, clock: event.header.clock.0, id: event.id });
        }
        Ok(links)
    }

    fn window(&self, from: u64, to: u64) -> Result<Vec<(u64, Id)>, SideError> {
        let window = self.snapshot()?.window(Clock(from), Clock(to), usize::MAX).map_err(failed)?;
        Ok(window.into_iter().map(|(clock, id)| (clock.0, id)).collect())
    }

    fn entity(&self, entity: &[u8; 16], before: u64, limit: usize) -> Result<Vec<Id>, SideError> {
        let events = self.snapshot()?.newest_of(entity, Clock(before), limit).map_err(failed)?;
        Ok(events.into_iter().filter(|event| event.signature.is_some()).map(|event| event.id).collect())
    }

    fn headers(&self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, SideError> {
        let snapshot = self.snapshot()?;
        ids.iter()
            .map(|id| {
                let event = whole(&snapshot, id).map_err(failed)?;
                Ok(event.filter(|event| event.signature.is_some()).map(|event| event.header.encode()))
            })
            .collect()
    }

    fn parcels(&self, ids: &[Id], budget: usize) -> Result<Vec<Option<Parcel>>, SideError> {
        let snapshot = self.snapshot()?;
        let (mut found, mut total) = (Vec::new(), 0);
        for id in ids {
            let event = whole(&snapshot, id).map_err(failed)?;
            let parcel = event.map(|event| pack(&snapshot, &event, self.form)).transpose()?.flatten();
            total += parcel.as_ref().map_or(0, Parcel::weight);
            if total > budget && !found.is_empty() {
                break;
            }
            found.push(parcel);
        }
        Ok(found)
    }

    fn take(&mut self, parcels: Vec<Parcel>) -> Result<Vec<Taken>, SideError> {
        let unpacked: Vec<parcel::Parcel> = parcels.into_iter().map(unpack).collect();
        let results = self.intake.take(&unpacked).map_err(failed)?;
        Ok(results.into_iter().map(judge).collect())
    }

    /// An archive's heads are those of its events.
    fn reached(&mut self, _: &[Head]) -> Result<(), SideError> {
        Ok(())
    }
}

/// The event with this id, if it is still what was written.
fn whole(snapshot: &Snapshot<'_>, id: &Id) -> Result<Option<Recorded>, ReplicaError> {
    Ok(readable(snapshot.event(id))?.flatten().filter(|event| event.id == *id))
}

pub(crate) fn unpack(found: Parcel) -> parcel::Parcel {
    let body = match found.body {
        Carried::Erased | Carried::Withheld => parcel::Carried::Erased,
        Carried::Here(bytes) => match bytes.split_first() {
            Some((&OPEN, rest)) => parcel::Carried::Open(rest.to_vec()),
            Some((&SEALED, rest)) => parcel::Carried::Sealed(rest.to_vec()),
            // Too short to be one, which the store says.
            _ => parcel::Carried::Sealed(Vec::new()),
        },
    };
    parcel::Parcel { header: found.header, signature: found.signature, body }
}

pub(crate) fn judge(result: Result<crate::Taken, Unfit>) -> Taken {
    match result {
        Ok(crate::Taken::Kept(_) | crate::Taken::Bare(_) | crate::Taken::Filled(_)) => Taken::New,
        Ok(crate::Taken::Known) => Taken::Known,
        Ok(crate::Taken::Gap(_)) | Err(Unfit::NotHere) => Taken::Waits,
        Ok(crate::Taken::Fork(_) | crate::Taken::Cloned(_)) => Taken::Forked,
        Err(Unfit::Future(millis)) => Taken::Ahead { millis },
        Err(Unfit::Header(_) | Unfit::Space) => Taken::Bad(BadParcel::Header),
        Err(Unfit::Signature) => Taken::Bad(BadParcel::Signature),
        Err(Unfit::Chain) => Taken::Bad(BadParcel::Parent),
        Err(Unfit::Body | Unfit::TooLarge(_) | Unfit::Seal) => Taken::Bad(BadParcel::Body),
    }
}

pub(crate) fn failed(error: ReplicaError) -> SideError {
    Arc::new(error)
}

impl Snapshot<'_> {
    /// The newest events of an entity before a clock, newest first, without those whose headers cannot be read.
    pub fn newest_of(&self, entity: &[u8; 16], before: Clock, limit: usize) -> Result<Vec<Recorded>, ReplicaError> {
        use std::ops::Bound;
        let (from, to) = (entity.to_vec(), [&entity[..], &before.0.to_be_bytes()].concat());
        let rows = self.txn.range_back(crate::tables::Table::Entity, Bound::Included(&from), Bound::Excluded(&to))?;
        let event = |row: Row<'_>| readable(self.replica.event(&*self.txn, position(row?.0, "entities")?));
        rows.map(event).filter_map(Result::transpose).take(limit).collect()
    }
}
