//! Checks that anybody can make, without a key and without a store: that an event has the id and the signature it is said to
//! have, and that it says what it is said to say.

use ipc::event::EventHeader;
use zeroize::Zeroizing;

use crate::{
    Damage, Recorded, ReplicaError, Snapshot,
    body::Body,
    log::hex,
    parcel::{MAX_BODY, Unfit, is_signed},
    sealed::Opened,
};

/// What an event says, with what it takes to see that its header tells of these very bytes.
pub struct Said {
    /// The key of the digest in the header. It is random and goes with the body, so that what was erased cannot be guessed.
    pub digest_key: [u8; 32],
    /// The body, in CBOR.
    pub plain: Zeroizing<Vec<u8>>,
}

/// An event that was checked.
pub struct Proved {
    /// Its header.
    pub header: EventHeader,
    /// Its id.
    pub id: [u8; 32],
    /// What it says; `None` if that was erased.
    pub body: Option<Body>,
}

impl Snapshot<'_> {
    /// What an event says, to be given out open; `None` if it was erased.
    pub fn said(&self, event: &Recorded) -> Result<Option<Said>, ReplicaError> {
        let Some(Opened { kept, plain }) = self.replica.kept(&*self.txn, event)? else { return Ok(None) };
        let digest_key = kept.get(1..).and_then(<[u8]>::first_chunk).ok_or_else(|| Damage::Event(hex(&event.id)))?;
        Ok(Some(Said { digest_key: *digest_key, plain }))
    }
}

/// Checks an event: its header, who signed it, and what it says.
pub fn prove(header: &[u8], signature: &[u8; 64], said: Option<&Said>) -> Result<Proved, Unfit> {
    let read = EventHeader::decode(header)?;
    let id = *blake3::hash(header).as_bytes();
    if !is_signed(&read.author, &id, signature) {
        return Err(Unfit::Signature);
    }
    let Some(said) = said else { return Ok(Proved { header: read, id, body: None }) };
    if said.plain.len() > MAX_BODY {
        return Err(Unfit::TooLarge(said.plain.len()));
    }
    let kept = [&[0][..], &said.digest_key, &said.plain].concat();
    let opened = Opened::check(Zeroizing::new(kept), &read).ok_or(Unfit::Body)?;
    let body = Body::from_bytes(read.kind, &opened.plain).unwrap_or(Body::Unknown(read.kind));
    Ok(Proved { header: read, id, body: Some(body) })
}
