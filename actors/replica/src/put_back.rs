//! Putting back from packs: everything into an empty store, or what is damaged into a store that has it.

use std::collections::HashSet;

use crate::{Parcel, ReplicaError, Taken, Unfit, Writer, blobs::place_value, parcel::Verified, tables::Table};

/// What came of trying to mend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Events that were put back.
    pub events: u64,
    /// Chunks that were put back.
    pub chunks: u64,
}

impl Writer {
    /// Takes parcels in, though events before them may be lost; there is one answer for each.
    pub fn take_over_gaps(&mut self, parcels: &[Parcel]) -> Result<Vec<Result<Taken, Unfit>>, ReplicaError> {
        let replica = self.replica.clone();
        let checked: Vec<_> = parcels.iter().map(|parcel| replica.check(parcel)).collect();
        self.write(|batch| {
            let take = |verified: &Result<Verified<'_>, Unfit>| match verified {
                Ok(verified) => batch.take_over_gaps(verified),
                Err(unfit) => Ok(Err(*unfit)),
            };
            checked.iter().map(take).collect()
        })
    }

    /// Puts back those of these events that are damaged here.
    pub fn mend(&mut self, parcels: &[Parcel]) -> Result<u64, ReplicaError> {
        let replica = self.replica.clone();
        let snapshot = replica.snapshot()?;
        let mut wanted = Vec::new();
        for parcel in parcels {
            if let Ok(verified) = replica.check(parcel)
                && snapshot.would_mend(&verified)?
            {
                wanted.push(verified);
            }
        }
        drop(snapshot);
        if wanted.is_empty() {
            return Ok(0);
        }
        self.write(|batch| {
            let mut mended = 0;
            for verified in &wanted {
                mended += u64::from(batch.repair(verified)?.is_ok());
            }
            Ok(mended)
        })
    }

    /// Puts back sealed chunks that are not here, and of those that are the ones in `again`. How many those were.
    ///
    /// A chunk opens only by what a manifest says of it, so whether it is what it was is seen when it is read.
    pub fn put_chunks(&mut self, chunks: &[([u8; 16], Vec<u8>)], again: &HashSet<[u8; 16]>) -> Result<u64, ReplicaError> {
        let replica = self.replica.clone();
        let txn = replica.read()?;
        let mut wanted = Vec::new();
        for (name, sealed) in chunks {
            if again.contains(name) || txn.get(Table::Chunk, name)?.is_none() {
                wanted.push((name, sealed));
            }
        }
        drop(txn);
        let packs = &replica.blobs.packs;
        let mut places = Vec::with_capacity(wanted.len());
        let placed = wanted.iter().try_for_each(|(name, sealed)| packs.append(sealed).map(|place| places.push((**name, place))));
        let put = placed.and_then(|()| packs.sync(places.iter().map(|(_, place)| place.pack))).and_then(|()| {
            self.write(|batch| {
                for (name, place) in &places {
                    let value = place_value(&batch.replica.keys, name, *place)?;
                    batch.txn.put(Table::Chunk, name, &value)?;
                }
                Ok(())
            })
        });
        places.iter().for_each(|(_, place)| packs.settle(place.pack));
        put.map(|()| places.len() as u64)
    }
}
