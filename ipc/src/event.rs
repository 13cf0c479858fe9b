//! The header of an event: the fixed bytes that are hashed, signed, kept for ever and carried between devices.
//!
//! It lies here and not with the archive because three processes read it that know nothing else of one another: the
//! archive that keeps it, the key process that signs only what is one, and whatever carries events between replicas.
//!
//! ```text
//! byte   0  u8    version
//!        1  16 B  space
//!       17  32 B  author            Ed25519 public key of the device
//!       49  u64   sequence          gapless for each author, from 1
//!       57  32 B  previous          id of the author's last event, 0 for the first
//!       89  u64   clock             48 bits of milliseconds since 1970, 16 bits of counter
//!       97  u16   kind
//!       99  16 B  entity
//!      115  u32   body length       of the plain body
//!      119  32 B  body digest       BLAKE3 of the plain body, keyed with a random key kept in the sealed body
//!      151  u8    seen              how many ids follow
//!      152  32 B  each              heads of the entity that the author had seen
//! ```
//!
//! All numbers are little-endian. The id of an event is the BLAKE3 hash of these bytes, so a body can be destroyed and the
//! id stays.

/// The only version there is.
pub const VERSION: u8 = 1;

/// Bytes without the heads.
pub const FIXED_LEN: usize = 152;

/// Most heads in one header.
pub const MAX_SEEN: usize = 8;

/// What a device signs: this tag and the id. No other signature of ours begins with it.
pub const SIGNING_TAG: &[u8; 16] = b"lamos/v1/event\0\0";

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// The space it belongs to.
    pub space: [u8; 16],
    /// The device that made it.
    pub author: [u8; 32],
    /// Counts the author's events from 1 without a gap.
    pub sequence: u64,
    /// The author's event before it.
    pub previous: [u8; 32],
    /// When, by the author's hybrid clock.
    pub clock: Clock,
    /// What it says, by the number of its kind. A kind that is not known is kept and carried.
    pub kind: u16,
    /// What it is about.
    pub entity: [u8; 16],
    /// Length of its plain body.
    pub body_len: u32,
    /// Digest of its plain body.
    pub body_digest: [u8; 32],
    /// The heads of the entity that its author had seen.
    pub seen: Vec<[u8; 32]>,
}

/// A hybrid logical clock: time of the wall where it can be, and always later than everything seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clock(pub u64);

impl Clock {
    /// The first moment of this millisecond.
    pub const fn from_millis(millis: u64) -> Clock {
        Clock(millis << 16)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0 >> 16
    }
}

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEvent {
    /// Another version.
    #[error("read an event of version {0}")]
    Version(u8),
    /// Too short, too long, or with more heads than it may have.
    #[error("read an event header of {0} bytes")]
    Length(usize),
}

impl EventHeader {
    /// The bytes that are hashed.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_LEN + 32 * self.seen.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.space);
        bytes.extend_from_slice(&self.author);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&self.clock.0.to_le_bytes());
        bytes.extend_from_slice(&self.kind.to_le_bytes());
        bytes.extend_from_slice(&self.entity);
        bytes.extend_from_slice(&self.body_len.to_le_bytes());
        bytes.extend_from_slice(&self.body_digest);
        let seen = &self.seen[..self.seen.len().min(MAX_SEEN)];
        bytes.push(u8::try_from(seen.len()).unwrap_or(0));
        seen.iter().for_each(|head| bytes.extend_from_slice(head));
        bytes
    }

    /// Reads a header. There is exactly one way to write each.
    pub fn decode(bytes: &[u8]) -> Result<EventHeader, BadEvent> {
        let wrong = BadEvent::Length(bytes.len());
        let fixed: &[u8; FIXED_LEN] = bytes.first_chunk().ok_or(wrong)?;
        if fixed[0] != VERSION {
            return Err(BadEvent::Version(fixed[0]));
        }
        let seen = usize::from(fixed[151]);
        let heads = bytes.get(FIXED_LEN..).ok_or(wrong)?;
        if seen > MAX_SEEN || heads.len() != 32 * seen {
            return Err(wrong);
        }
        Ok(EventHeader {
            space: at(fixed, 1),
            author: at(fixed, 17),
            sequence: u64::from_le_bytes(at(fixed, 49)),
            previous: at(fixed, 57),
            clock: Clock(u64::from_le_bytes(at(fixed, 89))),
            kind: u16::from_le_bytes(at(fixed, 97)),
            entity: at(fixed, 99),
            body_len: u32::from_le_bytes(at(fixed, 115)),
            body_digest: at(fixed, 119),
            seen: heads.chunks_exact(32).map(|head| std::array::from_fn(|index| head[index])).collect(),
        })
    }
}

fn at<const N: usize>(bytes: &[u8; FIXED_LEN], start: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[start + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> EventHeader {
        EventHeader {
            space: [1; 16],
            author: [2; 32],
            sequence: 3,
            previous: [4; 32],
            clock: Clock::from_millis(5),
            kind: 0x0607,
            entity: [8; 16],
            body_len: 9,
            body_digest: [10; 32],
            seen: vec![[11; 32], [12; 32]],
        }
    }

    #[test]
    fn these_bytes_are_hashed_for_ever() {
        let mut bytes = vec![1];
        bytes.extend([1; 16]);
        bytes.extend([2; 32]);
        bytes.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([4; 32]);
        bytes.extend([0, 0, 5, 0, 0, 0, 0, 0]);
        bytes.extend([7, 6]);
        bytes.extend([8; 16]);
        bytes.extend([9, 0, 0, 0]);
        bytes.extend([10; 32]);
        bytes.push(2);
        bytes.extend([11; 32]);
        bytes.extend([12; 32]);
        assert_eq!(example().encode(), bytes);
        assert_eq!(EventHeader::decode(&bytes), Ok(example()));
    }

    #[test]
    fn a_header_is_written_in_one_way() {
        let bytes = example().encode();
        for end in 0..bytes.len() {
            assert!(EventHeader::decode(&bytes[..end]).is_err());
        }
        assert!(EventHeader::decode(&[&bytes[..], &[0; 32]].concat()).is_err());
        let mut other = bytes.clone();
        other[0] = 2;
        assert_eq!(EventHeader::decode(&other), Err(BadEvent::Version(2)));
        let mut many = vec![0; FIXED_LEN + 32 * 9];
        many[0] = VERSION;
        many[151] = 9;
        assert_eq!(EventHeader::decode(&many), Err(BadEvent::Length(FIXED_LEN + 32 * 9)));
    }
}
