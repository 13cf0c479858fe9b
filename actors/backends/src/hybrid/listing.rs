//! Listing two places as one: all of the near one, then what only the far one has.
//!
//! Which paths the near place showed is remembered until the listing ends, because values come to the near place in the
//! meantime: without it, one that is fetched while it is listed would be shown twice, or not at all.

use std::{
    cell::RefCell,
    collections::{HashSet, VecDeque},
};

use super::{Hybrid, mark::Change};
use crate::{Cursor, Page, Path, Refused, StorageError};

/// How many listings may be under way. The one that was asked longest ago is given up.
const MAX_LISTINGS: usize = 16;

/// Listings under way.
#[derive(Default)]
pub(super) struct Listings {
    open: RefCell<VecDeque<Listing>>,
    next: RefCell<u64>,
}

struct Listing {
    id: String,
    stage: Stage,
    shown: HashSet<Path>,
}

#[derive(Clone)]
enum Stage {
    Near(Option<Cursor>),
    Far(Option<Cursor>),
}

impl Listings {
    fn id(&self) -> String {
        let mut next = self.next.borrow_mut();
        *next += 1;
        next.to_string()
    }

    /// Takes a listing to go on with.
    fn take(&self, from: Option<&Cursor>) -> Result<Listing, StorageError> {
        let Some(cursor) = from else {
            return Ok(Listing { id: self.id(), stage: Stage::Near(None), shown: HashSet::new() });
        };
        let mut open = self.open.borrow_mut();
        let place = open.iter().position(|listing| listing.id == cursor.0).ok_or(Refused::Cursor)?;
        open.remove(place).ok_or_else(|| Refused::Cursor.into())
    }

    fn put(&self, listing: Listing) -> Cursor {
        let cursor = Cursor(listing.id.clone());
        let mut open = self.open.borrow_mut();
        if open.len() == MAX_LISTINGS {
            open.pop_front();
        }
        open.push_back(listing);
        cursor
    }
}

impl Hybrid {
    pub(super) async fn page(&self, folder: Option<&Path>, from: Option<&Cursor>, limit: usize) -> Result<Page, StorageError> {
        let mut listing = self.listings.take(from)?;
        let page = match listing.stage.clone() {
            Stage::Near(cursor) => self.near_page(&mut listing, folder, cursor.as_ref(), limit).await,
            Stage::Far(cursor) => self.far_page(&mut listing, folder, cursor.as_ref(), limit).await,
        };
        match page {
            Ok((page, true)) => {
                // The cursor before is spent: what it would give again has been marked as shown.
                listing.id = self.listings.id();
                Ok(Page { next: Some(self.listings.put(listing)), ..page })
            }
            Ok((page, false)) => Ok(page),
            Err(error) => {
                // Who asks again with the same cursor gets the page that failed.
                self.listings.put(listing);
                Err(error)
            }
        }
    }

    async fn near_page(
        &self,
        listing: &mut Listing,
        folder: Option<&Path>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Page, bool), StorageError> {
        let mut page = self.near.list(folder, cursor, limit).await?;
        page.entries.retain(|entry| !self.is_deleted(&entry.path));
        listing.shown.extend(page.entries.iter().map(|entry| entry.path.clone()));
        listing.stage = page.next.take().map_or(Stage::Far(None), |next| Stage::Near(Some(next)));
        Ok((page, true))
    }

    async fn far_page(
        &self,
        listing: &mut Listing,
        folder: Option<&Path>,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Page, bool), StorageError> {
        let mut page = match self.far.list(folder, cursor, limit).await {
            // What is here is shown without the far place, and the page says so.
            Err(error) if error.passes() => {
                return Ok((Page { entries: Vec::new(), next: None, partial: true }, false));
            }
            result => result?,
        };
        page.entries.retain(|entry| {
            let gone = matches!(self.queue.borrow().change(&entry.path), Some(Change::Deleted | Change::WrittenOverDeleted));
            !gone && !listing.shown.contains(&entry.path)
        });
        for entry in &mut page.entries {
            let is_marked = self.queue.borrow().change(&entry.path).is_some();
            if let Some(near) = if is_marked { self.near.head(&entry.path).await? } else { None } {
                *entry = near;
            }
        }
        match page.next.take() {
            Some(next) => listing.stage = Stage::Far(Some(next)),
            None => return Ok((page, false)),
        }
        Ok((page, true))
    }
}
