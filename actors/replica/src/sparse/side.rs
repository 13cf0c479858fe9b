//! The store as a session of CHUM sees it.

use ipc::event::Clock;

use super::{Sparse, SparseError, uses::Known};
use crate::{
    Form, ReplicaError, Snapshot, body,
    chum::{
        self, Author, Carried, Head, Id, Keep, Link, Parcel, Rule, Rules, Side, SideError, Span, Taken, When, failed,
        limits::MAX_RULES,
    },
    engine::{Reading, all},
    log,
    tables::Table,
    write::Batch,
};

/// Kinds whose rules [`Sparse::titles`] needs: all that a message can list.
const KINDS: std::ops::RangeInclusive<u16> = 0..=255;

fn own(error: SparseError) -> SideError {
    match error {
        SparseError::Store(error) => failed(error),
        other => std::sync::Arc::new(other),
    }
}

impl Sparse {
    /// The moments that a session shall compare, newest first, for [`chum::Settings::window`]; asked for once for each
    /// session, just before it.
    pub fn spans(&self) -> Result<Vec<Span>, SparseError> {
        let now = self.replica.wall.millis();
        let floor = Known::get(&*self.replica.read()?)?.floor;
        let mut spans = Span::recent(Clock::from_millis(now), self.profile.days.into());
        spans.retain_mut(|span| {
            span.from = span.from.max(floor);
            span.from < span.to
        });
        self.pending().asked = spans.last().map(|span| span.from);
        Ok(spans)
    }

    /// The store for a session that brings what everything is called and what is erased, and nothing else.
    pub fn titles(&mut self) -> Titles<'_> {
        Titles { sparse: self }
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, SideError> {
        self.replica.snapshot().map_err(failed)
    }
}

impl Side for Sparse {
    fn space(&self) -> [u8; 16] {
        self.replica.keys.space
    }

    fn heads(&self) -> Result<Vec<Head>, SideError> {
        let mut heads = reached(&*self.replica.read().map_err(failed)?).map_err(failed)?;
        for (author, (sequence, id)) in &self.pending().reached {
            let head = Head { author: *author, sequence: *sequence, id: *id };
            match heads.binary_search_by_key(author, |head| head.author) {
                Ok(index) => heads[index] = head,
                Err(index) => heads.insert(index, head),
            }
        }
        Ok(heads)
    }

    fn chain(&self, author: &Author, after: u64, upto: u64, limit: usize) -> Result<Vec<Link>, SideError> {
        let snapshot = self.snapshot()?;
        let mut links = Vec::new();
        for sequence in (after.saturating_add(1)..=upto).take(limit) {
            let Some(event) = snapshot.by_sequence(author, sequence).map_err(failed)? else { break };
            links.push(Link { sequence, clock: event.header.clock.0, id: event.id });
        }
        Ok(links)
    }

    /// What was let go is listed with what is held, so that it does not come again unasked.
    fn window(&self, from: u64, to: u64) -> Result<Vec<(u64, Id)>, SideError> {
        let snapshot = self.snapshot()?;
        let held = snapshot.window(Clock(from), Clock(to), usize::MAX).map_err(failed)?;
        let mut all: Vec<(u64, Id)> = held.into_iter().map(|(clock, id)| (clock.0, id)).collect();
        all.extend(gone(&*snapshot.txn, from, to).map_err(failed)?);
        all.sort_unstable();
        Ok(all)
    }

    fn entity(&self, entity: &[u8; 16], before: u64, limit: usize) -> Result<Vec<Id>, SideError> {
        let events = self.snapshot()?.newest_of(entity, Clock(before), limit).map_err(failed)?;
        Ok(events.into_iter().map(|event| event.id).collect())
    }

    fn headers(&self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, SideError> {
        let snapshot = self.snapshot()?;
        ids.iter()
            .map(|id| {
                let held = snapshot.event(id).map_err(failed)?.map(|event| event.header.encode());
                let gone = || snapshot.txn.get(Table::Gone, id).map(|found| found.map(<[u8]>::to_vec)).map_err(failed);
                held.map_or_else(gone, |held| Ok(Some(held)))
            })
            .collect()
    }

    fn parcels(&self, ids: &[Id], budget: usize) -> Result<Vec<Option<Parcel>>, SideError> {
        let snapshot = self.snapshot()?;
        let (mut found, mut total) = (Vec::new(), 0);
        for id in ids {
            let event = snapshot.event(id).map_err(failed)?;
            let mut parcel = event.as_ref().map(|event| chum::pack(&snapshot, event, Form::Open)).transpose()?.flatten();
            if let (Some(event), Some(parcel)) = (&event, &mut parcel)
                && parcel.body == Carried::Erased
                && !snapshot.is_erased(&event.header, id).map_err(failed)?
            {
                // What left here is not erased.
                parcel.body = Carried::Withheld;
            }
            total += parcel.as_ref().map_or(0, Parcel::weight);
            if total > budget && !found.is_empty() {
                break;
            }
            found.push(parcel);
        }
        Ok(found)
    }

    fn take(&mut self, parcels: Vec<Parcel>) -> Result<Vec<Taken>, SideError> {
        let unpacked: Vec<crate::Parcel> = parcels.into_iter().map(chum::unpack).collect();
        let results = Sparse::take(self, &unpacked).map_err(own)?;
        Ok(results.into_iter().map(chum::judge).collect())
    }

    /// After a comparison it is written at once, otherwise with the next transaction: a kill before that makes the next
    /// session compare again.
    fn reached(&mut self, heads: &[Head]) -> Result<(), SideError> {
        let asked = self.pending().asked.take();
        if let Some(from) = asked {
            self.issues().end_all();
            return self.write(super::SMALL, |batch| batch.looked_at(from, heads, false)).map_err(own);
        }
        self.pending().reached.extend(heads.iter().map(|head| (head.author, (head.sequence, head.id))));
        Ok(())
    }

    /// After this nothing is uncertain any more of what was kept back before and is not now.
    fn compared(&mut self, heads: &[Head]) -> Result<(), SideError> {
        let now = self.kept_back_now();
        let asked = self.pending().asked;
        let (Some(from), true) = (asked, now != self.kept_back) else { return self.reached(heads) };
        self.pending().asked = None;
        self.issues().end_all();
        let write = |batch: &mut Batch<'_>| batch.looked_at(from, heads, true).and_then(|()| batch.put_kept_back(&now));
        self.write(super::SMALL, write).map_err(own)?;
        self.kept_back = now;
        Ok(())
    }
}

/// See [`Sparse::titles`]. It goes with [`Titles::rules`] and [`Span::ALL`], and does not stay.
pub struct Titles<'s> {
    sparse: &'s mut Sparse,
}

