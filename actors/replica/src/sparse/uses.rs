//! Who was used when: one row for each entity that is held, and the order in which they leave.
//!
//! Use is reading or writing. What comes counts as used when it was made, so that a comparison, which brings the newest
//! first, does not push the newest out with the oldest; who reads something says so. Uses that are read are gathered in
//! memory and written with the next transaction that is written anyway: a kill loses some of them, and then something
//! leaves a little early.

use std::collections::HashMap;

use crate::{
    Damage, ReplicaError,
    body::ERASURES,
    engine::{Reading, Writing},
    tables::Table,
    write::Batch,
};

/// An entity's row: at `u64` ‖ times `u32` ‖ since `u64` ‖ left `u64` ‖ told `u64` ‖ flags `u8`, little-endian.
const LEN: usize = 8 + 4 + 8 + 8 + 8 + 1;
const PINNED: u8 = 1;
const BARE: u8 = 2;
const CUT: u8 = 4;

/// Uses that wait to be written.
const MAX_PENDING: usize = 4096;

/// In [`Table::Least`]: with content, and without; and the same of what is pinned.
pub(super) const FULL_CLASS: u8 = 0;
pub(super) const BARE_CLASS: u8 = 1;
pub(super) const PINNED_CLASS: u8 = 2;
pub(super) const PINNED_BARE_CLASS: u8 = 3;

/// How an entity was used, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// The last use, in milliseconds since 1970.
    pub(super) at: u64,
    /// Uses by a person.
    pub(super) times: u32,
    /// The archive has told all of its events from this clock on.
    pub(super) since: u64,
    /// And some below this one have left again.
    pub(super) left: u64,
    /// Below this clock the archive was asked for everything down to `since`: what is missing there it does not have.
    pub(super) told: u64,
    /// It does not leave while what is pinned keeps to its share.
    pub(super) pinned: bool,
    /// It is pinned, and some of it had to leave all the same.
    pub(super) cut: bool,
    /// Its content has left or not come; what it is called and its newest headers may be here.
    pub(super) bare: bool,
}

impl Use {
    /// Of something that comes, or that is asked for and may come.
    pub(super) fn new(known: &Known) -> Use {
        let left = known.left.checked_add(1).filter(|left| *left > 1).unwrap_or(0);
        Use { at: 0, times: 0, since: known.from, left, told: 0, pinned: false, cut: false, bare: true }
    }

    /// All of its events from this clock on are here, as far as the archive has told.
    pub(super) fn known_from(&self) -> u64 {
        self.since.max(self.left)
    }

    /// All of its events below this clock have left, or those that stay are not to be shown.
    pub(super) fn leave(&mut self, clock: u64) {
        self.left = self.left.max(clock.saturating_add(1));
    }

    pub(super) fn value(&self) -> Vec<u8> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.pinned, PINNED) | flag(self.bare, BARE) | flag(self.cut, CUT);
        let mut value = Vec::with_capacity(LEN);
        value.extend_from_slice(&self.at.to_le_bytes());
        value.extend_from_slice(&self.times.to_le_bytes());
        value.extend_from_slice(&self.since.to_le_bytes());
        value.extend_from_slice(&self.left.to_le_bytes());
        value.extend_from_slice(&self.told.to_le_bytes());
        value.push(flags);
        value
    }

    pub(super) fn read(value: &[u8]) -> Result<Use, ReplicaError> {
        let read = |value: &[u8]| {
            let (at, rest) = value.split_first_chunk::<8>()?;
            let (times, rest) = rest.split_first_chunk::<4>()?;
            let (since, rest) = rest.split_first_chunk::<8>()?;
            let (left, rest) = rest.split_first_chunk::<8>()?;
            let (told, rest) = rest.split_first_chunk::<8>()?;
            let flags = *rest.first()?;
            Some(Use {
                at: u64::from_le_bytes(*at),
                times: u32::from_le_bytes(*times),
                since: u64::from_le_bytes(*since),
                left: u64::from_le_bytes(*left),
                told: u64::from_le_bytes(*told),
                pinned: flags & PINNED != 0,
                bare: flags & BARE != 0,
                cut: flags & CUT != 0,
            })
        };
        Ok(read(value).ok_or(Damage::Record("uses"))?)
    }

    fn least_key(&self, entity: &[u8; 16]) -> Option<Vec<u8>> {
        let class = match (self.pinned, self.bare) {
            (false, false) => FULL_CLASS,
            (false, true) => BARE_CLASS,
            (true, false) => PINNED_CLASS,
            (true, true) => PINNED_BARE_CLASS,
        };
        // An erasure that left would let the erased back in.
        (*entity != ERASURES).then(|| [&[class][..], &self.at.to_be_bytes(), entity].concat())
    }
}

