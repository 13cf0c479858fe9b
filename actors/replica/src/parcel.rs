//! An event on its way from one store to another, and what is checked before it is taken in.
//!
//! Nothing of the sender is believed: the id is computed, the signature is checked against the author named in the
//! header, and the body against the header's digest.

use ipc::event::{BadEvent, EventHeader, FIXED_LEN, MAX_SEEN, SIGNING_TAG};
use zeroize::Zeroizing;

use crate::{
    Replica,
    sealed::{self, Opened, SEALED_MORE, WRAPPED_LEN},
};

/// The longest plain body that is taken, in bytes.
pub const MAX_BODY: usize = 16 << 20;

/// The longest header.
const MAX_HEADER: usize = FIXED_LEN + 32 * MAX_SEEN;

/// How far ahead of this device's clock an event may be, in milliseconds.
pub const MAX_AHEAD: u64 = 10 * 60 * 1000;

/// An event as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The bytes that are hashed and signed.
    pub header: Vec<u8>,
    /// The author's signature over the tag of events and the id.
    pub signature: [u8; 64],
    /// What it says.
    pub body: Carried,
}

/// How a body travels.
#[derive(Clone, PartialEq, Eq)]
pub enum Carried {
    /// How it is kept `1` ‖ digest key `32` ‖ body. For those who may read it and have keys of their own.
    Open(Vec<u8>),
    /// Wrapped key of the entity `72` ‖ sealed body. For those who share the archive's key.
    Sealed(Vec<u8>),
    /// It is erased, or not here.
    Erased,
}

/// In which form bodies are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// See [`Carried::Open`].
    Open,
    /// See [`Carried::Sealed`].
    Sealed,
}

/// Why an event is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its header cannot be read.
    #[error("{0}")]
    Header(#[from] BadEvent),
    /// It belongs to another space.
    #[error("it belongs to another space")]
    Space,
    /// Its author has not signed it.
    #[error("its signature is not its author's")]
    Signature,
    /// Its body is not the one that its header names, or there is none where there must be one.
    #[error("its body is not what its header says")]
    Body,
    /// Its body is larger than any may be.
    #[error("its body has {0} bytes")]
    TooLarge(usize),
    /// It is sealed under a key that this store does not have.
    #[error("it is sealed for another archive")]
    Seal,
    /// Its place in its author's chain cannot be.
    #[error("its number or its clock does not follow its author's last")]
    Chain,
    /// Its clock is too far ahead.
    #[error("its clock is {0} ms ahead")]
    Future(u64),
    /// There is nothing here that it could mend.
    #[error("there is no such event")]
    NotHere,
}

/// A parcel whose id, signature and body are right.
pub struct Verified<'p> {
    /// Its header.
    pub header: EventHeader,
    /// Its id.
    pub id: [u8; 32],
    pub(crate) bytes: &'p [u8],
    pub(crate) signature: &'p [u8; 64],
    pub(crate) body: Option<Opened>,
    /// The wrapped key and the sealed body, as they came.
    pub(crate) sealed: Option<(&'p [u8; WRAPPED_LEN], &'p [u8])>,
}

impl Replica {
    /// Checks what can be checked of a parcel without looking at what is there.
    pub fn check<'p>(&self, parcel: &'p Parcel) -> Result<Verified<'p>, Unfit> {
        self.check_at(parcel, self.wall.millis())
    }

    /// The same, whatever this device's clock says: for what was taken in once.
    pub(crate) fn intact<'p>(&self, parcel: &'p Parcel) -> Result<Verified<'p>, Unfit> {
        self.check_at(parcel, u64::MAX)
    }

    fn check_at<'p>(&self, parcel: &'p Parcel, now: u64) -> Result<Verified<'p>, Unfit> {
        let bytes = &parcel.header[..];
        if bytes.len() > MAX_HEADER {
            return Err(BadEvent::Length(bytes.len()).into());
        }
        let header = EventHeader::decode(bytes)?;
        if header.space != self.keys.space {
            return Err(Unfit::Space);
        }
        let ahead = header.clock.millis().saturating_sub(now);
        if ahead > MAX_AHEAD {
            return Err(Unfit::Future(ahead));
        }
        if header.body_len as usize > MAX_BODY {
            return Err(Unfit::TooLarge(header.body_len as usize));
        }
        let id = *blake3::hash(bytes).as_bytes();
        if !is_signed(&header.author, &id, &parcel.signature) {
            return Err(Unfit::Signature);
        }
        let most = header.body_len as usize + SEALED_MORE + WRAPPED_LEN;
        let (body, sealed) = match &parcel.body {
            Carried::Erased => (None, None),
            Carried::Open(kept) | Carried::Sealed(kept) if kept.len() > most => return Err(Unfit::Body),
            Carried::Open(kept) => (Some(Opened::check(Zeroizing::new(kept.clone()), &header).ok_or(Unfit::Body)?), None),
            Carried::Sealed(carried) => {
                let (wrapped, sealed) = carried.split_first_chunk::<WRAPPED_LEN>().ok_or(Unfit::Body)?;
                let key = sealed::unwrap(&self.keys, &header.entity, wrapped).ok_or(Unfit::Seal)?;
                let kept = sealed::open_kept(&key, &id, sealed).ok_or(Unfit::Seal)?;
                (Some(Opened::check(kept, &header).ok_or(Unfit::Body)?), Some((wrapped, sealed)))
            }
        };
        Ok(Verified { header, id, bytes, signature: &parcel.signature, body, sealed })
    }
}

/// Whether the author signed this id. Keys of small order and signatures with two spellings are refused.
pub(crate) fn is_signed(author: &[u8; 32], id: &[u8; 32], signature: &[u8; 64]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(author) else { return false };
    let message = [&SIGNING_TAG[..], id].concat();
    key.verify_strict(&message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
}

impl Parcel {
    /// Bytes it takes, about.
    pub fn bytes(&self) -> usize {
        self.header.len() + 64 + self.body.bytes()
    }
}

impl Carried {
    /// Bytes it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Carried::Open(bytes) | Carried::Sealed(bytes) => bytes.len(),
            Carried::Erased => 0,
        }
    }
}

/// An open body says what a person said; it is not printed.
impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Carried::Open(bytes) => write!(f, "Open({} bytes)", bytes.len()),
            Carried::Sealed(bytes) => write!(f, "Sealed({} bytes)", bytes.len()),
            Carried::Erased => f.write_str("Erased"),
        }
    }
}