impl Titles<'_> {
    /// The rules of a session that brings only this: of what is changed last the newest, and erasures. Of the store's own
    /// rules it keeps what they turn away, and those for kinds beyond the ones it names.
    pub fn rules(own: &Rules) -> Rules {
        let rule = |kind: u16| match kind {
            body::TITLE => Rule { keep: Keep::LastWrite, ..Rule::default_of(kind) },
            _ => Rule { when: When::OnDemand, ..own.of(kind) },
        };
        let named = KINDS.filter(|kind| !matches!(*kind, body::CONVERSATION | body::ERASE)).map(rule);
        let beyond = own.0.iter().copied().filter(|rule| !KINDS.contains(&rule.kind));
        // Where there is no room for all of them, kinds that nobody has made yet make some.
        Rules(beyond.chain(named).take(MAX_RULES).collect())
    }
}

impl Side for Titles<'_> {
    fn space(&self) -> [u8; 16] {
        Side::space(self.sparse)
    }

    fn heads(&self) -> Result<Vec<Head>, SideError> {
        // So that there is always something to compare.
        Ok(Vec::new())
    }

    fn chain(&self, author: &Author, after: u64, upto: u64, limit: usize) -> Result<Vec<Link>, SideError> {
        Side::chain(self.sparse, author, after, upto, limit)
    }

    fn window(&self, from: u64, to: u64) -> Result<Vec<(u64, Id)>, SideError> {
        Side::window(self.sparse, from, to)
    }

    fn entity(&self, entity: &[u8; 16], before: u64, limit: usize) -> Result<Vec<Id>, SideError> {
        Side::entity(self.sparse, entity, before, limit)
    }

    fn headers(&self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, SideError> {
        Side::headers(self.sparse, ids)
    }

    fn parcels(&self, ids: &[Id], budget: usize) -> Result<Vec<Option<Parcel>>, SideError> {
        Side::parcels(self.sparse, ids, budget)
    }

    fn take(&mut self, parcels: Vec<Parcel>) -> Result<Vec<Taken>, SideError> {
        Side::take(self.sparse, parcels)
    }

    /// What was reached are titles: the rest is still to be compared.
    fn reached(&mut self, _: &[Head]) -> Result<(), SideError> {
        self.sparse.titles_came().map_err(own)
    }
}

fn reached(txn: &dyn Reading) -> Result<Vec<Head>, ReplicaError> {
    let damaged = || crate::Damage::Record("heads");
    let read = |author: &[u8], value: &[u8]| {
        let (sequence, id) = value.split_first_chunk::<8>()?;
        Some(Head { author: author.try_into().ok()?, sequence: u64::from_le_bytes(*sequence), id: id.try_into().ok()? })
    };
    let mut heads = Vec::new();
    for row in all(txn, Table::Reached)? {
        let (author, value) = row?;
        heads.push(read(author, value).ok_or_else(damaged)?);
    }
    Ok(heads)
}

fn gone(txn: &dyn Reading, from: u64, to: u64) -> Result<Vec<(u64, Id)>, ReplicaError> {
    use std::ops::Bound;
    let mut found = Vec::new();
    if from >= to {
        return Ok(found);
    }
    let bounds = (from.to_be_bytes(), to.to_be_bytes());
    for row in txn.range(Table::GoneTime, Bound::Included(&bounds.0), Bound::Excluded(&bounds.1))? {
        let key = row?.0;
        let clock = key.first_chunk::<8>().map(|clock| u64::from_be_bytes(*clock));
        let id = key.get(8..).and_then(|id| id.try_into().ok());
        found.push(clock.zip(id).ok_or(crate::Damage::Record("what was let go"))?);
    }
    Ok(found)
}

impl Sparse {
    /// The signed events that are here and the ids that are remembered of what left: for tests and statistics.
    pub fn counts(&self) -> Result<(u64, u64), SparseError> {
        let txn = self.replica.read()?;
        Ok((txn.count(Table::Event)?, txn.count(Table::Gone)?))
    }

    /// Whether an event is here with its body.
    pub fn holds(&self, id: &Id) -> Result<bool, SparseError> {
        let txn = self.replica.read()?;
        let Some(value) = txn.get(Table::Id, id)? else { return Ok(false) };
        Ok(txn.get(Table::Body, &log::position(value, "ids")?.to_be_bytes())?.is_some())
    }
}