/// How an entity was used; `None` if nothing of it is here.
pub(super) fn find(txn: &dyn Reading, entity: &[u8; 16]) -> Result<Option<Use>, ReplicaError> {
    txn.get(Table::Use, entity)?.map(Use::read).transpose()
}

impl Batch<'_> {
    /// Writes how an entity was used, and puts it in its place among those that leave; `None` removes it.
    pub(super) fn put_use(&mut self, entity: &[u8; 16], new: Option<&Use>) -> Result<(), ReplicaError> {
        let old = find(self.txn.reading(), entity)?;
        if let Some(key) = old.and_then(|old| old.least_key(entity)) {
            self.txn.delete(Table::Least, &key)?;
        }
        let Some(new) = new else { return self.txn.delete(Table::Use, entity) };
        if let Some(key) = new.least_key(entity) {
            self.txn.put(Table::Least, &key, &[])?;
        }
        self.txn.put(Table::Use, entity, &new.value())
    }

    /// Writes what was used.
    pub(super) fn put_uses(&mut self, uses: &HashMap<[u8; 16], (u64, u32)>) -> Result<(), ReplicaError> {
        for (entity, (at, times)) in uses {
            // What is not here is about to be: whoever wanted it is told that it is missing.
            let mut one = match find(self.txn.reading(), entity)? {
                Some(one) => one,
                None => Use::new(&Known::get(self.txn.reading())?),
            };
            one.at = one.at.max(*at);
            one.times = one.times.saturating_add(*times);
            self.put_use(entity, Some(&one))?;
        }
        Ok(())
    }
}

/// What waits to be written with the next transaction.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The last use of each entity and how many there were.
    pub(super) uses: HashMap<[u8; 16], (u64, u32)>,
    /// How far the events of authors were looked at.
    pub(super) reached: HashMap<[u8; 32], (u64, [u8; 32])>,
    /// The session that goes on compares from this clock on.
    pub(super) asked: Option<u64>,
}

impl Pending {
    /// Remembers a use. Who uses thousands of things before anything is written has uses that are not counted.
    pub(super) fn used(&mut self, entity: &[u8; 16], at: u64) {
        if self.touched(entity, at)
            && let Some((_, times)) = self.uses.get_mut(entity)
        {
            *times = times.saturating_add(1);
        }
    }

    /// The same of what nobody has asked for.
    pub(super) fn touched(&mut self, entity: &[u8; 16], at: u64) -> bool {
        if self.uses.len() >= MAX_PENDING && !self.uses.contains_key(entity) {
            return false;
        }
        let (last, _) = self.uses.entry(*entity).or_default();
        *last = at.max(*last);
        true
    }
}

/// What is known of the whole, in [`Table::Meta`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The last comparison began with this clock: all from there on was looked at.
    pub(super) from: u64,
    /// The latest clock of anything that left without a trace.
    pub(super) left: u64,
    /// Below this clock it is not remembered what was let go, so nothing is compared.
    pub(super) floor: u64,
    /// When the titles of everything were looked at, in milliseconds since 1970.
    pub(super) titles: u64,
}

const META_KNOWN: &[u8] = b"sparse";

impl Known {
    pub(super) fn get(txn: &dyn Reading) -> Result<Known, ReplicaError> {
        let Some(value) = txn.get(Table::Meta, META_KNOWN)? else {
            return Ok(Known { from: u64::MAX, left: 0, floor: 0, titles: 0 });
        };
        let (numbers, rest) = value.as_chunks::<8>();
        match numbers {
            [from, left, floor, titles] if rest.is_empty() => {
                let [from, left, floor, titles] = [from, left, floor, titles].map(|number| u64::from_le_bytes(*number));
                Ok(Known { from, left, floor, titles })
            }
            _ => Err(Damage::Record("meta").into()),
        }
    }

    pub(super) fn put(&self, txn: &mut dyn Writing) -> Result<(), ReplicaError> {
        let Known { from, left, floor, titles } = *self;
        txn.put(Table::Meta, META_KNOWN, [from, left, floor, titles].map(u64::to_le_bytes).as_flattened())
    }
}
