//! Identifiers and the records of fixed length that are sent in lists: one CBOR byte string for a whole list.

use minicbor::{
    Decode, Decoder, Encode, Encoder,
    decode::Error as DecodeError,
    encode::{Error as EncodeError, Write},
};

/// BLAKE3 of an event's header.
pub type Id = [u8; 32];

/// The public key of the device that made an event.
pub type Author = [u8; 32];

/// The newest event of an author that a side holds: 72 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// Whose.
    pub author: Author,
    /// Its number, from 1.
    pub sequence: u64,
    /// Its id.
    pub id: Id,
}

/// Events of one author that are asked for, `after < sequence ≤ upto`: 80 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Whose.
    pub author: Author,
    /// The last one that is held, 0 for none.
    pub after: u64,
    /// Its id, so that a fork is noticed before anything is sent; 0 for none.
    pub after_id: Id,
    /// The last one that is wanted.
    pub upto: u64,
}

/// The place of an event in the chain of its author, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub sequence: u64,
    /// Its clock.
    pub clock: u64,
    /// Its id.
    pub id: Id,
}

/// Moments `from ≤ clock < to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Span {
    /// The first.
    #[n(0)]
    pub from: u64,
    /// The first after it.
    #[n(1)]
    pub to: u64,
}

impl Span {
    /// All moments. The last one of all is reserved by the reconciliation and is no event's.
    pub const ALL: Span = Span { from: 0, to: u64::MAX };

    /// What was made in the `days` before `now`, newest part first: a day, up to a week, the rest. Parts are reconciled in
    /// this order, so what a person looks at first comes first.
    pub fn recent(now: ipc::event::Clock, days: u64) -> Vec<Span> {
        const DAY: u64 = 24 * 60 * 60 * 1000;
        let ago = |days: u64| ipc::event::Clock::from_millis(now.millis().saturating_sub(days * DAY)).0;
        let mut spans = Vec::new();
        let mut to = u64::MAX;
        for until in [1, 7, days].into_iter().filter(|until| *until <= days) {
            let from = ago(until);
            if from < to {
                spans.push(Span { from, to });
            }
            to = from;
        }
        spans
    }
}

/// What is sent in lists.
pub trait Record: Sized {
    /// Its length.
    const LEN: usize;
    /// Writes it.
    fn pack(&self, out: &mut Vec<u8>);
    /// Reads it from `LEN` bytes.
    fn unpack(bytes: &[u8]) -> Option<Self>;
}

impl Record for Id {
    const LEN: usize = 32;

    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn unpack(bytes: &[u8]) -> Option<Id> {
        bytes.try_into().ok()
    }
}

impl Record for Head {
    const LEN: usize = 72;

    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.author);
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.id);
    }

    fn unpack(bytes: &[u8]) -> Option<Head> {
        let (author, rest) = bytes.split_first_chunk()?;
        let (sequence, id) = rest.split_first_chunk()?;
        Some(Head { author: *author, sequence: u64::from_le_bytes(*sequence), id: id.try_into().ok()? })
    }
}

impl Record for Range {
    const LEN: usize = 80;

    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.author);
        out.extend_from_slice(&self.after.to_le_bytes());
        out.extend_from_slice(&self.after_id);
        out.extend_from_slice(&self.upto.to_le_bytes());
    }

    fn unpack(bytes: &[u8]) -> Option<Range> {
        let (author, rest) = bytes.split_first_chunk()?;
        let (after, rest) = rest.split_first_chunk()?;
        let (after_id, upto) = rest.split_first_chunk()?;
        Some(Range {
            author: *author,
            after: u64::from_le_bytes(*after),
            after_id: *after_id,
            upto: u64::from_le_bytes(upto.try_into().ok()?),
        })
    }
}

/// A list of records as one byte string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed<T>(pub Vec<T>);

impl<C, T: Record> Encode<C> for Packed<T> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        let mut bytes = Vec::with_capacity(self.0.len() * T::LEN);
        self.0.iter().for_each(|record| record.pack(&mut bytes));
        e.bytes(&bytes)?;
        Ok(())
    }
}

impl<'b, C, T: Record> Decode<'b, C> for Packed<T> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Packed<T>, DecodeError> {
        // The bytes are there already, so the list is not longer than the message.
        let bytes = d.bytes()?;
        if bytes.len() % T::LEN != 0 {
            return Err(DecodeError::message("a list that ends within a record"));
        }
        bytes
            .chunks_exact(T::LEN)
            .map(T::unpack)
            .collect::<Option<Vec<T>>>()
            .map(Packed)
            .ok_or_else(|| DecodeError::message("a record of another length"))
    }
}

/// What two sides compare first: BLAKE3 of their heads, ordered by author. It is never all zeros, which stands for "not told".
pub fn state(heads: &[Head]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("lamos chum v1 state of the heads");
    let mut bytes = Vec::with_capacity(Head::LEN);
    for head in heads {
        bytes.clear();
        head.pack(&mut bytes);
        hasher.update(&bytes);
    }
    *hasher.finalize().as_bytes()
}
