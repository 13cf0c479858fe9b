//! The file: a header and a ring of records. When every place is taken, the oldest makes room.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use super::record::{Bytes, RECORD_LEN, hash};

const HEADER_LEN: usize = 256;
const CHECKSUM_AT: usize = 224;
const MAGIC: &[u8; 8] = b"LAMOSAUD";
const VERSION: u32 = 1;

/// Places for records. With the header they fill 64 MiB.
pub(crate) const PLACES: u64 = (64 << 20) / RECORD_LEN as u64 - 1;

/// More than any installation writes. A header that says more is not believed.
const MOST: u64 = 1 << 48;

/// The file and where it goes on.
pub(crate) struct Ring {
    file: File,
    places: u64,
    /// Records ever written; the next has this number.
    count: u64,
    /// The hash of the newest.
    last: [u8; 32],
    /// The header was not as it was written when the file was opened.
    pub(crate) was_damaged: bool,
}

impl Ring {
    /// Looks where the file goes on. Nothing is written to it: an empty one is begun by the first record.
    ///
    /// A damaged header keeps nobody from his space: it is taken from the length how many records there are, which is right
    /// until the ring is full. What that leaves unreadable is found when the log is verified.
    pub(crate) fn open(file: File, places: u64) -> io::Result<Ring> {
        let length = io::Seek::seek(&mut &file, io::SeekFrom::End(0))?;
        let mut ring = Ring { file, places, count: 0, last: [0; 32], was_damaged: false };
        if length > 0 {
            match ring.header()? {
                Some(count) => ring.count = count,
                None => {
                    ring.was_damaged = true;
                    ring.count = length.saturating_sub(HEADER_LEN as u64) / RECORD_LEN as u64;
                    ring.count = ring.count.min(places);
                }
            }
        }
        ring.last = ring.hash_before(ring.count)?;
        Ok(ring)
    }

    /// The number of records that the header on disk tells; `None` if it is not as it was written.
    fn header(&self) -> io::Result<Option<u64>> {
        let mut header = [0; HEADER_LEN];
        self.read_at(&mut header, 0)?;
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| header[at + index]));
        let count = u64::from_le_bytes(std::array::from_fn(|index| header[16 + index]));
        let is_whole = header[..8] == *MAGIC
            && number(8) == VERSION
            && u64::from(number(12)) == self.places
            && count <= MOST
            && blake3::hash(&header[..CHECKSUM_AT]) == header[CHECKSUM_AT..];
        Ok(is_whole.then_some(count))
    }

    /// Whether the header on disk is the one that was written last.
    pub(crate) fn is_header_whole(&self) -> io::Result<bool> {
        Ok(self.count == 0 || self.header()? == Some(self.count))
    }

    fn write_header(&self, count: u64) -> io::Result<()> {
        let mut header = [0; HEADER_LEN];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&u32::try_from(self.places).map_err(io::Error::other)?.to_le_bytes());
        header[16..24].copy_from_slice(&count.to_le_bytes());
        let checksum = blake3::hash(&header[..CHECKSUM_AT]);
        header[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
        self.file.write_all_at(&header, 0)
    }

    /// Records ever written.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The oldest record whose predecessor is there too, so that it can be opened.
    pub(crate) fn oldest(&self) -> u64 {
        if self.count <= self.places { 0 } else { self.count - self.places + 1 }
    }

    /// The hash that the next record is bound to.
    pub(crate) fn last(&self) -> [u8; 32] {
        self.last
    }

    /// Writes the next record. When this returns well, it is on disk.
    ///
    /// The record goes first and then the header that counts it: a record that is not counted is written over.
    pub(crate) fn append(&mut self, bytes: &Bytes) -> io::Result<()> {
        self.file.write_all_at(bytes, self.offset(self.count))?;
        self.write_header(self.count + 1)?;
        self.file.sync_data()?;
        self.count += 1;
        self.last = hash(bytes);
        Ok(())
    }

    /// The hash of the record before one; zeros before the first.
    fn hash_before(&self, number: u64) -> io::Result<[u8; 32]> {
        match number.checked_sub(1) {
            Some(before) => Ok(hash(&self.record(before)?)),
            None => Ok([0; 32]),
        }
    }

    fn record(&self, number: u64) -> io::Result<Bytes> {
        let mut bytes = [0; RECORD_LEN];
        self.read_at(&mut bytes, self.offset(number))?;
        Ok(bytes)
    }

    /// Records `from..to` of the file, each with the hash of the one before it, the newest first.
    pub(crate) fn read(&self, from: u64, to: u64) -> io::Result<Vec<(u64, [u8; 32], Bytes)>> {
        let mut before = self.hash_before(from)?;
        let mut records = Vec::with_capacity(usize::try_from(to.saturating_sub(from)).unwrap_or(0));
        for number in from..to {
            let bytes = self.record(number)?;
            records.push((number, before, bytes));
            before = hash(&bytes);
        }
        records.reverse();
        Ok(records)
    }

    fn offset(&self, number: u64) -> u64 {
        HEADER_LEN as u64 + number % self.places * RECORD_LEN as u64
    }

    /// Reads; what lies behind the end of the file is zeros.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let mut read = 0;
        while read < bytes.len() {
            match self.file.read_at(&mut bytes[read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
