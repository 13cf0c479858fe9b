//! The flight recorder's file: 64 bytes about the file, then a ring of records of 64 bytes, one for each frame that passed
//! the hub and for each process that came up or ended. It is made of headers; nothing of a body is in it.
//!
//! ```text
//! the file       0  8 B  "LAMOSFLT"
//!                8  u32  version of this layout, 1
//!               12  u32  records in the ring
//!               16  u64  when it was begun, microseconds since 1970
//!               24  u32  pid of the supervisor
//!               28       0
//! each record    0  u64  its number, from 1; the record with number n is in place (n - 1) mod records; 0 is no record
//!                8  u64  when, microseconds since 1970
//!               16  u64  call as the hub numbers it; the pid of a process that came up or ended
//!               24 16 B  trace id
//!               40  u32  instance of the sender
//!               44  u32  instance of the receiver
//!               48  u32  bytes of the body; 0 if it is a secret
//!               52  u32  bytes of all pieces of the call's streams, in what ends the call
//!               56  u16  method
//!               58  u16  number of the refusal's code; exit code, or 256 and the signal, of a process that ended
//!               60  u8   kind: that of the frame, 0x80 a process is ready, 0x81 a process has ended
//!               61  u8   role of the sender
//!               62  u8   role of the receiver
//!               63  u8   the exclusive or of the 63 bytes before
//! ```
//!
//! All numbers are little-endian. The last byte tells a record that was being written when its writer was killed.

use std::{fs, io, path::Path};

use ipc::{
    Role,
    header::Kind,
    id::{Instance, TraceId},
};

/// Bytes of a record, and of what is in front of them.
pub const RECORD: usize = 64;

/// Records in the ring.
pub const RECORDS: u32 = 16_384;

/// Bytes of the file.
pub const FILE: usize = RECORD * (1 + RECORDS as usize);

const MAGIC: &[u8; 8] = b"LAMOSFLT";
const VERSION: u32 = 1;

const READY: u8 = 0x80;
const ENDED: u8 = 0x81;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A frame of this kind.
    Frame(Kind),
    /// A process is ready.
    Ready,
    /// A process has ended.
    Ended,
}

impl What {
    fn number(self) -> u8 {
        match self {
            What::Frame(kind) => kind as u8,
            What::Ready => READY,
            What::Ended => ENDED,
        }
    }

    fn from_number(number: u8) -> Option<What> {
        match number {
            READY => Some(What::Ready),
            ENDED => Some(What::Ended),
            number => Kind::ALL.iter().copied().find(|kind| *kind as u8 == number).map(What::Frame),
        }
    }
}

/// One record. See the module for what the numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// From 1, rising by 1.
    pub number: u64,
    /// Microseconds since 1970.
    pub micros: u64,
    /// What it is about.
    pub what: What,
    /// Who sent it.
    pub from: (Role, Instance),
    /// Who got it.
    pub to: (Role, Instance),
    /// The call, or a pid.
    pub call: u64,
    /// The request it belongs to.
    pub trace: TraceId,
    /// Bytes of the body.
    pub length: u32,
    /// Bytes of the pieces of the call's streams.
    pub streamed: u32,
    /// The method.
    pub method: u16,
    /// A refusal's code, or how a process ended.
    pub outcome: u16,
}

impl Record {
    /// Its 64 bytes.
    pub fn encode(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[0..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.micros.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.call.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.trace.0);
        bytes[40..44].copy_from_slice(&self.from.1.0.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.to.1.0.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.length.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.streamed.to_le_bytes());
        bytes[56..58].copy_from_slice(&self.method.to_le_bytes());
        bytes[58..60].copy_from_slice(&self.outcome.to_le_bytes());
        bytes[60] = self.what.number();
        bytes[61] = self.from.0 as u8;
        bytes[62] = self.to.0 as u8;
        bytes[63] = check(&bytes);
        bytes
    }

