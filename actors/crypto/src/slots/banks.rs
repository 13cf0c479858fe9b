//! Two copies of everything in one file, of which one is always whole.
//!
//! A change is made in the bank that is not in use: its header is made invalid, the places are written and read back, then
//! its header is written with the next generation. That header is the moment of the change. Then the other bank is brought to
//! the same. There is a sync between any two of these steps, so whatever part of a step a power cut leaves, one bank is
//! whole, and it is known which. A start that finds the banks different brings the other to the one that counts before
//! anything else is done.

use std::io;

use super::{
    SlotsError,
    disk::Disk,
    keys::Keys,
    layout::{
        BANK_LEN, CHECKSUM_AT, FILE_LEN, FIRST_LEN, HEADER_LEN, Header, PLACE_LEN, PLACES_LEN, REGION_LEN, Region, UNFINISHED,
        bank_at, within,
    },
    places::{self, Place},
};
use crate::derive::Cost;

/// A place that is to be another.
pub(crate) struct Change<'k> {
    /// Which kind.
    pub(crate) region: Region,
    /// Which.
    pub(crate) index: usize,
    /// What it is to be.
    pub(crate) place: Place,
    /// What must open it when it was written, before the change counts.
    pub(crate) key: Option<&'k [u8; 32]>,
}

/// See the module.
pub(crate) struct Banks<D> {
    disk: D,
    header: Header,
    /// The bank that counts. Both are the same unless something failed.
    current: usize,
    /// A change was cut off by an error, and it is not known how far it came.
    unsettled: bool,
}

impl<D: Disk> Banks<D> {
    /// Reads the file, brings it to the present version, mends what a crash left; or makes it, if it is empty or its making
    /// was cut off. What is damaged is left as it is.
    pub(crate) fn open(disk: D, cost: impl FnOnce() -> Result<Cost, SlotsError>) -> Result<Banks<D>, SlotsError> {
        let length = disk.length()?;
        if is_unfinished(&disk, length)? {
            return Banks::make(disk, cost()?);
        }
        let mut header = Header([0; HEADER_LEN]);
        if length < HEADER_LEN as u64 {
            return Err(SlotsError::Damaged("it is too short"));
        }
        disk.read_at(&mut header.0, 0)?;
        if header.flaw().is_none() && header.is_first() {
            return Banks::bring_forward(disk, &header, length);
        }
        let mut banks = Banks { disk, header, current: 0, unsettled: true };
        banks.settle()?;
        Ok(banks)
    }

    /// A mark that it is not finished first, then everything random, the headers last, that of the second bank before the
    /// mark is overwritten: a file with the mark and without a header was cut off, holds no key yet, and is made again.
    fn make(disk: D, cost: Cost) -> Result<Banks<D>, SlotsError> {
        disk.write_at(UNFINISHED, 0)?;
        disk.sync()?;
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(io::Error::from)?;
        let mut places = vec![0; PLACES_LEN];
        getrandom::fill(&mut places).map_err(io::Error::from)?;
        let header = Header::new(cost, &salt).next(0, &blake3::hash(&places));
        disk.write_at(&places, bank_at(0) + HEADER_LEN as u64)?;
        Banks::fill(disk, header, &places)
    }

    /// A file of the first version is the first bank without its last two kinds of places. While its header says that it is
    /// one, all else is written anew; the second bank is whole before that header is overwritten.
    fn bring_forward(disk: D, first: &Header, length: u64) -> Result<Banks<D>, SlotsError> {
        if length < FIRST_LEN as u64 {
            return Err(SlotsError::Damaged("it is too short"));
        }
        let mut places = vec![0; PLACES_LEN];
        disk.read_at(&mut places[..REGION_LEN], HEADER_LEN as u64)?;
        getrandom::fill(&mut places[REGION_LEN..]).map_err(io::Error::from)?;
        let header = first.next(first.used(), &blake3::hash(&places));
        disk.write_at(&places[REGION_LEN..], FIRST_LEN as u64)?;
        Banks::fill(disk, header, &places)
    }

    /// The places of the first bank are written; writes the second bank, and then the header of the first.
    fn fill(disk: D, header: Header, places: &[u8]) -> Result<Banks<D>, SlotsError> {
        disk.write_at(places, bank_at(1) + HEADER_LEN as u64)?;
        disk.sync()?;
        let banks = Banks { disk, header, current: 0, unsettled: false };
        for bank in [1, 0] {
            if banks.places(bank)? != places {
                return Err(SlotsError::NotKept);
            }
            banks.write_header(bank, &banks.header)?;
        }
        Ok(banks)
    }

    /// Finds the bank that counts, and brings the other to the same.
    fn settle(&mut self) -> Result<(), SlotsError> {
        let [first, second] = [self.look(0)?, self.look(1)?];
        let (current, differs) = match (&first, &second) {
            (Err(flaw), Err(_)) => return Err(SlotsError::Damaged(flaw)),
            (Ok(_), Err(_)) => (0, true),
            (Err(_), Ok(_)) => (1, true),
            (Ok((one, _)), Ok((other, _))) if one.salt() != other.salt() || one.cost() != other.cost() => {
                return Err(SlotsError::Damaged("its halves are of two files"));
            }
            // Where one is damaged and the other is not, that one counts, however they differ.
            (Ok((_, true)), Ok((_, false))) => (0, true),
            (Ok((_, false)), Ok((_, true))) => (1, true),
            (Ok((one, _)), Ok((other, _))) => (usize::from(other.is_newer_than(one)), one != other),
        };
        let (header, whole) = if current == 0 { first } else { second }.map_err(SlotsError::Damaged)?;
        // A file that was cut off: what is left of it must not be taken for all there was.
        if !whole && self.disk.length()? < FILE_LEN as u64 {
            return Err(SlotsError::Damaged("it is too short"));
        }
        self.header = header;
        self.current = current;
        if differs {
            let places = self.places(current)?;
            self.bring_other(&[(HEADER_LEN, &places)])?;
        }
        self.unsettled = false;
        Ok(())
    }

