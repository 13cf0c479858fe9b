//! The fixed 64 bytes in front of every body, read and written by hand: the only part of a frame the hub looks at.
//!
//! ```text
//! byte  0  u8   protocol version
//!       1  u8   kind
//!       2  u8   flags
//!       3  u8   source role          0 from a process; stamped by the hub
//!       4  u8   destination role     0 where the call id says it (everything but Call and Open)
//!       5  u8   direction of a stream: 0 none, 1 towards the callee, 2 towards the caller
//!       6  u16  method
//!       8  u32  source instance      0 from a process; stamped by the hub
//!      12  u32  destination instance
//!      16  u64  call id              of the receiver's side of the hub
//!      24  u64  parent               the call this one is made for, 0 if none
//!      32  u32  deadline             milliseconds from now, 0 if none
//!      36  u32  generation           of the source; stamped by the hub
//!      40  u16  credit               data frames given back
//!      42  6 B  reserved             0
//!      48  16 B trace id
//! ```
//!
//! All numbers are little-endian.

use crate::{
    PROTOCOL_VERSION,
    id::{CallId, Generation, Instance, TraceId},
    role::Role,
};

/// Length of a header in bytes.
pub const HEADER_LEN: usize = 64;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// What a frame is for. The numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name = $number,)* }

        impl Kind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &[Kind] = &[$(Kind::$name),*];

            const fn from_number(number: u8) -> Option<Kind> {
                match number { $($number => Some(Kind::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// A question with one answer.
    Call = 1;
    /// The answer that ends a call well.
    Answer = 2;
    /// The answer that ends a call otherwise; its body is a [`Refusal`](crate::Refusal).
    Refuse = 3;
    /// A call with a stream in one direction or both, ended by `Answer` or `Refuse` like any other.
    Open = 4;
    /// One piece of a stream.
    Data = 5;
    /// The reader of a stream took `credit` pieces: as many more may be sent.
    Credit = 6;
    /// The writer of a stream has no more pieces.
    End = 7;
    /// The caller no longer wants the answer. Travels on the control channel, so that it overtakes data.
    Cancel = 8;
    /// The first frame a process sends, once it is locked down: which messages it knows.
    Hello = 9;
    /// The process is locked down and answers; its body is its report.
    Ready = 10;
    /// Are you there? Sent back with the flag `REPLY`.
    Ping = 11;
    /// Finish what is in progress, write what must be kept, and exit.
    Drain = 12;
}

/// Bits of a header that change how a frame is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special.
    pub const NONE: Flags = Flags(0);
    /// The body holds a password or a key: the buffers of ours it passes through are overwritten.
    pub const SENSITIVE: Flags = Flags(1);
    /// A `Ping` that answers a `Ping`.
    pub const REPLY: Flags = Flags(2);

    const KNOWN: u8 = 3;

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// Which way a piece of a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// From the caller to the callee.
    Up = 1,
    /// From the callee to the caller.
    Down = 2,
}

/// The parts of a header that are not implied by the frame's kind. See the module for the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// How it is treated.
    pub flags: Flags,
    /// Who sent it; `None` until the hub has stamped it.
    pub source: Option<(Role, Instance)>,
    /// Whom it is for; `None` where the call id says so.
    pub destination: Option<(Role, Instance)>,
    /// The direction of the stream that a `Data`, `Credit` or `End` belongs to.
    pub direction: Option<Direction>,
    /// The method of the destination's service, 0 for the kinds that have none.
    pub method: u16,
    /// The call, as numbered on the receiver's side of the hub.
    pub call: CallId,
    /// The call on whose behalf this one is made.
    pub parent: Option<CallId>,
    /// Milliseconds until the answer is of no use; 0 if the policy's own deadline shall hold.
    pub deadline_ms: u32,
    /// Which start of the source process sent it.
    pub generation: Generation,
    /// Pieces given back, in a `Credit`.
    pub credit: u16,
    /// The request this belongs to.
    pub trace: TraceId,
}

/// Why 64 bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Another layout than ours.
    #[error("speak protocol version {0}, this is version {PROTOCOL_VERSION}")]
    Version(u8),
    /// No such kind.
    #[error("know frame kind {0}")]
    Kind(u8),
    /// A flag that does not exist.
    #[error("know flags {0:#04x}")]
    Flags(u8),
    /// No such role.
    #[error("know role number {0}")]
    Role(u8),
    /// No such direction, or one where none belongs.
    #[error("accept stream direction {0} in this kind of frame")]
    Direction(u8),
    /// An instance without a role.
    #[error("accept an instance without a role")]
    Instance,
    /// Something stands where nothing may.
    #[error("accept a field that does not belong to this kind of frame: {0}")]
    Unexpected(&'static str),
    /// Reserved bytes that are not zero.
    #[error("accept reserved bytes that are not zero")]
    Reserved,
}

impl Header {
    /// A header of `kind` with nothing else set.
    pub const fn new(kind: Kind) -> Header {
        Header {
            kind,
            flags: Flags::NONE,
            source: None,
            destination: None,
            direction: None,
            method: 0,
            call: CallId(0),
            parent: None,
            deadline_ms: 0,
            generation: Generation(0),
            credit: 0,
            trace: TraceId([0; 16]),
        }
    }

    /// Writes the header in its 64 bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (source_role, source_instance) = numbers(self.source);
        let (destination_role, destination_instance) = numbers(self.destination);
        bytes[0] = PROTOCOL_VERSION;
        bytes[1] = self.kind as u8;
        bytes[2] = self.flags.0;
        bytes[3] = source_role;
        bytes[4] = destination_role;
        bytes[5] = self.direction.map_or(0, |direction| direction as u8);
        bytes[6..8].copy_from_slice(&self.method.to_le_bytes());
        bytes[8..12].copy_from_slice(&source_instance.to_le_bytes());
        bytes[12..16].copy_from_slice(&destination_instance.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.call.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.parent.map_or(0, |parent| parent.0).to_le_bytes());
        bytes[32..36].copy_from_slice(&self.deadline_ms.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes[40..42].copy_from_slice(&self.credit.to_le_bytes());
        bytes[48..64].copy_from_slice(&self.trace.0);
        bytes
    }

    /// Reads a header. Every value that is not meaningful is refused; what a kind does not use must be 0.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Header, Malformed> {
        if bytes[0] != PROTOCOL_VERSION {
            return Err(Malformed::Version(bytes[0]));
        }
        let kind = Kind::from_number(bytes[1]).ok_or(Malformed::Kind(bytes[1]))?;
        if bytes[2] & !Flags::KNOWN != 0 {
            return Err(Malformed::Flags(bytes[2]));
        }
        if bytes[42..48] != [0; 6] {
            return Err(Malformed::Reserved);
        }
        let direction = match bytes[5] {
            0 => None,
            1 => Some(Direction::Up),
            2 => Some(Direction::Down),
            other => return Err(Malformed::Direction(other)),
        };
        let header = Header {
            kind,
            flags: Flags(bytes[2]),
            source: place(bytes[3], u32_at(bytes, 8))?,
            destination: place(bytes[4], u32_at(bytes, 12))?,
            direction,
            method: u16_at(bytes, 6),
            call: CallId(u64_at(bytes, 16)),
            parent: Some(CallId(u64_at(bytes, 24))).filter(|parent| parent.0 != 0),
            deadline_ms: u32_at(bytes, 32),
            generation: Generation(u32_at(bytes, 36)),
            credit: u16_at(bytes, 40),
            trace: TraceId(array_at(bytes, 48)),
        };
        header.check()?;
        Ok(header)
    }

    /// What belongs to which kind.
    fn check(&self) -> Result<(), Malformed> {
        use Kind::{Answer, Call, Cancel, Credit, Data, Drain, End, Hello, Open, Ping, Ready, Refuse};
        let starts = matches!(self.kind, Call | Open);
        let of_a_call = starts || matches!(self.kind, Answer | Refuse | Data | Credit | End | Cancel);
        let of_a_stream = matches!(self.kind, Data | Credit | End);
        if of_a_stream != self.direction.is_some() {
            return Err(Malformed::Direction(self.direction.map_or(0, |direction| direction as u8)));
        }
        let unexpected = match self.kind {
            _ if of_a_call == (self.call.0 == 0) => "call id",
            _ if starts != self.destination.is_some() => "destination",
            _ if !starts && self.parent.is_some() => "parent",
            _ if !starts && !matches!(self.kind, Drain) && self.deadline_ms != 0 => "deadline",
            _ if !starts && !matches!(self.kind, Answer | Refuse) && self.method != 0 => "method",
            _ if (self.kind == Credit) == (self.credit == 0) => "credit",
            Call | Open | Answer | Refuse | Data | Hello | Ready if self.flags.has(Flags::REPLY) => "flags",
            Credit | End | Cancel | Drain if self.flags != Flags::NONE => "flags",
            Ping if self.flags.has(Flags::SENSITIVE) => "flags",
            _ => return Ok(()),
        };
        Err(Malformed::Unexpected(unexpected))
    }
}

