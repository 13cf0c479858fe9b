//! Cutting a stream of bytes into messages: `length u32 ‖ kind u8 ‖ payload`, little-endian, the length that of the payload.
//!
//! A kind with the highest bit set may be skipped by who does not know it; any other unknown kind ends the session. Nothing
//! is reserved before its length was compared with the cap of its kind.

use super::{fault::PeerFault, limits::MAX_FRAME, message};

/// Bytes before the payload.
pub const PREFIX: usize = 5;

/// The bit of a kind that may be skipped.
pub const SKIPPABLE: u8 = 0x80;

/// Most bytes of a message that is skipped.
pub const MAX_SKIPPED: usize = 64 << 10;

/// What has come of a message that is not whole yet.
#[derive(Debug, Default)]
pub struct Input {
    prefix: [u8; PREFIX],
    have: usize,
    payload: Vec<u8>,
}

/// A whole message, not yet decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Its kind.
    pub kind: u8,
    /// The rest.
    pub payload: Vec<u8>,
}

impl Input {
    /// Takes the next message from the front of `bytes`; `None` if there is not enough, and then all of them are taken.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Raw>, PeerFault> {
        if self.have < PREFIX {
            let (taken, rest) = bytes.split_at(bytes.len().min(PREFIX - self.have));
            self.prefix[self.have..self.have + taken.len()].copy_from_slice(taken);
            self.have += taken.len();
            *bytes = rest;
            if self.have < PREFIX {
                return Ok(None);
            }
        }
        let (kind, length) = self.announced();
        let cap = match message::cap(kind) {
            Some(cap) => cap,
            None if kind & SKIPPABLE != 0 => MAX_SKIPPED,
            None => return Err(PeerFault::UnknownMessage(kind)),
        };
        if length > cap {
            return Err(PeerFault::TooLong { kind, length });
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(length - self.payload.len()));
        self.payload.extend_from_slice(taken);
        *bytes = rest;
        if self.payload.len() < length {
            return Ok(None);
        }
        self.have = 0;
        Ok(Some(Raw { kind, payload: std::mem::take(&mut self.payload) }))
    }

    /// Bytes held of a message that is not whole.
    pub fn held(&self) -> usize {
        self.have + self.payload.len()
    }

    fn announced(&self) -> (u8, usize) {
        let [a, b, c, d, kind] = self.prefix;
        (kind, usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX))
    }
}

/// Writes a message behind what is in `out`.
pub fn put(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    debug_assert!(payload.len() <= MAX_FRAME);
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.push(kind);
    out.extend_from_slice(payload);
}
