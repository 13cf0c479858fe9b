//! The file of wrapped keys: 64 places of equal size for passwords, as many for recovery kits, as many for what devices
//! remember; all random where empty, so that it tells nothing but how many spaces there are — which the directories beside
//! it tell anyway. A space has the same place in each of the three. Everything lies in it twice.
//!
//! [`layout`] says where everything is, [`places`] what a place is, [`banks`] how a change is made so that a crash at any
//! moment leaves the old state or the new one; here is what the changes are. Nothing here knows of names and passwords,
//! only of the keys they derive to.
//!
//! **Architecture Invariant:** all places of a kind are tried in both banks, whichever opens, so that the time does not tell
//! which it was or whether there was one. Nothing is written but by [`banks`].

mod banks;
mod disk;
mod keys;
mod layout;
mod places;
#[cfg(test)]
mod tests;

use std::{fs::File, io};

use banks::{Banks, Change};
use disk::Disk;
pub(crate) use keys::Keys;
use layout::PLACES;
pub(crate) use layout::Region;

use crate::derive::Cost;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SlotsError {
    /// It cannot be read or written.
    #[error("the file of wrapped keys cannot be used: {0}")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("the file of wrapped keys is damaged ({0}); put back a copy of the file `slots`, nothing was changed in it")]
    Damaged(&'static str),
    /// What was written just now does not read as it was written.
    #[error("the file of wrapped keys does not keep what is written to it; look at the disk, nothing was changed in it")]
    NotKept,
    /// Every place is taken.
    #[error("all {PLACES} places for spaces are taken; use one of the spaces there are")]
    Full,
}

/// The file.
pub(crate) struct Slots<D = File> {
    banks: Banks<D>,
}

/// A place that opened.
pub(crate) struct Found {
    /// Which.
    pub(crate) place: usize,
    /// What it holds.
    pub(crate) keys: Keys,
}

impl<D: Disk> Slots<D> {
    /// Reads the file, or fills an empty one; `cost` is asked for then alone.
    pub(crate) fn open(disk: D, cost: impl FnOnce() -> Result<Cost, SlotsError>) -> Result<Slots<D>, SlotsError> {
        Ok(Slots { banks: Banks::open(disk, cost)? })
    }

    /// Cost of a derivation in this installation.
    pub(crate) fn cost(&self) -> Cost {
        self.banks.header().cost()
    }

    /// Salt of this installation.
    pub(crate) fn salt(&self) -> [u8; 32] {
        self.banks.header().salt()
    }

    /// Tries a key on every place of a kind.
    pub(crate) fn find(&mut self, region: Region, key: &[u8; 32]) -> Result<Option<Found>, SlotsError> {
        self.banks.settled()?;
        let current = self.banks.current();
        // One page for keys, whether or not there are any.
        let mut keys = Keys::blank()?;
        let mut opened = [[false; PLACES]; 2];
        // The bank that counts is the last, so that its keys are those that stay.
        for bank in [1 - current, current] {
            for (place, opened) in opened[bank].iter_mut().enumerate() {
                let mut bytes = self.banks.read(bank, region, place)?;
                *opened = places::open(self.banks.header(), region, place, key, &mut bytes, &mut keys)?;
            }
        }
        let Some(place) = (0..PLACES).find(|place| opened[0][*place] || opened[1][*place]) else { return Ok(None) };
        for bank in 0..2 {
            if opened[bank][place] && !opened[1 - bank][place] {
                self.banks.heal(bank, region, place)?;
            }
        }
        // The first version counted a place after it was written; the power may have gone in between.
        if region == Region::Password && place >= self.banks.header().used() {
            self.banks.change(place + 1, &[])?;
        }
        Ok(Some(Found { place, keys }))
    }

    /// Wraps the keys of a new space into the next free place.
    pub(crate) fn add(&mut self, key: &[u8; 32], keys: &Keys) -> Result<usize, SlotsError> {
        self.banks.settled()?;
        let place = self.banks.header().used();
        if place >= PLACES {
            return Err(SlotsError::Full);
        }
        let sealed = self.sealed(Region::Password, place, key, keys)?;
        self.banks.change(place + 1, &[sealed])?;
        Ok(place)
    }

    /// The space of a place opens for this pair from now on, and for no other; what was remembered of it opens no more.
    pub(crate) fn wrap(&mut self, place: usize, key: &[u8; 32], keys: &Keys) -> Result<(), SlotsError> {
        let sealed = self.sealed(Region::Password, place, key, keys)?;
        self.change(&[sealed, noise(Region::Remembered, place)?])
    }

    /// The same, and this is another device than the file came from: a kit that opens the space opens it as this one.
    pub(crate) fn wrap_device(&mut self, place: usize, key: &[u8; 32], keys: &Keys) -> Result<(), SlotsError> {
        self.banks.settled()?;
        let mut kit = self.banks.read(self.banks.current(), Region::Recovery, place)?;
        places::seal_device(self.banks.header(), place, keys, &mut kit)?;
        let kit = Change { region: Region::Recovery, index: place, place: kit, key: None };
        let sealed = self.sealed(Region::Password, place, key, keys)?;
        self.change(&[sealed, noise(Region::Remembered, place)?, kit])
    }

    /// The space of a place opens for this key too, in this way; what opened it in this way before opens it no more.
    pub(crate) fn also(&mut self, region: Region, place: usize, key: &[u8; 32], keys: &Keys) -> Result<(), SlotsError> {
        let sealed = self.sealed(region, place, key, keys)?;
        self.change(&[sealed])
    }

    /// The space of a place opens no more in this way.
    pub(crate) fn forget(&mut self, region: Region, place: usize) -> Result<(), SlotsError> {
        self.change(&[noise(region, place)?])
    }

    fn sealed<'k>(&self, region: Region, index: usize, key: &'k [u8; 32], keys: &Keys) -> Result<Change<'k>, SlotsError> {
        let place = places::seal(self.banks.header(), region, index, key, keys)?;
        Ok(Change { region, index, place, key: Some(key) })
    }

    fn change(&mut self, changes: &[Change<'_>]) -> Result<(), SlotsError> {
        self.banks.settled()?;
        self.banks.change(self.banks.header().used(), changes)
    }
}

/// A place is to open for nobody.
fn noise(region: Region, index: usize) -> Result<Change<'static>, SlotsError> {
    Ok(Change { region, index, place: places::empty()?, key: None })
}