fn numbers(place: Option<(Role, Instance)>) -> (u8, u32) {
    place.map_or((0, 0), |(role, instance)| (role as u8, instance.0))
}

fn place(role: u8, instance: u32) -> Result<Option<(Role, Instance)>, Malformed> {
    match (role, instance) {
        (0, 0) => Ok(None),
        (0, _) => Err(Malformed::Instance),
        (role, instance) => {
            let role = Role::from_number(role).ok_or(Malformed::Role(role))?;
            Ok(Some((role, Instance(instance))))
        }
    }
}

fn array_at<const N: usize>(bytes: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

fn u16_at(bytes: &[u8; HEADER_LEN], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8; HEADER_LEN], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The layout is a promise to every other implementation, so it is written out byte by byte.
    #[test]
    fn a_call_has_these_bytes() {
        let header = Header {
            kind: Kind::Open,
            flags: Flags::SENSITIVE,
            source: Some((Role::Cli, Instance(0x0102_0304))),
            destination: Some((Role::Agent, Instance(7))),
            method: 0x0201,
            call: CallId(0x1112_1314_1516_1718),
            parent: Some(CallId(9)),
            deadline_ms: 60_000,
            generation: Generation(3),
            trace: TraceId(*b"0123456789abcdef"),
            ..Header::new(Kind::Open)
        };
        #[rustfmt::skip]
        let bytes: [u8; 64] = [
            1, 4, 1, 2, 7, 0, 0x01, 0x02,
            0x04, 0x03, 0x02, 0x01, 7, 0, 0, 0,
            0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
            9, 0, 0, 0, 0, 0, 0, 0,
            0x60, 0xea, 0, 0, 3, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0,
            b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd', b'e', b'f',
        ];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), Ok(header));
    }

    #[test]
    fn a_credit_has_these_bytes() {
        let header = Header { direction: Some(Direction::Down), call: CallId(5), credit: 8, ..Header::new(Kind::Credit) };
        let mut bytes = [0; 64];
        bytes[0] = 1;
        bytes[1] = 6;
        bytes[5] = 2;
        bytes[16] = 5;
        bytes[40] = 8;
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), Ok(header));
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let good = Header { destination: Some((Role::Storage, Instance(1))), call: CallId(1), ..Header::new(Kind::Call) };
        for (at, value, why) in [
            (0, 2, Malformed::Version(2)),
            (1, 0, Malformed::Kind(0)),
            (1, 13, Malformed::Kind(13)),
            (2, 4, Malformed::Flags(4)),
            (2, 2, Malformed::Unexpected("flags")),
            (3, 99, Malformed::Role(99)),
            (5, 1, Malformed::Direction(1)),
            (5, 3, Malformed::Direction(3)),
            (8, 1, Malformed::Instance),
            (16, 0, Malformed::Unexpected("call id")),
            (4, 0, Malformed::Instance),
            (40, 1, Malformed::Unexpected("credit")),
            (42, 1, Malformed::Reserved),
            (47, 1, Malformed::Reserved),
        ] {
            let mut bytes = good.encode();
            bytes[at] = value;
            assert_eq!(Header::decode(&bytes), Err(why), "byte {at} = {value}");
        }
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(mut bytes in any::<[u8; 32]>(), kind in 1u8..13) {
            bytes[0] = PROTOCOL_VERSION;
            bytes[1] = kind;
            let mut whole = [0; HEADER_LEN];
            whole[..32].copy_from_slice(&bytes);
            if let Ok(header) = Header::decode(&whole) {
                prop_assert_eq!(header.encode(), whole);
            }
        }
    }
}