    /// The header of a bank, and whether its places are what they were when it was written.
    fn look(&self, bank: usize) -> io::Result<Result<(Header, bool), &'static str>> {
        if self.disk.length()? < bank_at(bank) + BANK_LEN as u64 {
            return Ok(Err("it is too short"));
        }
        let mut header = Header([0; HEADER_LEN]);
        self.disk.read_at(&mut header.0, bank_at(bank))?;
        if let Some(flaw) = header.flaw() {
            return Ok(Err(flaw));
        }
        if header.is_first() {
            return Ok(Err("it is of another version"));
        }
        let whole = header.is_of(&self.places(bank)?);
        Ok(Ok((header, whole)))
    }

    /// What its header says.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The bank that counts.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// Makes sure that it is known which bank counts.
    pub(crate) fn settled(&mut self) -> Result<(), SlotsError> {
        if self.unsettled { self.settle() } else { Ok(()) }
    }

    /// Reads a place of a bank.
    pub(crate) fn read(&self, bank: usize, region: Region, index: usize) -> io::Result<Place> {
        let mut place = Place::new([0; PLACE_LEN]);
        self.disk.read_at(&mut *place, bank_at(bank) + within(region, index) as u64)?;
        Ok(place)
    }

    /// Puts a place as it is in one bank into the other, where it is damaged. Cut off, the other is seen to be damaged.
    pub(crate) fn heal(&self, from: usize, region: Region, index: usize) -> io::Result<()> {
        let place = self.read(from, region, index)?;
        self.disk.write_at(&*place, bank_at(1 - from) + within(region, index) as u64)?;
        self.disk.sync()
    }

    /// Makes a change to so many spaces in use: after it either all of it is there or nothing, whatever happens meanwhile.
    pub(crate) fn change(&mut self, used: usize, changes: &[Change<'_>]) -> Result<(), SlotsError> {
        self.settled()?;
        // From here until all is well.
        self.unsettled = true;
        let other = 1 - self.current;
        let written: Vec<(usize, &[u8])> =
            changes.iter().map(|change| (within(change.region, change.index), &change.place[..])).collect();
        self.write_places(other, &written)?;
        let mut keys = Keys::blank()?;
        for change in changes {
            let mut place = self.read(other, change.region, change.index)?;
            let opens = match change.key {
                Some(key) => places::open(&self.header, change.region, change.index, key, &mut place, &mut keys)?,
                None => *place == *change.place,
            };
            if !opens {
                return Err(SlotsError::NotKept);
            }
        }
        let header = self.header.next(used, &blake3::hash(&self.places(other)?));
        self.write_header(other, &header)?;
        // It counts from here on.
        (self.header, self.current) = (header, other);
        match self.bring_other(&written) {
            Ok(()) => self.unsettled = false,
            Err(error) => tracing::warn!(%error, "a copy of the wrapped keys could not be written; it is tried again"),
        }
        Ok(())
    }

    /// Brings the bank that does not count to the one that does, which differs from it in these bytes.
    fn bring_other(&self, written: &[(usize, &[u8])]) -> Result<(), SlotsError> {
        self.write_places(1 - self.current, written)?;
        self.write_header(1 - self.current, &self.header)
    }

    /// Writes places of a bank, whose header is made invalid first. Its salt stays where it is: a copy of the file that is
    /// made meanwhile is recognised by it.
    fn write_places(&self, bank: usize, written: &[(usize, &[u8])]) -> Result<(), SlotsError> {
        self.disk.write_at(&[0; HEADER_LEN - CHECKSUM_AT], bank_at(bank) + CHECKSUM_AT as u64)?;
        self.disk.sync()?;
        for (at, bytes) in written {
            self.disk.write_at(bytes, bank_at(bank) + *at as u64)?;
        }
        Ok(self.disk.sync()?)
    }

    fn write_header(&self, bank: usize, header: &Header) -> Result<(), SlotsError> {
        self.disk.write_at(&header.0, bank_at(bank))?;
        self.disk.sync()?;
        let mut written = [0; HEADER_LEN];
        self.disk.read_at(&mut written, bank_at(bank))?;
        if written == header.0 { Ok(()) } else { Err(SlotsError::NotKept) }
    }

    fn places(&self, bank: usize) -> io::Result<Vec<u8>> {
        let mut places = vec![0; PLACES_LEN];
        self.disk.read_at(&mut places, bank_at(bank) + HEADER_LEN as u64)?;
        Ok(places)
    }

    /// For tests that do to the file what a program does not.
    #[cfg(test)]
    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }
}

/// Whether nothing was ever finished here: the file is empty, or begins with the mark and no bank has a header. A first
/// write that was torn leaves the beginning of the mark, or zeros, and nothing after it.
fn is_unfinished(disk: &impl Disk, length: u64) -> io::Result<bool> {
    let mut begin = [0; UNFINISHED.len()];
    let there = usize::try_from(length).map_or(begin.len(), |length| length.min(begin.len()));
    disk.read_at(&mut begin[..there], 0)?;
    if length <= begin.len() as u64 {
        let torn = begin[..there].iter().zip(UNFINISHED).all(|(byte, mark)| byte == mark || *byte == 0);
        return Ok(torn);
    }
    if begin != *UNFINISHED {
        return Ok(false);
    }
    let mut header = Header([0; HEADER_LEN]);
    if length >= FILE_LEN as u64 {
        disk.read_at(&mut header.0, bank_at(1))?;
    }
    Ok(header.flaw().is_some())
}