    /// Reads one; `None` if there is none, or half of one.
    pub fn decode(bytes: &[u8; RECORD]) -> Option<Record> {
        let number = u64::from_le_bytes(at(bytes, 0));
        if number == 0 || check(bytes) != bytes[63] {
            return None;
        }
        Some(Record {
            number,
            micros: u64::from_le_bytes(at(bytes, 8)),
            what: What::from_number(bytes[60])?,
            from: (Role::from_number(bytes[61])?, Instance(u32::from_le_bytes(at(bytes, 40)))),
            to: (Role::from_number(bytes[62])?, Instance(u32::from_le_bytes(at(bytes, 44)))),
            call: u64::from_le_bytes(at(bytes, 16)),
            trace: TraceId(at(bytes, 24)),
            length: u32::from_le_bytes(at(bytes, 48)),
            streamed: u32::from_le_bytes(at(bytes, 52)),
            method: u16::from_le_bytes(at(bytes, 56)),
            outcome: u16::from_le_bytes(at(bytes, 58)),
        })
    }
}

/// The bytes in front of the ring.
pub fn head(micros: u64, pid: u32) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[0..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&RECORDS.to_le_bytes());
    bytes[16..24].copy_from_slice(&micros.to_le_bytes());
    bytes[24..28].copy_from_slice(&pid.to_le_bytes());
    bytes
}

/// Where the record with this number is in the file.
pub fn place(number: u64) -> usize {
    let slot = usize::try_from(number.saturating_sub(1) % u64::from(RECORDS)).unwrap_or(0);
    RECORD * (1 + slot)
}

/// Reads a file, whole or of a supervisor that is writing it now: its records, oldest first.
pub fn read(path: &Path) -> io::Result<Vec<Record>> {
    let bytes = fs::read(path)?;
    let foreign = || io::Error::new(io::ErrorKind::InvalidData, "it is no flight recorder of this version");
    if bytes.len() != FILE {
        return Err(foreign());
    }
    let mut lines = bytes.as_chunks::<RECORD>().0.iter();
    let head = lines.next().ok_or_else(foreign)?;
    if &at::<8>(head, 0) != MAGIC || u32::from_le_bytes(at(head, 8)) != VERSION || u32::from_le_bytes(at(head, 12)) != RECORDS {
        return Err(foreign());
    }
    // A record in a place that is not its own is none of ours.
    let ours = lines
        .enumerate()
        .filter_map(|(slot, bytes)| Record::decode(bytes).filter(|record| place(record.number) == RECORD * (1 + slot)));
    let mut records: Vec<Record> = ours.collect();
    records.sort_unstable_by_key(|record| record.number);
    Ok(records)
}

fn check(bytes: &[u8; RECORD]) -> u8 {
    bytes[..63].iter().fold(0, |sum, byte| sum ^ byte)
}

fn at<const N: usize>(bytes: &[u8; RECORD], from: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[from + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            number: 0x0102,
            micros: 0x0304,
            what: What::Frame(Kind::Refuse),
            from: (Role::Storage, Instance(1)),
            to: (Role::Agent, Instance(7)),
            call: 0x0506,
            trace: TraceId([0xaa; 16]),
            length: 0x0708,
            streamed: 0x090a,
            method: 0x0b0c,
            outcome: 0x0d0e,
        }
    }

    #[test]
    fn a_record_is_these_bytes() {
        #[rustfmt::skip]
        let expected = [
            0x02, 0x01, 0, 0, 0, 0, 0, 0,   0x04, 0x03, 0, 0, 0, 0, 0, 0,   0x06, 0x05, 0, 0, 0, 0, 0, 0,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
            1, 0, 0, 0,   7, 0, 0, 0,   0x08, 0x07, 0, 0,   0x0a, 0x09, 0, 0,
            0x0c, 0x0b,   0x0e, 0x0d,   3,   4,   7,   0x09,
        ];
        assert_eq!(record().encode(), expected);
        assert_eq!(Record::decode(&expected), Some(record()));
        for what in [What::Ready, What::Ended] {
            let other = Record { what, ..record() };
            assert_eq!(Record::decode(&other.encode()), Some(other));
        }
    }

    #[test]
    fn half_a_record_is_none() {
        let bytes = record().encode();
        for cut in 1..RECORD {
            let mut torn = [0; RECORD];
            torn[..cut].copy_from_slice(&bytes[..cut]);
            assert_eq!(Record::decode(&torn), None, "{cut}");
        }
        assert_eq!(Record::decode(&[0; RECORD]), None);
    }

    #[test]
    fn the_ring_begins_again_where_it_began() {
        assert_eq!((place(1), place(u64::from(RECORDS))), (RECORD, FILE - RECORD));
        assert_eq!(place(u64::from(RECORDS) + 1), RECORD);
    }
}
