//! What to ask for before anybody misses it: what everything is called, the newest messages of the conversations that are
//! most likely opened next, and then those behind them. And how often that was right.
//!
//! Which are likely is told by use alone: a conversation counts by how often it was opened, less with each week in which it
//! was not, and one in which something new is said counts as opened once.

use std::{cmp::Reverse, sync::MutexGuard, sync::PoisonError};

use super::{
    Sparse, SparseError,
    page::Missing,
    pins,
    uses::{Known, find},
};
use crate::{body, tables::Table};

/// How long the titles of everything are good for, in milliseconds: what is called otherwise meanwhile comes with the news.
const TITLES: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds after which a use counts half.
const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;

/// Most conversations that are looked at to find the likely ones.
const LOOKED_AT: usize = 1000;

/// What to ask the archive for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What everything is called: a session of [`Sparse::titles`].
    Titles,
    /// Some of a conversation: [`crate::chum::Session::fetch_entity`], then [`Sparse::fetched`].
    Some(Missing),
}

/// How often something that was opened was here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Pages that were asked for since the store was opened.
    pub pages: u64,
    /// Those of them that were here as a whole.
    pub whole: u64,
}

impl Hits {
    pub(super) fn page(&mut self, whole: bool) {
        self.pages += 1;
        self.whole += u64::from(whole);
    }

    /// Thousandths of the pages that were here; all of none.
    pub fn permille(&self) -> u64 {
        (self.whole * 1000).checked_div(self.pages).unwrap_or(1000)
    }
}

impl Sparse {
    /// How often what was opened was here, since the store was opened.
    pub fn hit_rate(&self) -> Hits {
        *self.hits()
    }

    pub(super) fn hits(&self) -> MutexGuard<'_, Hits> {
        self.hits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to ask for, in this order: titles if they are a day old, the newest messages of each of the likely
    /// conversations, then those behind. Asked again when that has come, it gives what is still missing.
    pub fn prefetch(&self) -> Result<Vec<Ask>, SparseError> {
        let now = self.replica.wall.millis();
        let snapshot = self.replica.snapshot()?;
        let known = Known::get(&*snapshot.txn)?;
        let mut asks = Vec::new();
        if now.saturating_sub(known.titles) >= TITLES {
            asks.push(Ask::Titles);
        }
        let mut likely = Vec::new();
        for (id, view) in snapshot.conversations(None, LOOKED_AT)?.items {
            let Some(one) = find(&*snapshot.txn, &id)? else { continue };
            let last = one.at.max(view.changed().millis());
            let halved = now.saturating_sub(last) / WEEK;
            let score = (u64::from(one.times) + 1) << 20 >> halved.min(50);
            likely.push((Reverse((one.pinned, score, last)), id));
        }
        likely.sort_unstable();
        likely.truncate(self.profile.conversations as usize);
        let mut behind = Vec::new();
        for (_, id) in likely {
            let (first, all) = (self.profile.first as usize, (self.profile.first + self.profile.behind) as usize);
            let mut held = 0;
            let below = self.descend(&snapshot, &id, |event| {
                held += usize::from(event.header.kind == body::MESSAGE);
                Ok(held < all)
            })?;
            let Some(before) = below else { continue };
            // One more than is shown: of the clock of the last there may be another, so it is not shown yet.
            let limit = |upto: usize| u32::try_from(upto - held + 1).unwrap_or(u32::MAX).min(crate::chum::limits::MAX_ENTITY);
            if held < first {
                asks.push(Ask::Some(self.missing(&id, before, limit(first))));
            } else {
                behind.push(Ask::Some(self.missing(&id, before, limit(all))));
            }
        }
        asks.extend(behind);
        Ok(asks)
    }

    /// The titles of everything were looked at.
    pub(super) fn titles_came(&mut self) -> Result<(), SparseError> {
        let now = self.replica.wall.millis();
        self.write(super::SMALL, |batch| {
            let known = Known { titles: now, ..Known::get(batch.txn.reading())? };
            known.put(&mut *batch.txn)
        })
    }

    /// How many entities are used and how many of these are pinned: for statistics.
    pub fn entities(&self) -> Result<(u64, u64), SparseError> {
        let txn = self.replica.read()?;
        Ok((txn.count(Table::Use)?, pins::listed(&*txn)?.len() as u64))
    }
}
