//! What a comparison leaves: everything from some clock on was looked at, up to the heads that the peer named.
//!
//! A comparison covers a window of time, and an event may be older than that when it comes to the peer, from a device that
//! was away. The numbers of authors tell: if between the last heads and these not every number is here or was let go, then
//! something came that was not compared, and nothing below the window is certain any more until it is asked for.

use std::ops::Bound;

use ipc::event::EventHeader;

use super::uses::{Known, Use};
use crate::{
    Damage, ReplicaError,
    chum::{Author, Head},
    engine::{Reading, all},
    log::sequence_key,
    tables::Table,
    write::Batch,
};

/// The numbers of an author between two heads.
struct News {
    author: Author,
    after: u64,
    upto: u64,
    here: u64,
}

impl Batch<'_> {
    /// Everything from this clock on was compared with a peer that has these heads. With `anew` something below it may be
    /// missing that was kept back until now.
    pub(super) fn looked_at(&mut self, from: u64, heads: &[Head], anew: bool) -> Result<(), ReplicaError> {
        let unsure = anew || self.is_lacking(heads)?;
        for head in heads {
            self.txn.put(Table::Reached, &head.author, &[&head.sequence.to_le_bytes()[..], &head.id].concat())?;
        }
        let known = Known { from, ..Known::get(self.txn.reading())? };
        known.put(&mut *self.txn)?;
        let mut changed = Vec::new();
        for row in all(self.txn.reading(), Table::Use)? {
            let (entity, value) = row?;
            let one = Use::read(value)?;
            if one.since > from || (unsure && one.since < from) {
                changed.push((entity.to_vec(), Use { since: from, ..one }));
            }
        }
        changed.iter().try_for_each(|(entity, one)| self.txn.put(Table::Use, entity, &one.value()))
    }

    /// Whether the peer has come to hold something that was not brought. The first comparison of all leaves nothing that
    /// could have become uncertain.
    fn is_lacking(&self, heads: &[Head]) -> Result<bool, ReplicaError> {
        let txn = self.txn.reading();
        if txn.count(Table::Reached)? == 0 {
            return Ok(false);
        }
        let mut lacking = Vec::new();
        for head in heads {
            let after = reached(txn, &head.author)?;
            if after >= head.sequence {
                continue;
            }
            let bounds = (sequence_key(&head.author, after), sequence_key(&head.author, head.sequence));
            let rows = txn.range(Table::Sequence, Bound::Excluded(&bounds.0), Bound::Included(&bounds.1))?;
            let here = rows.count() as u64;
            if here < head.sequence - after {
                lacking.push(News { author: head.author, after, upto: head.sequence, here });
            }
        }
        if lacking.is_empty() {
            return Ok(false);
        }
        for row in all(txn, Table::Gone)? {
            let header = EventHeader::decode(row?.1).map_err(|_| Damage::Record("what was let go"))?;
            for news in lacking.iter_mut().filter(|news| news.author == header.author) {
                news.here += u64::from(header.sequence > news.after && header.sequence <= news.upto);
            }
        }
        Ok(lacking.iter().any(|news| news.here < news.upto - news.after))
    }
}

/// How far an author's events were looked at; 0 if none was.
fn reached(txn: &dyn Reading, author: &Author) -> Result<u64, ReplicaError> {
    let Some(value) = txn.get(Table::Reached, author)? else { return Ok(0) };
    Ok(value.first_chunk::<8>().map(|sequence| u64::from_le_bytes(*sequence)).ok_or(Damage::Record("heads"))?)
}
